"""What the temporal network reads of each frame; the same for training and live use, and for every estimator.

It reads coordinates and how well they are known, in the frame that the person faces: turned about the
vertical until the line through the hips points along Z. The pelvis's three angles come first. They are read
and not steadied: an error of theirs and those of the hips make up for each other in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

N_PELVIS, N_FEET = 3, 2
MIN_LOG_SIGMA, MAX_LOG_SIGMA = -4.5, 0.5
"""Of a coordinate in rad: nothing is known better, nothing worse."""
UNDERRATED = 4.0
"""On 400 images of synthetic people outside the training data, errors of legs, arms and trunk were twice
what the lifter and the solver reckoned, whether legs were in view or not: the factor of variances."""


def n_temporal_features(n_coordinates: int) -> int:
    """Numbers a frame."""
    return 2 * n_coordinates + 2


def temporal_features(q: Array, sigma: Array, turn_rad: Array) -> NDArray[np.float32]:
    """Put together what is known of each frame.

    Args:
        q: Coordinates in rad, the pelvis in the person's frame. Shape: (n, n_coordinates).
        sigma: Their standard deviations in rad. Shape: (n, n_coordinates).
        turn_rad: Turn of the person's frame since the frame before; 0 at the first. Shape: (n,).

    Returns:
        Shape: (n, n_temporal_features(n_coordinates)).
    """
    log_sigma = np.clip(np.log(sigma), MIN_LOG_SIGMA, MAX_LOG_SIGMA)
    turn = np.stack([np.sin(turn_rad), np.cos(turn_rad)], -1)
    return np.concatenate([q, log_sigma, turn], -1, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """Where the parts of the network's output are."""

    n_coordinates: int
    """Without the pelvis's."""

    @classmethod
    def of_size(cls, size: int) -> OutputLayout:
        """From the number of outputs."""
        return cls((size - N_FEET - 1) // 3)

    @property
    def size(self) -> int:
        """Numbers a frame."""
        return 3 * self.n_coordinates + N_FEET + 1

    @property
    def correction(self) -> slice:
        """To be added to the coordinates, in rad."""
        return slice(0, self.n_coordinates)

    @property
    def log_sigma(self) -> slice:
        """To be added to the logarithm of the standard deviations."""
        return slice(self.n_coordinates, 2 * self.n_coordinates)

    @property
    def speed(self) -> slice:
        """Of the coordinates in rad/s."""
        return slice(2 * self.n_coordinates, 3 * self.n_coordinates)

    @property
    def contact(self) -> slice:
        """Logits of the right and the left foot resting on the floor."""
        return slice(3 * self.n_coordinates, self.size - 1)

    @property
    def lag(self) -> int:
        """Mean delay of the coordinates in s."""
        return self.size - 1
