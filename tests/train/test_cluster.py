"""Sets on a Ray cluster that nobody answers for; `tests/test_ray_cluster.py` has one that works."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from realtime.cli import main
from tests.support.environment import import_or_skip


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
