"""What somebody wears: a histogram of the colours of their torso."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import PoseLandmark

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

TORSO = (
    PoseLandmark.LEFT_SHOULDER, PoseLandmark.RIGHT_SHOULDER, PoseLandmark.LEFT_HIP, PoseLandmark.RIGHT_HIP,
)  # fmt: skip
N_SAMPLES = 16
"""Samples along each side of the torso."""
BINS = (8, 4, 4)
"""Of hue, saturation and value."""


def torso_colours(image: Image, landmarks_px: Array) -> Array | None:
    """Shares of the torso's colours; None where the torso is outside the image.

    Colours lose little by compression, and follow the person as they turn and as the light changes slowly.

    Args:
        image: BGR image. Shape: (height, width, 3).
        landmarks_px: Landmarks of one person. Shape: (33, 3).

    Returns:
        Shape: (128,).
    """
    left_top, right_top, left_low, right_low = landmarks_px[list(TORSO), :2]
    across = np.linspace(0.1, 0.9, N_SAMPLES)[:, None, None]
    down = np.linspace(0.1, 0.9, N_SAMPLES)[None, :, None]
    top = left_top + across * (right_top - left_top)
    low = left_low + across * (right_low - left_low)
    points = np.rint((top + down * (low - top)).reshape(-1, 2)).astype(np.int64)
    height, width = image.shape[:2]
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    if inside.sum() < N_SAMPLES:
        return None
    x, y = points[inside].T
    hsv = cv2.cvtColor(image[y, x][None], cv2.COLOR_BGR2HSV)[0].astype(np.int64)
    cell = hsv * BINS // (180, 256, 256)
    counts = np.bincount(
        (cell[:, 0] * BINS[1] + cell[:, 1]) * BINS[2] + cell[:, 2], minlength=int(np.prod(BINS))
    )
    return np.asarray(counts / counts.sum())


def colour_distance(a: Array | None, b: Array | None) -> float:
    """Hellinger distance of two histograms, 0 for equal ones, 1 without a common colour, 0.5 if unknown."""
    if a is None or b is None:
        return 0.5
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(a * b).sum())))
