"""Who may import whom: calib and engines are leaves, train and realtime never meet, heavy ones stay put."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calib", "engines", "train", "realtime")
MAY_IMPORT = {
    "calib": {"calib"},
    "engines": {"engines"},
    "train": {"train", "calib", "engines"},
    "realtime": {"realtime", "calib", "engines"},
}
# Distribution -> files that may import it, as prefixes of their paths.
CONFINED = {
    "torch": ("train/",),
    "open3d": ("realtime/viewer",),
    "opensim": ("realtime/bench",),
    "tensorrt": ("engines/",),
    "openvino": ("engines/", "realtime/commands/doctor.py"),
    "onnxruntime": ("engines/", "train/"),
}
WINDOW_CALLS = {
    "imshow", "namedWindow", "waitKey", "waitKeyEx", "pollKey", "destroyWindow", "destroyAllWindows",
    "resizeWindow", "moveWindow", "getWindowProperty", "setWindowProperty", "setWindowTitle", "selectROI",
    "setMouseCallback", "createTrackbar",
}  # fmt: skip
MAY_OPEN_WINDOWS = ("realtime/overlay/window.py", "realtime/viewer")

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Top-level names of everything that is imported, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield package if node.level else (node.module or "").partition(".")[0]


def violations(path: str, text: str) -> list[str]:
    """What a file at `path` does against the layering."""
    package = path.partition("/")[0]
    tree = ast.parse(text)
    found = []
    for name in imported(tree, package):
        if name in PACKAGES and name not in MAY_IMPORT[package]:
            found.append(f"{path} imports {name}")
        if name in CONFINED and not path.startswith(CONFINED[name]):
            found.append(f"{path} imports {name}")
    if not path.startswith(MAY_OPEN_WINDOWS):
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & WINDOW_CALLS
        found += [f"{path} uses cv2.{name}" for name in sorted(calls)]
    return found


def test_every_file_keeps_to_its_layer():
    assert len(SOURCES) > 20
    found = [
        violation
        for path in SOURCES
        for violation in violations(path.relative_to(ROOT).as_posix(), path.read_text())
    ]
    assert not found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("calib/a.py", "import engines.spec"),
        ("calib/a.py", "from realtime.sample import Frame"),
        ("engines/a.py", "def f():\n    from calib import skeleton"),
        ("train/a.py", "if TYPE_CHECKING:\n    import realtime"),
        ("realtime/a.py", "from train.errors import TrainError"),
        ("realtime/a.py", "import torch.nn as nn"),
        ("realtime/overlay/overlay.py", "import open3d"),
        ("calib/kinematics.py", "import opensim"),
        ("realtime/overlay/overlay.py", "import cv2\ncv2.imshow('a', b)"),
    ],
)
def test_what_breaks_a_layer_is_found(path: str, text: str):
    assert violations(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("train/a.py", "import torch\nfrom calib import skeleton"),
        ("realtime/viewer.py", "import open3d"),
        ("realtime/bench/skeleton.py", "import opensim"),
        ("calib/a.py", "from . import errors"),
        ("realtime/overlay/window.py", "import cv2\ncv2.imshow('a', b)"),
    ],
)
def test_what_keeps_to_its_layer_is_left_alone(path: str, text: str):
    assert not violations(path, text)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("realtime.cli", {"numpy", "cv2", "numba", "openvino", "zmq", "torch", "open3d", "opensim"}),
        ("realtime.commands.live", {"cv2", "openvino", "torch", "open3d", "opensim"}),
        ("realtime.client", {"cv2", "numba", "openvino", "torch"}),
        ("calib", {"cv2", "openvino", "torch"}),
        ("engines", {"cv2", "numba", "openvino", "torch"}),
    ],
)
def test_importing_is_light(module: str, unwanted: set[str]):
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not unwanted & set(result.stdout.split())
