"""The camera that looks straight at a crop: what a network says of directions holds there.

A crop shows a person as a camera turned towards them, and rolled with the crop, would. Training turns the
truth into that camera, live use turns the answer back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.features.landmarks import rotations_to_rays
from engines.preprocess import Roi

Array = NDArray[np.float64]


def rotation_cam_crop(roi: Roi, fx: float, fy: float, cx: float, cy: float) -> Array:
    """Rotation from the camera that looks at a region, upright as its crop, to the real camera.

    Args:
        roi: The region.
        fx: Focal length of the real camera across, in px.
        fy: Focal length of the real camera down, in px.
        cx: Principal point across, in px.
        cy: Principal point down, in px.

    Returns:
        Shape: (3, 3).
    """
    ray = np.array([(roi.centre_x_px - cx) / fx, (roi.centre_y_px - cy) / fy, 1.0])
    c, s = np.cos(roi.rotation_rad), np.sin(roi.rotation_rad)
    roll = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(rotations_to_rays(ray) @ roll)


def log_reach(roi: Roi, fx: float, fy: float) -> float:
    """How far the camera is zoomed in: log of focal length over half the region's side."""
    return float(np.log(2.0 * np.sqrt(fx * fy) / roi.size_px))


def square_about(points_px: Array, width_px: int, height_px: int, margin: float) -> Roi | None:
    """The square about what an image shows of some points: which part of it the network looks at.

    Args:
        points_px: Points of a person; NaN behind the camera. Shape: (n, 2).
        width_px: Image width.
        height_px: Image height.
        margin: Ratio of the side to the larger extent of the points.

    Returns:
        None where no point is in the image.
    """
    limits = np.array([width_px, height_px], dtype=np.float64)
    known = points_px[np.isfinite(points_px).all(1)]
    if not ((known >= 0.0) & (known < limits)).all(1).any():
        return None
    known = np.clip(known, 0.0, limits)
    low, high = known.min(0), known.max(0)
    side = max(float((high - low).max()), MIN_SHARE * float(limits.min())) * margin
    centre = 0.5 * (low + high)
    return Roi(float(centre[0]), float(centre[1]), side)


MIN_SHARE = 0.15
"""Of the image's smaller side: nobody is looked at more closely."""
MARGIN = 1.15
"""For `square_about`, live and in evaluation."""
