"""The notebook runs from its first cell to its last, and README's few lines run in an empty file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.published import published

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOK = ROOT / "realtime" / "docs" / "kinecast.ipynb"


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pandas", reason="needs the extra kinecast[data]")
    pytest.importorskip("matplotlib").use("Agg")
    for name in ("pose_landmark_full", "pose_detection", "demo_clip"):
        published(name)
    monkeypatch.chdir(tmp_path)
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert book["nbformat"] == 4 and len(cells) > 5
    assert not any(cell.get("outputs") for cell in book["cells"])
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)
    assert (tmp_path / "walk.xlsx").stat().st_size > 1000
    assert len(names["walk"].angles) == 60  # type: ignore[attr-defined]
    assert names["overlay"].shape[2] == 3  # type: ignore[attr-defined]


def test_the_lines_of_the_readme_run_in_an_empty_file(tmp_path: Path):
    for name in ("pose_landmark_full", "pose_detection", "demo_clip"):
        published(name)
    (text,) = re.findall(
        r"```python\n(from realtime import Tracker\n.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    (tmp_path / "mine.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in result.stdout.splitlines()]
    assert len(rows) > 100 and {"tracking"} <= {status for _, status in rows}
    assert sum(-20.0 < float(angle) < 150.0 for angle, _ in rows) > 100
