"""BlazePose's landmarks as points in ground, each with its inverse covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics, largest_radius
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult

Array = NDArray[np.float64]

MIN_DEPTH_M = 0.2
TINY = 1e-12
MIN_VISIBILITY = 0.1
"""Hidden landmarks still count a little: the network's guess beats none."""
POINT_SIGMA_SHARE = 0.008
"""Deviation of an ordinary point of a patch, as a share of the side of BlazePose's region; worse ones count
less."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkObservation:
    """Landmarks of one frame as points in ground."""

    points_m: Array
    """Positions in ground. Shape: (n, 3)."""
    information: Array
    """Inverse covariance of each point, 1/m^2. Shape: (n, 3, 3)."""


def rotation_to_ray(uv_px: Array, intrinsics: Intrinsics) -> Array:
    """Rotation from a camera that looks straight at a pixel to the real camera.

    A crop shows a person as a camera turned towards them would, so the depths and orientations that a network
    gives hold in that turned camera.

    Returns:
        Shape: (3, 3).
    """
    x, y, z = reachable_rays(np.asarray(uv_px, dtype=np.float64)[None], intrinsics)[0][0].tolist()
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    # Smallest turn from the optical axis to the ray (Rodrigues): no roll is added.
    f = 1.0 / (1.0 + z)
    return np.array([[1.0 - f * x * x, -f * x * y, x], [-f * x * y, 1.0 - f * y * y, y], [-x, -y, z]])


def reachable_rays(uv_px: Array, intrinsics: Intrinsics) -> tuple[Array, NDArray[np.bool_]]:
    """Rays of pixels, also of those that no point in front of the lens reaches.

    Far from the centre of the image the lens model may fold (`Intrinsics.rays`). A pixel beyond the fold
    gets the steepest ray that the lens sees in its direction; callers give it no weight.

    Args:
        uv_px: Pixels. Shape: (n, 2).
        intrinsics: Intrinsics of the camera.

    Returns:
        Rays with depth 1, and which of them lead to their pixel. Shapes: (n, 3), (n,).
    """
    rays = intrinsics.rays(uv_px)
    is_reached = np.asarray(np.isfinite(rays).all(1))
    if not is_reached.all():
        k = intrinsics
        xy = (np.asarray(uv_px)[~is_reached] - (k.cx, k.cy)) / (k.fx, k.fy)
        steepest = largest_radius(k.distortion) / np.maximum(np.linalg.norm(xy, axis=1, keepdims=True), 1e-12)
        rays[~is_reached, :2] = xy * steepest
    return rays, is_reached


def undistorted_px(uv_px: Array, intrinsics: Intrinsics) -> tuple[Array, NDArray[np.bool_]]:
    """Pixels in which the same camera without distortion would show the same.

    Args:
        uv_px: Pixels. Shape: (n, 2).
        intrinsics: Intrinsics of the camera.

    Returns:
        The pixels, and which of the given ones are reachable (`reachable_rays`). Shapes: (n, 2), (n,).
    """
    if not intrinsics.is_distorted:
        return uv_px, np.ones(len(uv_px), dtype=bool)
    k = intrinsics
    rays, is_reached = reachable_rays(uv_px, k)
    return rays[:, :2] * np.array([k.fx, k.fy]) + np.array([k.cx, k.cy]), is_reached


def solve_translation(points_m: Array, rays: Array, weights: Array) -> Array:
    """Position of a rigid set of points that projects onto rays, by linear least squares.

    Each point gives x + t_x = u (z + t_z) and y + t_y = v (z + t_z), linear in t.

    Args:
        points_m: Points about their own origin, in camera axes. Shape: (n, 3).
        rays: Rays with depth 1. Shape: (n, 3).
        weights: Weights of the points. Shape: (n,).

    Returns:
        The origin in the camera, at least 0.2 m in front of it. Shape: (3,).
    """
    t = _least_squares_translation(points_m, rays, weights)
    t[2] = max(t[2], MIN_DEPTH_M - points_m[:, 2].min())
    return t


@njit(cache=True, nogil=True)
def _least_squares_translation(points_m: Array, rays: Array, weights: Array) -> Array:
    """The least squares of `solve_translation`, with x and y eliminated.

    With c = u z - x, and means over the weights' squares, t_z = -sum w^2 (u - mean u) (c - mean c) /
    sum w^2 (u - mean u)^2, over both axes, and t_x = mean c + t_z mean u. Shape: (3,).
    """
    total, t = 0.0, np.zeros(3)
    u_mean, c_mean = np.zeros(2), np.zeros(2)
    for k in range(rays.shape[0]):
        share = weights[k] ** 2
        total += share
        for axis in range(2):
            u_mean[axis] += share * rays[k, axis]
            c_mean[axis] += share * (rays[k, axis] * points_m[k, 2] - points_m[k, axis])
    u_mean /= max(total, TINY)
    c_mean /= max(total, TINY)
    both, spread = 0.0, 0.0
    for k in range(rays.shape[0]):
        for axis in range(2):
            u = rays[k, axis] - u_mean[axis]
            c = rays[k, axis] * points_m[k, 2] - points_m[k, axis] - c_mean[axis]
            both += weights[k] ** 2 * u * c
            spread += weights[k] ** 2 * u * u
    t[2] = -both / max(spread, TINY)
    t[:2] = c_mean + t[2] * u_mean
    return t


def world_in_camera(result: BlazePoseResult, camera: CameraCalibration) -> Array:
    """Metric landmarks in the camera's directions instead of the region's. Shape: (33, 3)."""
    roi_centre_px = np.array([result.roi.centre_x_px, result.roi.centre_y_px])
    return np.asarray(result.world_m @ rotation_to_ray(roi_centre_px, camera.intrinsics).T)


def trust(result: BlazePoseResult) -> Array:
    """Weight of each landmark, and of each point of a patch behind them, from 0 to 1. Shape: (n,)."""
    weight = np.clip(result.visibility, MIN_VISIBILITY, 1.0) * result.presence
    if result.points_sigma_px is not None:
        ordinary_px = POINT_SIGMA_SHARE * result.roi.size_px
        weight[N_LANDMARKS:] *= np.minimum(1.0, (ordinary_px / result.points_sigma_px) ** 2)
    return np.asarray(weight)


def bounding_box(points_px: Array) -> Array:
    """Left, top, right, bottom of points. Shape: (4,)."""
    return np.concatenate([points_px.min(0), points_px.max(0)])
