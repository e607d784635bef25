"""Landmarks as points in ground with uncertainties, for tests of the pose solver alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from realtime.pose.observation import MIN_DEPTH_M, LandmarkObservation, reachable_rays, solve_translation

Array = NDArray[np.float64]


def observe(
    uv_px: Array,
    world_m: Array,
    sigma_m: Array,
    sigma_depth_m: Array,
    weights: Array,
    camera: CameraCalibration,
) -> LandmarkObservation:
    """Place landmarks on their rays, at the depth that the network gives.

    The image fixes a landmark across the line of sight; along it there is only the network's depth.

    Args:
        uv_px: Pixels of the landmarks. Shape: (n, 2).
        world_m: Metric landmarks about a common origin, in camera axes. Shape: (n, 3).
        sigma_m: Standard deviation across the line of sight. Shape: (n,).
        sigma_depth_m: Standard deviation along it. Shape: (n,).
        weights: Weights, from 0 (ignored) to 1. Shape: (n,).
        camera: Intrinsics and pose of the camera.
    """
    rays, is_reached = reachable_rays(uv_px, camera.intrinsics)
    weights = weights * is_reached
    depth_m = solve_translation(world_m, rays, (weights + 1e-3) * is_reached)[2] + world_m[:, 2]
    R, t = camera.T_ground_cam[:3, :3], camera.T_ground_cam[:3, 3]
    points_m = (rays * np.maximum(depth_m, MIN_DEPTH_M)[:, None]) @ R.T + t
    direction = rays / np.linalg.norm(rays, axis=1, keepdims=True) @ R.T
    along = direction[:, :, None] * direction[:, None, :]
    across = np.eye(3) - along
    information = across / sigma_m[:, None, None] ** 2 + along / sigma_depth_m[:, None, None] ** 2
    return LandmarkObservation(points_m, information * weights[:, None, None])
