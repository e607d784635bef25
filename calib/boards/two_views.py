"""Two cameras related by what both see of a person: the essential matrix of joints, and their limbs' lengths.

The relation up to scale is the one with the least Sampson error (Hartley and Zisserman, Multiple View
Geometry, 2nd ed., eq. 11.9) over all joints of all moments, robustly weighted; limbs' lengths give the scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.two_cameras import PairFit
from calib.camera import Intrinsics
from calib.errors import CameraError

Array = NDArray[np.float64]

MIN_POINTS = 60
MIN_CONFIDENCE = 0.5
MIN_PARALLAX_DEG = 4.0
MAX_DIRECTION_SD_DEG = 4.0
MAX_ERROR_SHARE = 0.008
"""Of the image's longer side: a larger error means that the images are not of the same moments."""
RANSAC_SHARE = 0.008
ITERATIONS = 25
ROBUST_FACTOR = 2.0
"""Cauchy's weights halve at about this many standard deviations."""
PLAUSIBLE_RANGE = (0.6, 1.6)
"""A limb's length, triangulated, compared with its median."""


@dataclass(frozen=True, slots=True)
class Limb:
    """Two joints whose distance is known."""

    start: int
    end: int
    length_m: float


@dataclass(frozen=True, slots=True, eq=False)
class JointTracks:
    """The joints of one person in one camera."""

    uv_px: Array
    """NaN where unknown. Shape: (n_moments, n_joints, 2)."""
    confidence: Array
    """From 0 to 1. Shape: (n_moments, n_joints)."""


def pair_from_joints(
    first: JointTracks, second: JointTracks, a: Intrinsics, b: Intrinsics, limbs: Sequence[Limb]
) -> PairFit:
    """Relate two known cameras by a person whom both see.

    Args:
        first: Joints seen by camera a.
        second: The same joints at the same moments, seen by camera b.
        a: Intrinsics of the first camera.
        b: Intrinsics of the second camera.
        limbs: Known lengths, which give the scale.

    Raises:
        CameraError: too little is seen, or it does not fix the relation; with what to do.
    """
    seen = _both_see(first, second)
    n = int(seen.sum())
    if n < MIN_POINTS:
        raise CameraError(
            f"{n} joints were seen by both cameras, at least {MIN_POINTS} are needed; let the person walk "
            "about for some seconds where both cameras see the whole body"
        )
    rays_a, rays_b = a.rays(first.uv_px[seen]), b.rays(second.uv_px[seen])
    weights = np.sqrt(first.confidence[seen] * second.confidence[seen])
    is_finite = np.isfinite(rays_a).all(axis=1) & np.isfinite(rays_b).all(axis=1)
    rays_a, rays_b, weights = rays_a[is_finite], rays_b[is_finite], weights[is_finite]
    focal_px = float(np.sqrt(a.fx * b.fx))
    longer_px = max(a.width_px, a.height_px, b.width_px, b.height_px)
    R, t = _first_guess(rays_a, rays_b, RANSAC_SHARE * longer_px / focal_px)
    R, t, error_px, is_inlier, sd_deg = _refine(R, t, rays_a, rays_b, weights, focal_px)
    if error_px > MAX_ERROR_SHARE * longer_px or is_inlier.mean() < 0.5:
        raise CameraError(
            f"joints miss each other by {error_px:.1f} px, accepted: {MAX_ERROR_SHARE * longer_px:.1f}; see "
            "that both recordings show the same person at the same moments (--offset shifts one of them)"
        )
    parallax_deg = _parallax_deg(R, rays_a, rays_b)
    if parallax_deg < MIN_PARALLAX_DEG or sd_deg > MAX_DIRECTION_SD_DEG:
        raise CameraError(
            f"the cameras see the person from {parallax_deg:.0f} degrees apart, and the direction from one "
            f"to the other stays open by {sd_deg:.1f} degrees; let the person walk through the whole view or "
            f"set the cameras at least {2 * MIN_PARALLAX_DEG:.0f} degrees apart"
        )
    scale_m = _scale_m(R, t, first, second, a, b, limbs)
    T_b_a = np.eye(4)
    T_b_a[:3, :3], T_b_a[:3, 3] = R, t * scale_m
    return PairFit(np.asarray(np.linalg.inv(T_b_a)), error_px, int(is_inlier.sum()), n - int(is_inlier.sum()))


def triangulate(rays_a: Array, rays_b: Array, R: Array, t: Array) -> Array:
    """Points on pairs of rays, in the first camera: where the two rays pass each other most closely.

    Args:
        rays_a: Rays of the first camera. Shape: (n, 3).
        rays_b: Rays of the second camera. Shape: (n, 3).
        R: Rotation from the first camera to the second. Shape: (3, 3).
        t: Origin of the first camera in the second. Shape: (3,).

    Returns:
        NaN for parallel rays and for points behind a camera. Shape: (n, 3).
    """
    d1 = rays_a / np.linalg.norm(rays_a, axis=1, keepdims=True)
    d2 = rays_b @ R
    d2 = d2 / np.linalg.norm(d2, axis=1, keepdims=True)
    origin = -R.T @ t
    c = np.sum(d1 * d2, axis=1)
    along_1, along_2 = d1 @ origin, d2 @ origin
    sine2 = np.where(1.0 - c * c > 1e-9, 1.0 - c * c, np.nan)
    s1 = (along_1 - c * along_2) / sine2
    s2 = (c * along_1 - along_2) / sine2
    middle = 0.5 * (d1 * s1[:, None] + origin + d2 * s2[:, None])
    return np.where(((s1 > 0.0) & (s2 > 0.0))[:, None], middle, np.nan)


def _both_see(first: JointTracks, second: JointTracks) -> NDArray[np.bool_]:
    is_sure = np.minimum(first.confidence, second.confidence) >= MIN_CONFIDENCE
    known = np.isfinite(first.uv_px).all(axis=-1) & np.isfinite(second.uv_px).all(axis=-1)
    return np.asarray(is_sure & known)


def _first_guess(rays_a: Array, rays_b: Array, threshold: float) -> tuple[Array, Array]:
    """Five-point algorithm in random samples; the first camera to the second, with a unit translation."""
    xy_a, xy_b = np.ascontiguousarray(rays_a[:, :2]), np.ascontiguousarray(rays_b[:, :2])
    cv2.setRNGSeed(0)  # the same images give the same cameras
    E, mask = cv2.findEssentialMat(xy_a, xy_b, np.eye(3), cv2.RANSAC, 0.999, threshold)
    if E is None or E.shape[0] < 3:
        raise CameraError("no relation of the cameras fits the joints; see that both show the same person")
    _, R, t, _ = cv2.recoverPose(np.asarray(E)[:3], xy_a, xy_b, np.eye(3), mask=mask)
    return np.asarray(R, np.float64), np.asarray(t, np.float64).ravel()


def _refine(
    R: Array, t: Array, rays_a: Array, rays_b: Array, weights: Array, focal_px: float
) -> tuple[Array, Array, float, NDArray[np.bool_], float]:
    """Least squares over the Sampson errors, with weights that fade for outliers.

    Returns:
        R, t, error of the better half in px, which are inliers, standard deviation of t's direction in deg.
    """
    damping = 1e-3
    for _ in range(ITERATIONS):
        r = focal_px * _sampson(R, t, rays_a, rays_b)
        sigma_px = max(1.4826 * float(np.median(np.abs(r))), 1e-6)
        w = weights / (1.0 + (r / (ROBUST_FACTOR * sigma_px)) ** 2)
        J = np.empty((len(r), 5))
        for k in range(5):
            step = np.zeros(5)
            step[k] = 1e-6
            J[:, k] = (focal_px * _sampson(*_moved(R, t, step), rays_a, rays_b) - r) / 1e-6
        H, g = J.T @ (w[:, None] * J), J.T @ (w * r)
        step = -np.asarray(np.linalg.solve(H + damping * np.diag(np.diag(H)), g))
        trial = _moved(R, t, step)
        if _cost(focal_px * _sampson(*trial, rays_a, rays_b), weights, sigma_px) < _cost(
            r, weights, sigma_px
        ):
            (R, t), damping = trial, max(damping * 0.3, 1e-9)
        else:
            damping *= 10.0
    r = focal_px * _sampson(R, t, rays_a, rays_b)
    sigma_px = max(1.4826 * float(np.median(np.abs(r))), 1e-6)
    sd = np.sqrt(np.diag(np.linalg.inv(H))) * sigma_px
    return R, t, sigma_px, np.abs(r) < 3.0 * sigma_px, math.degrees(float(np.hypot(sd[3], sd[4])))


def _cost(r: Array, weights: Array, sigma_px: float) -> float:
    return float(np.sum(weights * np.log1p((r / (ROBUST_FACTOR * sigma_px)) ** 2)))


def _moved(R: Array, t: Array, step: Array) -> tuple[Array, Array]:
    """A turn of R, and a turn of t across itself."""
    turned = np.asarray(cv2.Rodrigues(step[:3])[0], np.float64) @ R
    aside = np.linalg.svd(t[None])[2][1:]
    moved = t + step[3:] @ aside
    return turned, moved / np.linalg.norm(moved)


def _sampson(R: Array, t: Array, rays_a: Array, rays_b: Array) -> Array:
    """Signed distance of pairs of rays from meeting, to first order, at depth 1. Shape: (n,)."""
    skew = np.array([[0.0, -t[2], t[1]], [t[2], 0.0, -t[0]], [-t[1], t[0], 0.0]])
    E = skew @ R
    in_b, in_a = rays_a @ E.T, rays_b @ E
    scale = np.sqrt((in_b[:, :2] ** 2).sum(1) + (in_a[:, :2] ** 2).sum(1))
    return np.asarray((rays_b * in_b).sum(1) / np.maximum(scale, 1e-12))


def _parallax_deg(R: Array, rays_a: Array, rays_b: Array) -> float:
    """Median angle between the two lines of sight."""
    d1 = rays_a / np.linalg.norm(rays_a, axis=1, keepdims=True)
    d2 = rays_b @ R
    d2 = d2 / np.linalg.norm(d2, axis=1, keepdims=True)
    return float(np.degrees(np.median(np.arccos(np.clip((d1 * d2).sum(1), -1.0, 1.0)))))


def _scale_m(
    R: Array,
    t: Array,
    first: JointTracks,
    second: JointTracks,
    a: Intrinsics,
    b: Intrinsics,
    limbs: Sequence[Limb],
) -> float:
    """Distance of the cameras that gives the limbs their lengths: median over limbs of medians over moments.

    Raises:
        CameraError: no limb is seen often enough.
    """
    seen = _both_see(first, second)
    n_moments, n_joints = seen.shape
    points = np.full((n_moments, n_joints, 3), np.nan)
    points[seen] = triangulate(a.rays(first.uv_px[seen]), b.rays(second.uv_px[seen]), R, t)
    scales = []
    for limb in limbs:
        lengths = np.linalg.norm(points[:, limb.start] - points[:, limb.end], axis=1)
        lengths = lengths[np.isfinite(lengths)]
        if len(lengths) >= 5:
            median = float(np.median(lengths))
            low, high = (share * median for share in PLAUSIBLE_RANGE)
            plausible = lengths[(lengths > low) & (lengths < high)]
            scales.append(limb.length_m / float(np.median(plausible)))
    if not scales:
        raise CameraError(
            "no limb was seen whole by both cameras in 5 moments, so the distance of the cameras is unknown; "
            "let the person walk about where both see the whole body"
        )
    return float(np.median(scales))
