"""Studies on Ray: a cluster of two nodes of which one is killed, and clusters that nobody answers for."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.cli import main
from tests.support.clusters import ENVIRONMENT, ROOT, two_nodes
from tests.support.environment import import_or_skip
from tests.support.studies import broken, cut_demo, gray

N_GOOD = 10
N_FRAMES = 10


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve trials of two people: one video is broken, and nobody is in another."""
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    folder = tmp_path_factory.mktemp("study")
    for k in range(N_GOOD):
        cut_demo(folder / f"videos/p{k % 2}/walk{k}.mp4", 60 + 12 * k, N_FRAMES)
    broken(folder / "videos/p0/cut.mp4")
    gray(folder / "videos/p1/nobody.mp4", N_FRAMES)
    assert main(["study", "init", str(folder / "videos"), "--out", str(folder / "study.toml")]) == 0
    return folder / "study.toml"


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_study_survives_the_loss_of_a_machine(study: Path) -> None:
    """Slow: two nodes, two workers that load the networks, and twelve trials that are also tracked alone."""
    out = study.parent / "out"
    with two_nodes() as (address, _, other):
        words = ["study", "run", str(study), "--out", str(out), "--ray", address, "--memory", "0.5"]
        process = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", *words], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT},
        )  # fmt: skip
        is_killed, said = False, []
        for line in lines_of(process):
            said.append(line)
            if not is_killed and len(said) >= 2 and other.is_working:
                other.kill()
                is_killed = True
        complained = process.communicate()[1]
        code = process.returncode
    assert code == 1, complained
    assert is_killed, "the second node did nothing"
    assert f"{N_GOOD} of 12 trials done; without angles: p0/cut, p1/nobody" in said[-1]
    rows = {row["trial"]: row for row in csv.DictReader((out / "trials.csv").read_text().splitlines())}
    assert len(rows) == 12 and [r["status"] for r in rows.values()].count("done") == N_GOOD
    assert "not a video that can be read" in rows["cut"]["reason"]
    assert rows["nobody"]["reason"] == f"nobody was found in its {N_FRAMES} frames"
    for k in range(N_GOOD):
        name = f"p{k % 2}/walk{k}"
        alone = study.parent / "alone" / name
        assert main(["replay", str(study.parent / f"videos/{name}.mp4"), "--out", str(alone)]) == 0
        assert (out / name / "angles.sto").read_bytes() == (alone / "angles.sto").read_bytes()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: no Ray cluster answers there"),
        ("no-such-host.invalid:6379", "no-such-host.invalid:6379: no Ray cluster answers there"),
        ("everywhere", "'everywhere' is no address of a Ray cluster; accepted: HOST:PORT, or auto"),
        ("127.0.0.1:99999", "127.0.0.1:99999: no Ray cluster answers there"),
    ],
)
def test_a_cluster_that_does_not_answer_is_named(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    assert main(["study", "run", str(study), "--out", str(tmp_path / "out"), "--ray", address]) == 2
    complained = capsys.readouterr().err
    assert said in complained and complained.count("\n") == 1


def test_workers_are_not_a_cluster(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "run", str(study), "--out", str(tmp_path), "--ray", "auto", "--workers", "2"]
    assert main(words) == 2
    assert "--workers is for this machine" in capsys.readouterr().err
