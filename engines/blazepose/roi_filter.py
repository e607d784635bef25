"""Keep the region of interest still while the person is still.

The landmark network answers slightly differently for every crop, so a region that shakes makes the
landmarks shake. MediaPipe therefore filters the region, and only the region, even where the landmarks are
not smoothed; this is that filter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_CUTOFF_HZ = 0.01
"""Of a person who does not move, as MediaPipe publishes it."""
BETA = 10.0
"""Cut-off frequency gained for each body size a second."""
SPEED_CUTOFF_HZ = 1.0


class RoiFilter:
    """One-euro filter of the two points that span the region, with speeds measured in body sizes.

    Source: Casiez, Roussel and Vogel, "1 euro filter", CHI 2012; `BETA` and `SPEED_CUTOFF_HZ` as MediaPipe
    publishes them.

    Args:
        min_cutoff_hz: Cut-off frequency of points at rest.
    """

    def __init__(self, min_cutoff_hz: float = MIN_CUTOFF_HZ) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._previous: tuple[Array, Array, Array] | None = None
        """Last measured points, last filtered points, last filtered speeds."""

    def step(self, points_px: Array, dt_s: float) -> Array:
        """Filter the points of the next image.

        Args:
            points_px: Centre of the circle around the body and a point on it. Shape: (2, 2).
            dt_s: Time since the last frame; at 0 points pass unfiltered.

        Returns:
            Shape: (2, 2).
        """
        if self._previous is None:
            self._previous = points_px.copy(), points_px.copy(), np.zeros_like(points_px)
            return points_px
        if dt_s <= 0.0:
            return points_px
        measured, filtered, speed = self._previous
        diameter_px = 2.0 * math.hypot(*(points_px[1] - points_px[0]))
        instant = (points_px - measured) / (max(diameter_px, 1.0) * dt_s)
        speed = speed + _alpha(SPEED_CUTOFF_HZ, dt_s) * (instant - speed)
        filtered = filtered + _alpha(self._min_cutoff_hz + BETA * np.abs(speed), dt_s) * (
            points_px - filtered
        )
        self._previous = points_px.copy(), filtered, speed
        return filtered

    def reset(self) -> None:
        """Start again at the next image."""
        self._previous = None


def _alpha(cutoff_hz: float | Array, dt_s: float) -> float | Array:
    """The weight of a new value in a first-order low-pass filter."""
    angle = 2.0 * math.pi * dt_s * cutoff_hz
    return angle / (angle + 1.0)
