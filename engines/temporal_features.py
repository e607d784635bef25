"""What the temporal network reads of each frame; the same for training and live use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.landmark_features import N_FEATURES

Array = NDArray[np.float64]


def n_temporal_features(n_coordinates: int) -> int:
    """Numbers a frame."""
    return N_FEATURES + 2 * n_coordinates + 2


def temporal_features(
    landmark_values: NDArray[np.float32], q: Array, sigma: Array, turn_rad: Array
) -> NDArray[np.float32]:
    """Put together what is known of each frame.

    Args:
        landmark_values: As the lifter reads them. Shape: (n, N_FEATURES).
        q: The lifter's coordinates in rad, the pelvis in the person's frame. Shape: (n, n_coordinates).
        sigma: Their standard deviations in rad. Shape: (n, n_coordinates).
        turn_rad: How far the person's frame has turned since the frame before; 0 at the first. Shape: (n,).

    Returns:
        Shape: (n, n_temporal_features(n_coordinates)).
    """
    turn = np.stack([np.sin(turn_rad), np.cos(turn_rad)], -1)
    return np.concatenate([landmark_values, q, np.log(sigma), turn], -1, dtype=np.float32)
