"""Which captured motion joins the procedural activities, and which of it is held out."""

from __future__ import annotations

import hashlib
from pathlib import Path

from calib.skeleton import Skeleton
from train.errors import TrainError
from train.motion.captured import SOURCES, collect, default_captured_path, load_captured, save_captured
from train.motion.motion import Motion

PROCEDURAL = "procedural"
CAPTURED = "captured"
_HELD_OUT_SHARE = 1.0 / 8.0


def choose_motions(choice: str, skeleton: Skeleton, *, held_out: bool) -> list[Motion]:
    """Captured motion by name or place.

    Args:
        choice: "procedural" for none; "captured" for all that `python -m train.motion.captured` kept, or some
            of its sources, separated by commas; a folder of motions; or a file that was kept elsewhere.
        skeleton: Whose coordinates are needed.
        held_out: The part kept for evaluation, instead of that for training.

    Raises:
        TrainError: there is no such source, or nothing of it is here.
    """
    names = choice.split(",")
    unknown = [name for name in names if name not in SOURCES and name != CAPTURED]
    path = Path(choice)
    if not unknown:
        motions = _kept(names, skeleton)
    elif path.is_dir():
        motions = _retargeted(path, skeleton)
    elif path.is_file():
        motions = load_captured(skeleton, path)
    else:
        known = ", ".join([CAPTURED, *SOURCES])
        raise TrainError(
            f"no motion source {unknown[0]!r}; accepted: {known}, a folder with .mot, .amc or .txt motions, "
            "or a .npz file made by python -m train.motion.captured"
        )
    if not motions and choice != PROCEDURAL:
        raise TrainError(f"{choice}: holds no motion that can be used")
    return [motion for motion in motions if is_held_out(motion) == held_out]


def _kept(names: list[str], skeleton: Skeleton) -> list[Motion]:
    """Motions of these sources from the user's cache."""
    wanted = set(SOURCES) if CAPTURED in names else set(names)
    if wanted == {PROCEDURAL}:
        return []
    motions = [motion for motion in load_captured(skeleton) if motion.source in wanted]
    missing = sorted(set(names) - {motion.source for motion in motions} - {PROCEDURAL, CAPTURED})
    if missing or not motions:
        raise TrainError(
            f"no motion of {', '.join(missing or names)} in {default_captured_path()}; "
            "make it with: python -m train.motion.captured FOLDER"
        )
    return motions


def _retargeted(folder: Path, skeleton: Skeleton) -> list[Motion]:
    """Motions of a folder, from the user's cache unless they are new or have changed."""
    files = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.resolve().rglob("*"))]
    key = hashlib.sha256(repr((skeleton.sha, files)).encode()).hexdigest()[:16]
    path = default_captured_path().with_name(f"folder_{key}.npz")
    if not path.exists():
        motions = collect(folder, skeleton)
        if not motions:
            return []
        save_captured(path, skeleton, motions)
    return load_captured(skeleton, path)


def is_held_out(motion: Motion) -> bool:
    """Whether a captured motion is kept for evaluation; its name decides, so parts of one stay together."""
    digest = hashlib.sha256(f"{motion.source}/{motion.name}".encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE
