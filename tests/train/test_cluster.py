"""Sets made on a Ray cluster of two nodes have the bytes of those made on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from realtime.cli import main
from tests.support.clusters import ENVIRONMENT, ROOT, two_nodes
from tests.support.environment import import_or_skip
from tests.support.published import published

SYNTH = """
from realtime.cli import main
for again in range(2):
    assert main(["train", "synth", "--out", {out!r}, "--seed", "3", "--size", "64", "--bodies", {bodies!r},
                 "--images", "16", *{where!r}]) == 0
"""
LIFT_DATA = """
from pathlib import Path
from train.blazepose.data import PICTURE_PX
from train.blazepose.pictures import make_lift_data
from train.synth.recipe import Recipe
recipe = Recipe(3, size_px=PICTURE_PX, bodies=Path({bodies!r}))
assert list(make_lift_data(Path({out!r}), recipe, 1, 1, {address!r})) == [1]
"""


def run(code: str) -> None:
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, timeout=600
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_same_bytes_as_on_one_machine(bodies_path: Path, tmp_path: Path) -> None:
    """Slow: some 300 images are drawn, in workers that each load the bodies."""
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    published("pose_landmark_full"), published("pose_detection")
    bodies = str(bodies_path)
    with two_nodes() as (address, _, _):
        run(SYNTH.format(out=str(tmp_path / "synth_ray"), bodies=bodies, where=["--ray", address]))
        run(LIFT_DATA.format(out=str(tmp_path / "lift_ray"), bodies=bodies, address=address))
    run(SYNTH.format(out=str(tmp_path / "synth"), bodies=bodies, where=["--workers", "1"]))
    run(LIFT_DATA.format(out=str(tmp_path / "lift"), bodies=bodies, address=None))
    assert contents(tmp_path / "synth_ray") == contents(tmp_path / "synth")
    assert len(contents(tmp_path / "synth")) == 2  # a shard and the description
    assert contents(tmp_path / "lift_ray") == contents(tmp_path / "lift")
    assert len(contents(tmp_path / "lift")) == 2  # rows and their images


@pytest.mark.parametrize("command", ["synth", "lift-data", "lift-clips"])
def test_a_cluster_that_does_not_answer_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    count = {"synth": ["--images", "8"], "lift-data": ["--pictures", "8"], "lift-clips": ["--clips", "1"]}[
        command
    ]
    words = ["train", command, "--out", str(tmp_path / "set"), *count, "--ray", "127.0.0.1:1"]
    assert main(words) == 2
    assert "127.0.0.1:1: no Ray cluster answers there" in capsys.readouterr().err
