"""Which views show the same person in the same pose: the others are left out of a moment.

A network may take left for right in one view, or follow somebody else there. Neither shows in that view
alone. Between two views, rays to somebody else's landmarks pass each other by decimetres, and the points
about the mid hips, turned into ground, are those of another pose, or of somebody who faces the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.blazepose.pose_landmark import ANKLES, HIPS, KNEES, N_LANDMARKS, SHOULDERS
from engines.blazepose.tracker import BlazePoseResult
from engines.features.crossing import crossing_points
from realtime.pose.observation import reachable_rays, solve_translation, trust, world_in_camera

Array = NDArray[np.float64]

MAX_RAY_GAP_M = 0.15
"""Distance between two views' rays to a landmark, median over those of trunk and legs. Two phones filmed one
person with 0.012 m (at most 0.026)."""
MAX_SHAPE_GAP_M = 0.20
"""Distance between two views' points about the mid hips, mean over hips and shoulders, which show best where
somebody faces. The same two phones gave 0.036 m (at most 0.089), and 0.27 with left and right swapped."""
MAX_SIZE_RATIO = 1.2
"""Size of the person in one view over that in another: by how far away rays meet, over how far away the
network takes them to be. Rays to two people who stand on one floor may meet, but hardly where both have one
size. The two phones gave 1.01 (at most 1.07)."""
COMPARED = np.array([*SHOULDERS, *HIPS, *KNEES, *ANKLES])
FACING = np.array([*SHOULDERS, *HIPS])
PARALLEL = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ViewedPerson:
    """The landmarks of one view, in ground."""

    eye_m: Array
    """Position of the camera. Shape: (3,)."""
    rays: Array
    """Unit directions to the landmarks. Shape: (33, 3)."""
    shape_m: Array
    """Landmarks about the mid hips, as the network gives them. Shape: (33, 3)."""
    distance_m: float
    """Distance of the mid hips from the camera, if the person had the network's size."""
    weights: Array
    """From 0 (ignored) to 1. Shape: (33,)."""

    @classmethod
    def of(cls, result: BlazePoseResult, camera: CameraCalibration) -> ViewedPerson:
        """The person that a network found in the image of a camera."""
        R, world_m = camera.T_ground_cam[:3, :3], world_in_camera(result, camera)[:N_LANDMARKS]
        rays, is_reached = reachable_rays(result.landmarks_px[:N_LANDMARKS, :2], camera.intrinsics)
        weights = trust(result)[:N_LANDMARKS] * is_reached
        return cls(
            eye_m=camera.T_ground_cam[:3, 3],
            rays=rays / np.linalg.norm(rays, axis=1, keepdims=True) @ R.T,
            shape_m=world_m @ R.T,
            distance_m=float(np.linalg.norm(solve_translation(world_m, rays, weights + 1e-3))),
            weights=weights,
        )


def ray_gap_m(a: ViewedPerson, b: ViewedPerson) -> float:
    """How far the rays of two views pass each other: median over trunk and legs."""
    normal = np.cross(a.rays[COMPARED], b.rays[COMPARED])
    length = np.linalg.norm(normal, axis=1)
    gaps_m = np.abs(normal @ (b.eye_m - a.eye_m)) / np.maximum(length, PARALLEL)
    return float(np.median(gaps_m[length > PARALLEL])) if (length > PARALLEL).any() else 0.0


def shape_gap_m(a: ViewedPerson, b: ViewedPerson) -> float:
    """How far hips and shoulders of two views lie apart about the mid hips: their mean."""
    return float(np.linalg.norm(a.shape_m[FACING] - b.shape_m[FACING], axis=1).mean())


def size_ratio(a: ViewedPerson, b: ViewedPerson) -> float:
    """Size of the person in one view over that in the other, at least 1, where their rays meet."""
    hips_m = triangulate([a, b])[0][list(HIPS)].mean(0)
    in_a, in_b = (float(np.linalg.norm(hips_m - view.eye_m)) / view.distance_m for view in (a, b))
    return max(in_a, in_b) / max(min(in_a, in_b), 1e-6)


def agree(a: ViewedPerson, b: ViewedPerson) -> bool:
    """Whether two views may show one person in one pose."""
    return (
        ray_gap_m(a, b) < MAX_RAY_GAP_M
        and shape_gap_m(a, b) < MAX_SHAPE_GAP_M
        and size_ratio(a, b) < MAX_SIZE_RATIO
    )


def agreeing(views: Sequence[ViewedPerson | None], landmarks_before_m: Array | None) -> list[int]:
    """The views to believe: the largest set of which all pairs agree.

    Among sets of one size, as when two views contradict each other, the one wins that goes on from the
    moment before, or, without one, whose landmarks are seen best.

    Args:
        views: Each camera's view; None where nobody is seen.
        landmarks_before_m: Where the landmarks of trunk and legs (`COMPARED`) were in ground a moment before;
            None if that is not known. Shape: (8, 3).
    """
    given = [k for k, view in enumerate(views) if view is not None]
    people = {k: view for k, view in enumerate(views) if view is not None}
    bad = {pair for pair in combinations(given, 2) if not agree(people[pair[0]], people[pair[1]])}
    for size in range(len(given), 0, -1):
        sets = [s for s in combinations(given, size) if not bad & set(combinations(s, 2))]
        if sets:
            return list(max(sets, key=lambda s: sum(_merit(people[k], landmarks_before_m) for k in s)))
    return []


def _merit(view: ViewedPerson, landmarks_before_m: Array | None) -> float:
    if landmarks_before_m is None:
        return float(view.weights[COMPARED].mean())
    way_m = landmarks_before_m - view.eye_m
    rays = view.rays[COMPARED]
    across_m = way_m - rays * (way_m * rays).sum(1, keepdims=True)
    return -float(np.median(np.linalg.norm(across_m, axis=1)))


def triangulate(views: Sequence[ViewedPerson]) -> tuple[Array, Array]:
    """Where the rays of several views meet, by linear least squares.

    Args:
        views: Two views or more.

    Returns:
        Points in ground, and the least weight of each among the views. Shapes: (33, 3), (33,).
    """
    points_m = crossing_points(
        np.array([view.eye_m for view in views]),
        np.array([view.rays for view in views]),
        np.array([view.weights for view in views]),
    )
    return points_m, np.min([view.weights for view in views], axis=0)
