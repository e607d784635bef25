"""Patches of the image around feet, knees, elbows and wrists, for training and live use.

BlazePose looks at a whole person in 256 x 256 pixels and places landmarks where clothes end. Patches keep the
image's own resolution where limbs end and bend. All patches show a right side: left ones are mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import N_LANDMARKS, PoseLandmark
from engines.features.landmarks import MIRRORED
from engines.preprocess import Border, Roi, crop, crop_to_image, image_to_crop
from engines.spec import ModelSpec, TensorSpec

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

PATCH_PX = 48
"""Side of a patch."""
MAX_POINTS = 5
"""Largest number of points in one patch."""
L = PoseLandmark


@dataclass(frozen=True, slots=True)
class PatchKind:
    """What one patch shows, of the right side."""

    name: str
    centre: tuple[PoseLandmark, ...]
    """Landmarks whose mean is the centre."""
    side: float
    """Side, as a share of that of BlazePose's region, which is about 2.4 m of the person."""
    points: tuple[str, ...]
    """Joint centres and markers that are looked for, without the R or L of their side."""
    landmarks: tuple[PoseLandmark, ...]
    """The landmark whose depth each point takes."""


KINDS = (
    PatchKind(
        "foot", (L.RIGHT_ANKLE, L.RIGHT_HEEL, L.RIGHT_FOOT_INDEX), 0.19, ("AJC", "ANK", "HEE", "MT5", "HLX"),
        (L.RIGHT_ANKLE, L.RIGHT_ANKLE, L.RIGHT_HEEL, L.RIGHT_FOOT_INDEX, L.RIGHT_FOOT_INDEX),
    ),
    PatchKind("knee", (L.RIGHT_KNEE,), 0.19, ("KJC", "KNE", "KNEM"), (L.RIGHT_KNEE,) * 3),
    PatchKind("elbow", (L.RIGHT_ELBOW,), 0.19, ("EJC", "ELB", "ELBM"), (L.RIGHT_ELBOW,) * 3),
    PatchKind("wrist", (L.RIGHT_WRIST,), 0.15, ("WJC", "WRA", "WRB"), (L.RIGHT_WRIST,) * 3),
)  # fmt: skip
SIDES = ("R", "L")
N_PATCHES = len(KINDS) * len(SIDES)
POINT_NAMES = tuple(side + point for kind in KINDS for side in SIDES for point in kind.points)
"""All points, in the order of the patches: right, then left of each kind."""
N_POINTS = len(POINT_NAMES)
_NUMBERS = [(2 * k + s, p) for k, kind in enumerate(KINDS) for s in range(2) for p in range(len(kind.points))]
POINT_PATCH, POINT_SLOT = (np.array(column) for column in zip(*_NUMBERS, strict=True))
"""Patch, and number in the patch, of each point. Shapes: (N_POINTS,)."""
POINT_LANDMARK = np.array(
    [
        landmark if side == "R" else landmark.mirrored
        for kind in KINDS for side in SIDES for landmark in kind.landmarks
    ]
)  # fmt: skip
"""The landmark whose depth each point takes. Shape: (N_POINTS,)."""
IS_POINT = np.zeros((N_PATCHES, MAX_POINTS), dtype=bool)
"""Which outputs of each patch are points."""
IS_POINT[POINT_PATCH, POINT_SLOT] = True
N_CONTEXT = 3 * N_LANDMARKS + len(KINDS)
"""Numbers that go with each patch: landmarks about its centre, their visibility, its kind."""
INPUTS = (TensorSpec("patches", (3, PATCH_PX, PATCH_PX)), TensorSpec("context", (N_CONTEXT,)))
"""What a patch network takes: RGB from 0 to 1, and `patch_context`; all patches of an image in one batch."""
OUTPUTS = (TensorSpec("points", (MAX_POINTS, 3)),)
"""What it gives: x, y from the centre and their standard deviation, in sides of the patch."""
_REACH = 8.0
"""Limit of the context's coordinates, in sides of the patch."""


def is_patch_network(spec: ModelSpec) -> bool:
    """Whether a network takes patches and gives their points."""
    return spec.inputs == INPUTS and spec.outputs == OUTPUTS


def patch_rois(landmarks_px: Array, roi: Roi) -> list[Roi]:
    """The region of each patch.

    Args:
        landmarks_px: Landmarks in the image. Shape: (33, 2 or 3).
        roi: BlazePose's region, which gives size and upright direction.
    """
    rois = []
    for kind in KINDS:
        for side in SIDES:
            rows = [mark if side == "R" else mark.mirrored for mark in kind.centre]
            x, y = landmarks_px[rows, :2].mean(0).tolist()
            rois.append(Roi(x, y, kind.side * roi.size_px, roi.rotation_rad))
    return rois


def cut_patches(image: Image, rois: list[Roi], out: Image) -> None:
    """Cut all patches; those of the left side are mirrored.

    Args:
        image: BGR image. Shape: (height, width, 3).
        rois: Their regions, of `patch_rois`.
        out: Receives the patches. Shape: (N_PATCHES, side, side, 3).
    """
    side_px = out.shape[1]
    for k, roi in enumerate(rois):
        # Regions much larger than the patch are averaged, else single pixels of them would decide.
        factor = int(np.clip(round(roi.size_px / side_px), 1, 4))
        large = crop(image, roi, factor * side_px, border=Border.REPLICATE)
        patch = cv2.resize(large, (side_px, side_px), interpolation=cv2.INTER_AREA) if factor > 1 else large
        out[k] = patch[:, ::-1] if k % 2 else patch


def fill_pixels(patches: Image, out: Floats) -> None:
    """Patches as the network takes them.

    Args:
        patches: BGR. Shape: (n, side, side, 3).
        out: Receives RGB from 0 to 1. Shape: (n, 3, side, side).
    """
    np.multiply(patches[..., ::-1].transpose(0, 3, 1, 2), np.float32(1.0 / 255.0), out=out)


def patch_context(landmarks_px: Array, visibility: Array, rois: list[Roi]) -> Floats:
    """What goes with each patch: where the landmarks are, seen from it.

    Args:
        landmarks_px: Shape: (33, 2 or 3).
        visibility: Shape: (33,).
        rois: Regions of the patches.

    Returns:
        Shape: (N_PATCHES, N_CONTEXT).
    """
    context = np.zeros((N_PATCHES, N_CONTEXT), dtype=np.float32)
    for k, roi in enumerate(rois):
        about = image_to_crop(landmarks_px[:, :2], roi, 1) - 0.5
        if k % 2:
            about, seen = about[MIRRORED] * (-1.0, 1.0), visibility[MIRRORED]
        else:
            seen = visibility
        context[k, : 2 * N_LANDMARKS] = about.clip(-_REACH, _REACH).ravel()
        context[k, 2 * N_LANDMARKS : 3 * N_LANDMARKS] = seen
        context[k, 3 * N_LANDMARKS + k // 2] = 1.0
    return context


def kinds_of(context: Floats) -> NDArray[np.int64]:
    """Number among `KINDS` of each patch, from its context. Shape: (n, N_CONTEXT) to (n,)."""
    return np.asarray(context[:, 3 * N_LANDMARKS :].argmax(1))


def points_to_patches(points_px: Array, rois: list[Roi]) -> Array:
    """Points in the image to the patches they belong to, from -0.5 to 0.5 within. Shape: (N_POINTS, 2)."""
    at = np.array(
        [image_to_crop(points_px[p], rois[patch], 1) - 0.5 for p, patch in enumerate(POINT_PATCH.tolist())]
    )
    at[POINT_PATCH % 2 == 1, 0] *= -1.0
    return at


def points_to_image(at: Array, rois: list[Roi]) -> Array:
    """The inverse of `points_to_patches`. Shape: (N_POINTS, 2)."""
    at = at.copy()
    at[POINT_PATCH % 2 == 1, 0] *= -1.0
    return np.array([crop_to_image(at[p] + 0.5, rois[k], 1) for p, k in enumerate(POINT_PATCH.tolist())])
