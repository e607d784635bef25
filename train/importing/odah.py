"""ODAH as BANet's preprocessing leaves it (its `train_data` folder).

`images/clip_S_A_B/viewV/org/frame_K.png`, `coords/S_A_B/frame_K_coords.npy` (39 coordinates in rad and m),
`points/S_A_B/frame_K_joint_points.npy` (22 body centres, then 22 joint centres, in m) and
`scales/S/body_scales.npy`; S is the subject, A the action, B the body shape. Its `camera_info.npy` is a
pickle, which is not opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from train.errors import TrainError
from train.importing.coordinates import LARGEST_RAD
from train.importing.take import CENTRES, Array, Labelled, Read, Take

PARTS = ("images", "coords", "points", "scales")
FPS = 60.0
_ARM = ("arm_flex", "arm_add", "arm_rot", "elbow_flex", "pro_sup", "wrist_flex", "wrist_dev")
_LEG = (
    "hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "knee_beta", "ankle_angle",
    "subtalar_angle", "mtp_angle",
)  # fmt: skip
COORDINATES = (
    "pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz",
    *(f"{name}_{side}" for side in "rl" for name in _LEG),
    "lumbar_extension", "lumbar_bending", "lumbar_rotation",
    *(f"{name}_{side}" for side in "rl" for name in _ARM),
)  # fmt: skip
"""In the order of BANet's arrays."""
BODIES = (
    "pelvis",
    *(f"{name}_{side}" for side in "rl" for name in ("femur", "tibia", "patella", "talus", "calcn", "toes")),
    "torso",
    *(f"{name}_{side}" for side in "rl" for name in ("humerus", "ulna", "radius", "hand")),
)
"""In the order of BANet's arrays."""
THIGH_M = (0.2, 0.7)
_CLIP = re.compile(r"clip_(.+_\d+)")
_FRAME = re.compile(r"frame_(\d+)\.(?:png|jpg)")


def find_takes(folder: Path, own: Skeleton, every: int) -> tuple[list[Take], list[str]]:
    """One take for each clip and view, and what was left out.

    Raises:
        TrainError: a part of the folder is missing, or it holds no clips.
    """
    roots = [f for f in (folder, *sorted(folder.iterdir())) if (f / PARTS[0]).is_dir()]
    if len(roots) > 1:
        raise TrainError(f"{roots[0]} and {roots[1]} both have images; import them one by one")
    root = roots[0] if roots else folder
    missing = [part for part in PARTS if not (root / part).is_dir()]
    if missing:
        raise TrainError(f"{folder}: no folder {', '.join(missing)}; accepted: BANet's train_data folder")
    takes, remarks = [], []
    for clip in sorted((root / "images").iterdir()):
        match = _CLIP.fullmatch(clip.name)
        if match is None:
            remarks.append(f"{clip.name}: not called clip_SUBJECT_ACTION_SHAPE")
            continue
        subject = match[1].partition("_")[0]
        if not (root / "scales" / subject).is_dir():
            raise TrainError(f"{root / 'scales'}: no folder {subject}, the subject of {clip.name}")
        for view in sorted(clip.glob("view*")):
            frames = _frames(view / "org")
            if not frames:
                raise TrainError(f"{view / 'org'}: no frame_N.png; the crops alone do not say where they lie")
            person = f"{subject}_{match[1].rpartition('_')[2]}"  # each shape is a body of its own
            takes.append(Take(person, f"{match[1]}_{view.name}", _reader(root, match[1], frames[::every])))
    if not takes:
        raise TrainError(f"{root / 'images'}: no clips; accepted: clip_SUBJECT_ACTION_SHAPE")
    return takes, remarks


def _frames(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    return sorted((int(m[1]), p) for p in folder.iterdir() if (m := _FRAME.fullmatch(p.name)))


def _reader(root: Path, clip: str, frames: list[tuple[int, Path]]) -> Read:
    def read() -> Iterator[tuple[float, NDArray[np.uint8], Labelled]]:
        for number, path in frames:
            coords = _array(root / "coords" / clip / f"frame_{number}_coords.npy", (len(COORDINATES),))
            points = _array(root / "points" / clip / f"frame_{number}_joint_points.npy", (2 * len(BODIES), 3))
            image = cv2.imread(str(path))
            if image is None:
                raise TrainError(f"{path}: not an image that can be read")
            yield number / FPS, np.asarray(image, np.uint8), _labelled(root / "coords" / clip, coords, points)

    return read


def _labelled(where: Path, coords: Array, points: Array) -> Labelled:
    """The stated coordinates, and joint centres, checked.

    Raises:
        TrainError: units are others than rad and m.
    """
    angles = {name: float(value) for name, value in zip(COORDINATES, coords, strict=True)}
    largest = max(abs(value) for name, value in angles.items() if name.startswith(("hip_", "knee_")))
    if not largest <= LARGEST_RAD:
        raise TrainError(
            f"{where}: an angle of {largest:.1f} rad; accepted: up to {LARGEST_RAD}; are these degrees?"
        )
    joints = dict(zip(BODIES, points[len(BODIES) :], strict=True))
    centres = {
        marker: joints[body] for marker, bodies in CENTRES.items() for body in bodies[:1] if body in joints
    }
    thigh_m = float(np.linalg.norm(joints["femur_r"] - joints["tibia_r"]))
    if not THIGH_M[0] <= thigh_m <= THIGH_M[1]:
        raise TrainError(
            f"{where}: a thigh of {thigh_m:.3g} m among the points; accepted: a person in metres"
        )
    for name in ("pelvis_tx", "pelvis_ty", "pelvis_tz"):
        del angles[name]
    return Labelled(angles, centres)


def _array(path: Path, shape: tuple[int, ...]) -> Array:
    """An array of numbers; pickles are not opened.

    Raises:
        TrainError: it is missing, damaged, or of another shape.
    """
    try:
        array = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64).squeeze()
    except (OSError, ValueError, EOFError) as error:
        raise TrainError(f"{path}: not an array of numbers ({error})") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise TrainError(f"{path}: an array of shape {array.shape}; accepted: {shape}, finite")
    return array
