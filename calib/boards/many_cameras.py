"""Many cameras in one ground: related in pairs, then adjusted together over all that they see.

Pairs are joined to a tree over the cameras that share most points. From there, all cameras are moved so that
the points where their rays meet project best into every image (bundle adjustment, with the points eliminated
by triangulation), robustly. The scale is that of known lengths, or of the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.two_cameras import PairFit
from calib.boards.two_views import Limb
from calib.camera import Intrinsics
from calib.errors import CameraError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

ITERATIONS = 15
ROBUST_FACTOR = 2.0
MIN_SHARED = 30
"""Points that a camera has to share with others."""
STEP = 1e-6
MOST_POINTS = 1500
"""More points cost time and add little."""


@dataclass(frozen=True, slots=True, eq=False)
class ManyFit:
    """Cameras in the frame of the first."""

    T_first_cam: Array
    """Each camera's coordinates to the first camera's, in m. Shape: (n, 4, 4)."""
    rms_px: Array
    """Reprojection error of each camera (a deviation that outliers do not touch). Shape: (n,)."""
    n_points: int
    """Points that at least two cameras see."""


def fit_cameras(
    uv_px: Array,
    intrinsics: Sequence[Intrinsics],
    pair: Callable[[int, int], PairFit],
    *,
    lengths: Sequence[tuple[Indices, Indices, float]] = (),
) -> ManyFit:
    """Relate several known cameras by points that they share.

    Args:
        uv_px: Points in each camera; NaN where not seen. Shape: (n_cameras, n_points, 2).
        intrinsics: Intrinsics of each camera.
        pair: Relation of two cameras, by their numbers.
        lengths: Indices of points at both ends of a known length, and the length in m.

    Raises:
        CameraError: a camera cannot be related to the others; with what to do.
    """
    T = _tree(uv_px, len(intrinsics), pair)
    used = np.isfinite(uv_px).all(2).sum(0) > 1
    chosen = np.flatnonzero(used)
    chosen = chosen[:: max(1, len(chosen) // MOST_POINTS)]
    T = _adjust(T, uv_px[:, chosen], intrinsics)
    points_m, _ = _points(T, uv_px, intrinsics)
    scales = [_scale(points_m, *known) for known in lengths]
    known_scales = [scale for scale in scales if np.isfinite(scale)]
    if known_scales:
        T[:, :3, 3] *= float(np.median(known_scales))
    errors_px = _errors(T, uv_px[:, chosen], intrinsics)
    rms_px = np.array([1.4826 * np.nanmedian(np.abs(one)) for one in errors_px])
    return ManyFit(T, rms_px, int(used.sum()))


def limb_lengths(
    limbs: Sequence[Limb], n_moments: int, n_joints: int
) -> list[tuple[Indices, Indices, float]]:
    """Limbs as `fit_cameras` takes lengths, for joints of moment after moment."""
    moments = np.arange(n_moments, dtype=np.int64) * n_joints
    return [(moments + limb.start, moments + limb.end, limb.length_m) for limb in limbs]


def _tree(uv_px: Array, n: int, pair: Callable[[int, int], PairFit]) -> Array:
    """Poses of all cameras in the first, over the pairs that share most points. Shape: (n, 4, 4)."""
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(uv_px).all(2))
    shared = {(a, b): int((seen[a] & seen[b]).sum()) for a in range(n) for b in range(a + 1, n)}
    T, why = {0: np.eye(4)}, ""
    tried: set[tuple[int, int]] = set()
    while len(T) < n:
        open_pairs = [
            key for key, count in shared.items()
            if key not in tried and count >= MIN_SHARED and (key[0] in T) != (key[1] in T)
        ]  # fmt: skip
        if not open_pairs:
            missing = ", ".join(str(k + 1) for k in range(n) if k not in T)
            raise CameraError(
                f"camera {missing} cannot be related to the others ({why or 'too little is seen by both'}); "
                "let the person walk, or hold the board, where it and another camera see them"
            )
        a, b = max(open_pairs, key=lambda key: shared[key])
        tried.add((a, b))
        try:
            T_a_b = pair(a, b).T_a_b
        except CameraError as error:
            why = str(error)
            continue
        if a in T:
            T[b] = T[a] @ T_a_b
        else:
            T[a] = T[b] @ np.linalg.inv(T_a_b)
    return np.stack([T[k] for k in range(n)])


def _points(T: Array, uv_px: Array, intrinsics: Sequence[Intrinsics]) -> tuple[Array, NDArray[np.bool_]]:
    """Where the rays of all cameras meet, by least squares. Shapes: (n_points, 3), (n_cameras, n_points)."""
    n_points = uv_px.shape[1]
    information, pull = np.zeros((n_points, 3, 3)), np.zeros((n_points, 3))
    is_seen: NDArray[np.bool_] = np.asarray(np.isfinite(uv_px).all(2))
    for k, one in enumerate(intrinsics):
        rays = one.rays(np.nan_to_num(uv_px[k]))
        is_seen[k] &= np.isfinite(rays).all(1)
        d = np.nan_to_num(rays) @ T[k, :3, :3].T
        d /= np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-9)
        across = (np.eye(3) - d[:, :, None] * d[:, None, :]) * is_seen[k][:, None, None]
        information += across
        pull += across @ T[k, :3, 3]
    points_m = np.asarray(
        np.linalg.solve(information + 1e-9 * np.eye(3), pull[..., None])[..., 0], np.float64
    )
    points_m[is_seen.sum(0) < 2] = np.nan
    return points_m, is_seen


def _errors(T: Array, uv_px: Array, intrinsics: Sequence[Intrinsics]) -> Array:
    """Reprojection errors; NaN where a point is not seen. Shape: (n_cameras, n_points, 2)."""
    points_m, is_seen = _points(T, uv_px, intrinsics)
    errors = np.full(uv_px.shape, np.nan)
    for k, one in enumerate(intrinsics):
        in_cam = (points_m - T[k, :3, 3]) @ T[k, :3, :3]
        is_good = is_seen[k] & np.isfinite(in_cam).all(1)
        errors[k, is_good] = one.project(in_cam[is_good]) - uv_px[k, is_good]
    return errors


def _adjust(T: Array, uv_px: Array, intrinsics: Sequence[Intrinsics]) -> Array:
    """Levenberg-Marquardt over the poses of all cameras but the first."""
    damping, shape = 1e-3, 6 * (len(T) - 1)
    is_known = np.isfinite(_errors(T, uv_px, intrinsics))
    for _ in range(ITERATIONS):
        r = np.nan_to_num(_errors(T, uv_px, intrinsics))[is_known]
        sigma = max(1.4826 * float(np.median(np.abs(r))), 1e-6)
        w = 1.0 / (1.0 + (r / (ROBUST_FACTOR * sigma)) ** 2)
        J = np.empty((len(r), shape))
        for k in range(shape):
            step = np.zeros(shape)
            step[k] = STEP
            J[:, k] = (np.nan_to_num(_errors(_moved(T, step), uv_px, intrinsics))[is_known] - r) / STEP
        H, g = J.T @ (w[:, None] * J), J.T @ (w * r)
        change = -np.linalg.solve(H + damping * np.diag(np.diag(H)) + 1e-9 * np.eye(shape), g)
        trial = _moved(T, np.asarray(change, np.float64))
        after = np.nan_to_num(_errors(trial, uv_px, intrinsics))[is_known]
        costs = [float(np.log1p((e / (ROBUST_FACTOR * sigma)) ** 2).sum()) for e in (r, after)]
        T, damping = (trial, max(damping * 0.3, 1e-9)) if costs[1] < costs[0] else (T, damping * 10.0)
    return T


def _moved(T: Array, step: Array) -> Array:
    """All cameras but the first, turned and shifted."""
    moved = T.copy()
    for k, one in enumerate(step.reshape(-1, 6), start=1):
        moved[k, :3, :3] = np.asarray(cv2.Rodrigues(one[:3])[0], np.float64) @ T[k, :3, :3]
        moved[k, :3, 3] += one[3:]
    return moved


def _scale(points_m: Array, start: Indices, end: Indices, length_m: float) -> float:
    """Factor that gives points a known distance; NaN where it is hardly seen."""
    found = np.linalg.norm(points_m[start] - points_m[end], axis=1)
    found = found[np.isfinite(found)]
    return length_m / float(np.median(found)) if len(found) >= 5 else float("nan")
