"""What landmarks in an image tell about the proportions of somebody who stands upright.

Heights and widths of landmarks over the feet, as shares of the height of the ears: seen upright from the
front or from behind, they hardly depend on depth, which landmark networks guess. The plane through the
person, upright and across the line of sight, is rectified first, so that a camera that looks down from nearby
does no harm. The same code is used for fitting (`train.lift.proportions`) and live.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import (
    ANKLES,
    EARS,
    ELBOWS,
    FOOT_INDICES,
    HEELS,
    HIPS,
    KNEES,
    SHOULDERS,
    WRISTS,
    Pair,
    PoseLandmark,
)
from engines.features.landmarks import LandmarkBatch, rotations_to_rays

Array = NDArray[np.float64]

NOSE: Pair = (PoseLandmark.NOSE, PoseLandmark.NOSE)
HEIGHTS = (NOSE, SHOULDERS, ELBOWS, WRISTS, HIPS, KNEES, ANKLES, HEELS)
WIDTHS = (SHOULDERS, HIPS, KNEES, ANKLES, ELBOWS, WRISTS)
LENGTHS = ((HIPS, KNEES), (KNEES, ANKLES), (SHOULDERS, ELBOWS), (ELBOWS, WRISTS))
N_PROPORTIONS = len(HEIGHTS) + len(WIDTHS) + len(LENGTHS)
NEEDED = np.array([*EARS, *SHOULDERS, *HIPS, *KNEES, *ANKLES, *HEELS])
MIN_TRUST = 0.5
MIN_STRAIGHT_DEG = 150.0
"""At hips and knees."""
MAX_TURN_DEG = 35.0
"""From facing the camera, or from turning the back on it."""


@dataclass(frozen=True, slots=True, eq=False)
class ProportionLooks:
    """What each of n images tells."""

    values: Array
    """Heights, widths and lengths as shares. Shape: (n, N_PROPORTIONS)."""
    is_usable: NDArray[np.bool_]
    """Whether the whole person is seen upright, from the front or from behind. Shape: (n,)."""


def look_at_proportions(batch: LandmarkBatch) -> ProportionLooks:
    """Measure images of people."""
    xy = (batch.landmarks_px - batch.camera[:, None, 1:]) / batch.camera[:, None, :1]
    rays = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], -1)
    rays = np.einsum("nij,nkj->nki", batch.R_ground_cam, rays)
    ahead = _middle(rays, HIPS) * np.array([1.0, 0.0, 1.0])
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    depth = np.einsum("nki,ni->nk", rays, ahead)
    plane = np.stack([np.einsum("nki,ni->nk", rays, right), rays[..., 1]], -1) / depth[..., None]
    sole = 0.5 * (_middle(plane, HEELS) + _middle(plane, FOOT_INDICES))[:, 1]
    size = _middle(plane, EARS)[:, 1] - sole
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = [(_middle(plane, pair)[:, 1] - sole) / size for pair in HEIGHTS]
        widths = [np.abs(plane[:, a, 0] - plane[:, b, 0]) / size for a, b in WIDTHS]
        lengths = [_length(plane, *ends) / size for ends in LENGTHS]
    values = np.stack([*heights, *widths, *lengths], -1)
    is_before = (depth > 0.05).all(1) & (size > 0.0)
    trusted = batch.visibility[:, NEEDED].min(1) > MIN_TRUST
    usable = trusted & is_before & is_upright(batch.world_m) & _faces_line_of_sight(batch)
    return ProportionLooks(values, usable & np.isfinite(values).all(1))


def is_upright(world_m: Array) -> NDArray[np.bool_]:
    """Whether knees and hips are nearly straight, by metric landmarks, (..., 33, 3)."""
    straight = np.ones(world_m.shape[:-2], dtype=bool)
    for a, b, c in ((SHOULDERS, HIPS, KNEES), (HIPS, KNEES, ANKLES)):
        for side in range(2):
            u = world_m[..., a[side], :] - world_m[..., b[side], :]
            v = world_m[..., c[side], :] - world_m[..., b[side], :]
            sizes = np.maximum(np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1), 1e-9)
            straight &= (u * v).sum(-1) / sizes <= np.cos(np.radians(MIN_STRAIGHT_DEG))
    return straight


def _faces_line_of_sight(batch: LandmarkBatch) -> NDArray[np.bool_]:
    """Whether hips and shoulders are across the line of sight. Shape: (n,)."""
    centre = (batch.roi_centre_px - batch.camera[:, 1:]) / batch.camera[:, :1]
    R_cam_ray = rotations_to_rays(np.concatenate([centre, np.ones((len(centre), 1))], -1))
    world = np.einsum("nij,nkj->nki", batch.R_ground_cam @ R_cam_ray, batch.world_m)
    sight = (batch.R_ground_cam @ R_cam_ray)[:, :, 2] * np.array([1.0, 0.0, 1.0])
    across = world[:, HIPS[1]] - world[:, HIPS[0]] + 0.5 * (world[:, SHOULDERS[1]] - world[:, SHOULDERS[0]])
    across *= np.array([1.0, 0.0, 1.0])
    sizes = np.maximum(np.linalg.norm(sight, axis=-1) * np.linalg.norm(across, axis=-1), 1e-9)
    return np.asarray(np.abs((sight * across).sum(-1)) / sizes < np.sin(np.radians(MAX_TURN_DEG)))


def _middle(points: Array, pair: tuple[int, int]) -> Array:
    return np.asarray(0.5 * (points[:, pair[0]] + points[:, pair[1]]))


def _length(points: Array, start: tuple[int, int], end: tuple[int, int]) -> Array:
    """Mean of both sides. Shape: (n,)."""
    sides = [np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in zip(start, end, strict=True)]
    return np.asarray(0.5 * (sides[0] + sides[1]))
