"""Who may import whom: calib and engines are leaves, train and realtime never meet, rooms follow the data."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("calib", "engines", "train", "realtime")
# Room (package) -> rooms it may import, beside itself: the order of the data, from bottom to top. What stays
# at the root of a package (errors, types, public faces) is a room of its own, under the package's name.
MAY_IMPORT = {
    "calib": "calib.osim calib.solver",
    "calib.osim": "calib",
    "calib.solver": "calib",
    "calib.boards": "calib",
    "calib.tables": "calib",
    "calib.default": "calib",
    "engines": "engines.runtimes engines.building",
    "engines.features": "engines engines.blazepose",
    "engines.runtimes": "engines",
    "engines.blazepose": "engines engines.runtimes",
    "engines.building": "engines engines.features engines.runtimes",
    "train": "engines",
    "train.motion": "train calib calib.tables",
    "train.bodies": "train train.motion calib",
    "train.clothing": "train train.bodies",
    "train.scene": "train train.bodies train.clothing calib",
    "train.synth": "train train.motion train.bodies train.clothing train.scene calib engines",
    "train.blazepose": (
        "train train.motion train.bodies train.scene train.synth "
        "calib engines engines.features engines.blazepose"
    ),
    "train.lift": (
        "train train.motion train.bodies train.synth train.blazepose "
        "calib engines engines.features engines.blazepose"
    ),
    "train.fusion": (
        "train train.motion train.synth train.blazepose train.lift train.direct train.direct.encoders "
        "train.temporal calib engines engines.features engines.blazepose"
    ),
    "train.patches": "train train.blazepose calib engines engines.features engines.blazepose",
    "train.direct": (
        "train train.direct.encoders train.motion train.scene train.synth train.lift "
        "calib calib.osim calib.tables engines engines.features"
    ),
    "train.importing": (
        "train train.synth train.blazepose train.direct calib calib.tables engines engines.blazepose"
    ),
    "train.recipe": "train train.synth",
    "train.direct.encoders": "train engines engines.runtimes engines.blazepose",
    "train.temporal": (
        "train train.motion train.synth train.blazepose train.lift calib engines engines.features"
    ),
    "train.commands": (
        "train train.bodies train.synth train.blazepose train.lift train.direct train.direct.encoders "
        "train.fusion train.patches train.importing train.recipe train.temporal calib "
        "engines engines.features engines.blazepose"
    ),
    "realtime": "realtime.stream realtime.api realtime.export calib engines.runtimes",
    "realtime.sources": "realtime calib",
    "realtime.pose": "realtime calib engines engines.features engines.blazepose",
    "realtime.person": "realtime realtime.pose calib engines engines.features engines.blazepose",
    "realtime.estimators": (
        "realtime realtime.pose realtime.person realtime.views calib "
        "engines engines.features engines.runtimes engines.blazepose"
    ),
    "realtime.views": (
        "realtime realtime.sources realtime.pose realtime.person realtime.overlay calib "
        "engines engines.features engines.blazepose"
    ),
    "realtime.pipeline": "realtime realtime.sources",
    "realtime.stream": "realtime calib",
    "realtime.events": "realtime calib",
    "realtime.recording": (
        "realtime realtime.recording.video realtime.sources realtime.pipeline realtime.stream "
        "calib calib.tables"
    ),
    "realtime.recording.video": "realtime",
    "realtime.control": "realtime realtime.sources realtime.pipeline realtime.overlay realtime.recording",
    "realtime.report": (
        "realtime realtime.pose realtime.events realtime.recording realtime.recording.video "
        "calib calib.tables"
    ),
    "realtime.overlay": "realtime calib",
    "realtime.calibration": (
        "realtime realtime.sources realtime.pose realtime.person realtime.views realtime.estimators "
        "realtime.overlay calib calib.boards engines engines.features engines.blazepose"
    ),
    "realtime.viewer": (
        "realtime realtime.stream realtime.recording realtime.overlay calib calib.osim calib.tables"
    ),
    "realtime.bridges": "realtime realtime.stream calib",
    "realtime.export": "realtime realtime.stream realtime.events realtime.recording calib calib.tables",
    "realtime.api": (
        "realtime realtime.sources realtime.pipeline realtime.recording realtime.estimators realtime.views "
        "realtime.overlay calib engines"
    ),
    "realtime.app": (
        "realtime realtime.sources realtime.stream realtime.events realtime.control realtime.recording "
        "realtime.recording.video calib"
    ),
    "realtime.app.pages": "realtime realtime.app realtime.sources realtime.recording.video calib",
    "realtime.bench": (
        "realtime realtime.sources realtime.pipeline realtime.pose realtime.estimators realtime.views "
        "realtime.stream realtime.report calib calib.tables engines engines.features engines.runtimes "
        "engines.blazepose engines.building"
    ),
    "realtime.study": (
        "realtime realtime.sources realtime.estimators realtime.recording realtime.report "
        "realtime.calibration realtime.bench calib engines"
    ),
    "realtime.commands": (
        "realtime realtime.commands.engines realtime.commands.replaying realtime.api realtime.export "
        "realtime.events realtime.sources "
        "realtime.views realtime.estimators realtime.pipeline realtime.control "
        "realtime.stream realtime.recording realtime.recording.video realtime.report "
        "realtime.overlay realtime.viewer realtime.bridges realtime.app realtime.app.pages realtime.bench "
        "calib calib.tables engines engines.runtimes engines.building"
    ),
    "realtime.commands.calibrate": (
        "realtime realtime.commands realtime.sources realtime.views realtime.estimators realtime.overlay "
        "realtime.calibration calib calib.boards engines engines.blazepose"
    ),
    "realtime.commands.engines": (
        "realtime realtime.commands realtime.bench engines engines.runtimes engines.building"
    ),
    "realtime.commands.replaying": (
        "realtime realtime.commands realtime.export realtime.sources realtime.pipeline realtime.recording"
    ),
    "realtime.commands.study": "realtime realtime.commands realtime.study engines",
    "realtime.docs.readers": "",
}
MOST_MODULES = 21  # in one folder
# Distribution -> files that may import it, as prefixes of their paths.
CONFINED = {
    "torch": ("train/",),
    "nicegui": ("realtime/app/",),
    "fastapi": ("realtime/app/",),
    "open3d": ("realtime/viewer",),
    "opensim": ("realtime/bench",),
    "tensorrt": ("engines/",),
    "pandas": ("realtime/export",),
    "ezc3d": ("realtime/export",),
    "openvino": ("engines/", "realtime/commands/doctor.py"),
    "onnxruntime": ("engines/", "train/"),
    "ray": ("engines/cluster.py",),
    "av": ("realtime/recording/video/",),
}
WINDOW_CALLS = {
    "imshow", "namedWindow", "waitKey", "waitKeyEx", "pollKey", "destroyWindow", "destroyAllWindows",
    "resizeWindow", "moveWindow", "getWindowProperty", "setWindowProperty", "setWindowTitle", "selectROI",
    "setMouseCallback", "createTrackbar",
}  # fmt: skip
MAY_OPEN_WINDOWS = ("realtime/overlay/window.py", "realtime/viewer")

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST, path: str) -> Iterator[str]:
    """Dotted names of everything that a file at `path` imports, at whatever depth, for type checkers too."""
    folders = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folders[: len(folders) - node.level + 1] if node.level else []
            start = ".".join([*above, node.module] if node.module else above)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def longest_prefix(name: str, known: Iterable[str]) -> str:
    """The most specific of the known dotted names that `name` lies in, or is; empty if there is none."""
    known = set(known)
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def violations(path: str, text: str) -> list[str]:
    """What a file at `path` does against the layering."""
    room = longest_prefix(".".join(path.split("/")[:-1]), MAY_IMPORT)
    allowed = {room, *MAY_IMPORT[room].split()}
    tree = ast.parse(text)
    found = []
    for name in imported(tree, path):
        other, top = longest_prefix(name, MAY_IMPORT), name.partition(".")[0]
        if other and other not in allowed:
            found.append(f"{path} imports {name}; {room} may import {MAY_IMPORT[room] or 'nothing'}")
        if top in CONFINED and not path.startswith(CONFINED[top]):
            found.append(f"{path} imports {top}")
    if not path.startswith(MAY_OPEN_WINDOWS):
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & WINDOW_CALLS
        found += [f"{path} uses cv2.{name}" for name in sorted(calls)]
    return found


def circle(files: Mapping[str, str]) -> list[str]:
    """Modules of one circle of imports, the first again at the end; empty if there is none.

    Args:
        files: Text of each file by its path.
    """
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in files}
    graph = {}
    for name, path in names.items():
        targets = {longest_prefix(i, names) for i in imported(ast.parse(files[path]), path)}
        graph[name] = targets - {"", name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def texts() -> dict[str, str]:
    """All sources by their paths from the root."""
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in SOURCES}


def test_every_file_keeps_to_its_layer():
    assert len(SOURCES) > 20
    found = [violation for path, text in texts().items() for violation in violations(path, text)]
    assert not found, "\n".join(found)


def test_no_file_imports_itself_by_way_of_others():
    assert not circle(texts())


def test_every_folder_is_a_room_of_few_modules():
    folders = {path.parent for path in SOURCES}
    rooms = {folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders}
    assert rooms == set(MAY_IMPORT)
    counts = {folder: len([p for p in folder.glob("*.py") if p.stem != "__init__"]) for folder in folders}
    assert not {str(folder): n for folder, n in counts.items() if n > MOST_MODULES}


def test_the_rooms_have_an_order():
    # What stays at a root is below its rooms (errors, types) and above them (public faces): only files show
    # whether that goes round in circles.
    roots = {*PACKAGES, "realtime.commands"}
    graph = {room: set(may.split()) - roots for room, may in MAY_IMPORT.items() if room not in roots}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MAY_IMPORT) - len(roots)


@pytest.mark.parametrize(
    "files",
    [
        {"calib/a.py": "import calib.b", "calib/b.py": "from calib import a"},
        {"calib/a.py": "def f():\n    from calib.b import g", "calib/b.py": "from calib.a import f"},
        {"calib/a.py": "if TYPE_CHECKING:\n    from calib.b import G", "calib/b.py": "import calib.a as a"},
        {
            "train/a/x.py": "from ..b import y",
            "train/b.py": "from .c import z",
            "train/c.py": "import train.a.x",
        },
        {"train/a/__init__.py": "from train.a.x import f", "train/a/x.py": "from train import a"},
    ],
)
def test_a_circle_of_files_is_found(files: dict[str, str]):
    found = circle({**files, "engines/c.py": "import calib.a"})
    assert found[0] == found[-1] and len(set(found)) == len(files)


def test_what_only_meets_again_below_is_no_circle():
    below = {"calib/b.py": "import calib.d", "calib/c.py": "import calib.d", "calib/d.py": "import calib"}
    assert not circle({"calib/__init__.py": "", "calib/a.py": "from calib import b, c", **below})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("calib/a.py", "import engines.spec"),
        ("calib/a.py", "from realtime.sample import Frame"),
        ("engines/a.py", "def f():\n    from calib import skeleton"),
        ("train/a.py", "if TYPE_CHECKING:\n    import realtime"),
        ("realtime/a.py", "from train.errors import TrainError"),
        ("train/motion/a.py", "from train.bodies.mesh import Mesh"),
        ("train/scene/a.py", "def f():\n    from train import synth"),
        ("train/clothing/a.py", "if TYPE_CHECKING:\n    from ..scene.cameras import Camera"),
        ("realtime/pose/a.py", "from realtime.bench.accuracy import evaluate"),
        ("realtime/estimators/a.py", "import realtime.pipeline.slot as slot"),
        ("realtime/stream/deeper/a.py", "from realtime.overlay import overlay"),
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
        ("train/motion/a.py", "import torch\nfrom calib import skeleton"),
        ("realtime/viewer.py", "import open3d"),
        ("realtime/bench/skeleton.py", "import opensim"),
        ("calib/a.py", "from . import errors"),
        ("train/scene/a.py", "from train.bodies.mesh import Mesh\nfrom ..errors import TrainError"),
        ("realtime/pose/a.py", "import calib.camera\nfrom realtime.pose import solver"),
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
        ("realtime", {"numpy", "cv2", "numba", "openvino", "zmq", "torch", "open3d", "opensim", "pandas"}),
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
