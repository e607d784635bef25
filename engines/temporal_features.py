"""What the temporal network reads of each frame; the same for training and live use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.landmark_features import N_FEATURES

Array = NDArray[np.float64]

N_FEET = 2
MIN_LOG_SIGMA, MAX_LOG_SIGMA = -4.5, 0.5
"""Of a coordinate in rad: nothing is known better, nothing worse."""


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


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """Where the parts of the network's output are."""

    n_coordinates: int

    @property
    def size(self) -> int:
        """Numbers a frame."""
        return 3 * self.n_coordinates + N_FEET

    @property
    def correction(self) -> slice:
        """To be added to the lifter's coordinates, in rad."""
        return slice(0, self.n_coordinates)

    @property
    def log_sigma(self) -> slice:
        """To be added to the logarithm of the lifter's standard deviations."""
        return slice(self.n_coordinates, 2 * self.n_coordinates)

    @property
    def speed(self) -> slice:
        """Of the coordinates in rad/s, the pelvis's in ground."""
        return slice(2 * self.n_coordinates, 3 * self.n_coordinates)

    @property
    def contact(self) -> slice:
        """Logits of the right and the left foot resting on the floor."""
        return slice(3 * self.n_coordinates, self.size)
