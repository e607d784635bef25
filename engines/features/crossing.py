"""Where rays of several cameras meet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_WEIGHT = 1e-3
"""Of a ray, so that points that hardly anything is known of still have a position."""


def crossing_points(eyes_m: Array, rays: Array, weights: Array) -> Array:
    """Points nearest to rays of several cameras, by linear least squares.

    Each ray adds w (I - d d') to the equations of a point, and w (I - d d') times its camera's position to
    their right side.

    Args:
        eyes_m: Positions of the cameras. Shape: (..., v, 3).
        rays: Unit directions to the points. Shape: (..., v, n, 3).
        weights: Weights of the rays. Shape: (..., v, n).

    Returns:
        Shape: (..., n, 3).
    """
    across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    across = across * np.maximum(weights, LEAST_WEIGHT)[..., None, None]
    pull = (across @ eyes_m[..., :, None, :, None])[..., 0]
    information = across.sum(-4) + 1e-9 * np.eye(3)
    return np.asarray(np.linalg.solve(information, pull.sum(-3)[..., None])[..., 0], dtype=np.float64)
