"""Captured motion from where it is kept to the skeleton's coordinates, with its licences.

`python -m train.motion.captured FOLDER` reads everything under FOLDER, retargets it, and keeps the result in
the user's cache, small: 30 frames a second, 16 bits a value. Training works without it; the procedural
activities need no files.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from calib.errors import CalibError
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import coordinate_values, read_mot
from train.errors import TrainError
from train.files import save_arrays
from train.motion.floor import Floor
from train.motion.mocap_files import Capture, read_amc, read_asf, read_deepmimic, read_expmap
from train.motion.motion import FloatArray, Motion
from train.motion.retarget import Retargeter, face_forward

_log = logging.getLogger(__name__)

FPS = 30.0
_RESOLUTION = 2e-4
"""Smallest step, in rad and m: 16 bits span 6.5 of either."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where motion comes from, and on which terms."""

    title: str
    licence: str
    may_ship: bool
    """Whether derived coordinates may be distributed with the project."""
    credit: str


SOURCES: dict[str, Source] = {
    "procedural": Source("kinecast's own activities", "Apache-2.0", True, "none needed"),
    "cmu": Source(
        "CMU Graphics Lab Motion Capture Database",
        "free for research and commercial use, not to be resold as it is",
        True,
        "mocap.cs.cmu.edu, created with funding from NSF EIA-0196217",
    ),
    "deepmimic": Source("DeepMimic humanoid motions (Peng et al., 2018)", "MIT", True, "Xue Bin Peng"),
    "opensim": Source("OpenSim user motions as they are (.mot)", "BSD-2-Clause", True, "their authors"),
}

# Not people, not upright, or against nature: nothing a webcam will show.
_LEFT_OUT = (
    "dog3d", "backflip", "sideflip", "cartwheel", "roll", "crawl", "getup", "spinkick",
    # Solutions that are turned to the side or collapsed.
    "markers_smpl_ik", "S01DN603_ik",
)  # fmt: skip


def default_captured_path() -> Path:
    """Where retargeted motion is kept."""
    return user_cache_path("kinecast") / "motions" / "captured.npz"


def read_folder(folder: Path, skeleton: Skeleton) -> Iterator[Motion]:
    """Read and retarget every known file under a folder.

    Files that cannot be read are named in the log and left out.

    Args:
        folder: Holds `.mot`, `.asf` with `.amc`, and `.txt` files in any subfolders.
        skeleton: Skeleton to retarget to.

    Raises:
        TrainError: there is no such folder.
    """
    if not folder.is_dir():
        raise TrainError(f"{folder}: no such folder; give one with .mot, .amc or .txt motions")
    retargeters: dict[str, Retargeter] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".mot", ".amc", ".txt") or any(word in path.name for word in _LEFT_OUT):
            continue
        try:
            if path.suffix == ".mot":
                yield read_opensim(path, skeleton)
                continue
            key, source, capture = _read_capture(path)
            if key not in retargeters:
                retargeters[key] = Retargeter(skeleton, capture)
            yield retargeters[key].follow(capture, fps=FPS, source=source)
        except (TrainError, CalibError) as error:
            _log.warning("left out: %s", error)


def _read_capture(path: Path) -> tuple[str, str, Capture]:
    """Skeleton's key, source's key, and the capture."""
    if path.suffix == ".amc":
        asf = path.with_name(path.stem.split("_")[0] + ".asf")
        return str(asf), "cmu", read_amc(path, read_asf(asf))
    with path.open("rb") as file:
        is_json = file.read(1) == b"{"
    return (
        ("deepmimic", "deepmimic", read_deepmimic(path)) if is_json else ("expmap", "cmu", read_expmap(path))
    )


def read_opensim(path: Path, skeleton: Skeleton) -> Motion:
    """Read coordinates as they are; those that the file lacks keep their defaults.

    Raises:
        TrainError: the file is not of a whole body.
        StorageError: the file is not a table.
    """
    table = read_mot(path)
    missing = [name for name in ("pelvis_tilt", "hip_flexion_r", "knee_angle_l") if name not in table.names]
    if missing:
        raise TrainError(f"{path}: no column {', '.join(missing)}; accepted: motions of a whole body")
    values = coordinate_values(table, skeleton.coordinate_names, skeleton.is_rotational)
    q = np.where(np.isnan(values), skeleton.q_default, values)
    free = np.isfinite(skeleton.q_lower)
    q[:, free] = np.clip(q, skeleton.q_lower, skeleton.q_upper)[:, free]
    step = max(1, round((1.0 / FPS) / float(np.median(np.diff(table.time_s)))))
    q, t_s = q[::step], table.time_s[::step] - table.time_s[0]
    q = Floor(skeleton).drop(face_forward(skeleton, q))
    return Motion(path.stem, 1.0 / float(np.median(np.diff(t_s))), t_s, q, "opensim")


def is_plausible(skeleton: Skeleton, q: FloatArray) -> FloatArray:
    """Frames that stand more or less upright and turn no joint faster than people do. Shape: (n_frames,)."""
    tilt, lean = (q[:, skeleton.coordinate_index(name)] for name in ("pelvis_tilt", "pelvis_list"))
    upright = (np.abs(tilt) < np.radians(100.0)) & (np.abs(lean) < np.radians(45.0))
    turns = np.flatnonzero(skeleton.is_rotational)
    jump = np.abs(np.diff(q[:, turns], axis=0, prepend=q[:1, turns])).max(axis=1)
    return upright & (jump < np.radians(60.0))


def save_captured(path: Path, skeleton: Skeleton, motions: list[Motion]) -> None:
    """Keep motions small, all or nothing."""
    save_arrays(
        path,
        {
            "coordinate_names": np.array(skeleton.coordinate_names),
            "names": np.array([m.name for m in motions]),
            "sources": np.array([m.source for m in motions]),
            "fps": np.array([m.fps for m in motions]),
            "length": np.array([m.n_frames for m in motions]),
            "q": np.concatenate([np.round(_wrap(skeleton, m.q) / _RESOLUTION) for m in motions]).astype(
                np.int16
            ),
        },
        compress=True,
    )


def _wrap(skeleton: Skeleton, q: FloatArray) -> FloatArray:
    """Angles to half a turn either way, positions to 6.5 m: what 16 bits hold."""
    q = q.copy()
    turns = skeleton.is_rotational
    q[:, turns] = np.mod(q[:, turns] + np.pi, 2.0 * np.pi) - np.pi
    limit = 32767 * _RESOLUTION
    q[:, ~turns] = np.mod(q[:, ~turns] + limit, 2.0 * limit) - limit
    return q


def load_captured(skeleton: Skeleton, path: Path | None = None) -> list[Motion]:
    """Motions that `python -m train.motion.captured` kept; an empty list where it was never run.

    Args:
        skeleton: Whose coordinates they must have.
        path: The file; the user's cache if left out.

    Raises:
        TrainError: the file is damaged, or of another skeleton.
    """
    path = default_captured_path() if path is None else path
    if not path.exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {key: file[key] for key in file.files}
        if tuple(data["coordinate_names"]) != skeleton.coordinate_names:
            raise ValueError("coordinates of another skeleton")
        turns = skeleton.is_rotational
        motions = []
        ends = np.cumsum(data["length"])
        for k, end in enumerate(ends):
            q = data["q"][end - data["length"][k] : end] * _RESOLUTION
            q[:, turns] = np.unwrap(q[:, turns], axis=0)
            q[:, ~turns] = np.unwrap(q[:, ~turns], axis=0, period=2.0 * 32767 * _RESOLUTION)
            fps = float(data["fps"][k])
            motions.append(
                Motion(str(data["names"][k]), fps, np.arange(len(q)) / fps, q, str(data["sources"][k]))
            )
    except (OSError, ValueError, KeyError) as error:
        raise TrainError(
            f"{path}: not retargeted motion ({error}); make it with: python -m train.motion.captured FOLDER"
        ) from error
    return motions


def collect(folder: Path, skeleton: Skeleton) -> list[Motion]:
    """Everything under a folder, cut where it is implausible."""
    motions = []
    for motion in read_folder(folder, skeleton):
        good = is_plausible(skeleton, motion.q)
        for first, end in _stretches(good):
            if (end - first) / motion.fps >= 0.5:
                part = slice(first, end)
                t_s = motion.t_s[part] - motion.t_s[first]
                motions.append(Motion(motion.name, motion.fps, t_s, motion.q[part], motion.source))
    return motions


def _stretches(good: FloatArray) -> Iterator[tuple[int, int]]:
    """Runs of true values, as first and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def main(arguments: list[str] | None = None) -> int:
    """Retarget a folder and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m train.motion.captured", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with .mot, .amc and .txt motions")
    parser.add_argument("--out", type=Path, default=default_captured_path(), help="file to write")
    options = parser.parse_args(arguments)
    skeleton = load_skeleton()
    try:
        motions = collect(options.folder, skeleton)
        if not motions:
            raise TrainError(f"{options.folder}: holds no motion that can be used")
        save_captured(options.out, skeleton, motions)
    except TrainError as error:
        print(error, file=sys.stderr)
        return 2
    for key, source in SOURCES.items():
        own = [m for m in motions if m.source == key]
        minutes = sum(m.n_frames / m.fps for m in own) / 60.0
        print(f"{key:10} {len(own):4} motions {minutes:6.1f} min  {source.licence}; credit: {source.credit}")
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
