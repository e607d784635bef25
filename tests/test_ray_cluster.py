"""A Ray cluster of two nodes for all tests here: sets with the same bytes, and a study that loses a node."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime.cli import main
from tests.support.clusters import ENVIRONMENT, ROOT, Node, two_nodes
from tests.support.environment import import_or_skip
from tests.support.published import published
from tests.support.studies import broken, cut_demo, gray

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N_GOOD = 10
N_FRAMES = 8
REFUSED = """
import sys
from engines.cluster import ClusterError, Demands, connected
try:
    with connected({address!r}, Demands(memory_bytes=10**15)):
        sys.exit("too much memory was promised")
except ClusterError as error:
    print(error)
"""
SETS = """
from pathlib import Path
from realtime.cli import main
from train.blazepose.clips import make_lift_clips
from train.blazepose.data import CLIP_PX
from train.synth.recipe import Recipe
for again in range(2):
    assert main(["train", "synth", "--out", {out!r} + "/synth", "--seed", "3", "--size", "64", "--bodies",
                 {bodies!r}, "--images", "8", *{where!r}]) == 0
recipe = Recipe(9, size_px=CLIP_PX, bodies=Path({bodies!r}))
assert list(make_lift_clips(Path({out!r}) / "lift", recipe, 1, 1, {address!r})) == [1]
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster of two nodes with a core each."""

    address: str
    other: Node
    """The node that is not the head."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    published("pose_landmark_full"), published("pose_detection")
    with two_nodes() as (address, _, other):
        yield Cluster(address, other)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **ENVIRONMENT}, check=True, timeout=600,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_more_memory_than_a_machine_has_is_refused(cluster: Cluster) -> None:
    said = run(REFUSED.format(address=cluster.address))
    assert said.startswith("a task needs 1 cores and 1000000.0 GB, but the machines have 1 cores and 2.0 GB")


def test_sets_have_the_same_bytes_as_on_one_machine(
    cluster: Cluster, bodies_path: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    for name, where, address in (
        ("ray", ["--ray", cluster.address], cluster.address),
        ("alone", ["--workers", "1"], None),
    ):
        out, bodies = str(tmp_path / name), str(bodies_path)
        run(SETS.format(out=out, bodies=bodies, where=where, address=address))
    on_ray = contents(tmp_path / "ray")
    assert on_ray == contents(tmp_path / "alone")
    assert len(on_ray) == 3  # a shard and its description, and the rows of a clip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve trials of two people: one video is broken, and nobody is in another."""
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


def test_a_study_survives_the_loss_of_a_machine(cluster: Cluster, study: Path) -> None:
    """The last test here: it kills the second node. Twelve trials, ten of which are also tracked alone."""
    out = study.parent / "out"
    words = ["study", "run", str(study), "--out", str(out), "--ray", cluster.address, "--memory", "0.5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", *words], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT},
    )  # fmt: skip
    is_killed, said = False, []
    for line in lines_of(process):
        said.append(line)
        if not is_killed and len(said) >= 2 and cluster.other.is_working:
            cluster.other.kill()
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
