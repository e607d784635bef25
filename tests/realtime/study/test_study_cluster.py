"""Studies on a Ray cluster that nobody answers for; `tests/test_ray_cluster.py` has one that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.cli import main
from tests.support.environment import import_or_skip
from tests.support.studies import gray


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    folder = tmp_path_factory.mktemp("study")
    gray(folder / "videos/nobody.mp4", 4)
    assert main(["study", "init", str(folder / "videos"), "--out", str(folder / "study.toml")]) == 0
    return folder / "study.toml"


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
