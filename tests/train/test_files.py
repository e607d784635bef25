"""Files that several processes want at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT
from train.files import made_once

MAKER = """
import sys, time
from pathlib import Path
from train.files import made_once
path = Path(sys.argv[1])
def make():
    with open(path.with_name("makers.txt"), "a") as makers:
        makers.write("one\\n")
    time.sleep(0.5)  # long enough for the others to come
    path.write_text("made")
made_once(path, make)
print(path.read_text())
"""


def test_one_of_several_processes_makes_it_and_the_others_wait(tmp_path: Path) -> None:
    path = tmp_path / "bodies" / "adults.npz"
    words = [sys.executable, "-c", MAKER, str(path)]
    makers = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [maker.communicate(timeout=60)[0] for maker in makers] == ["made\n"] * 3
    assert path.with_name("makers.txt").read_text() == "one\n"


def test_a_maker_that_fails_leaves_it_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def fail() -> None:
        raise OSError("no space left")

    for make in (fail, lambda: path.write_text("made") and None):
        try:
            made_once(path, make)
        except OSError:
            assert not path.exists()
    assert path.read_text() == "made"
