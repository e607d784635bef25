"""The last seconds of chosen coordinates, for the overlay's curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.overlay.style import Colour, Image, polyline
from realtime.sample import PoseSample

_FASTEST_HZ = 170
_MAX_POINTS = 48


class History:
    """A ring buffer of the last seconds of some coordinates.

    Args:
        columns: Indices of the values in `PoseSample.shown`.
        span_s: Length of the history.
    """

    def __init__(self, columns: Sequence[int], span_s: float) -> None:
        self._columns = list(columns)
        self._span_s = span_s
        self._size = int(_FASTEST_HZ * span_s) + 2
        self._t_ns = np.zeros(self._size, dtype=np.int64)
        self._values = np.full((self._size, len(self._columns)), np.nan)
        self._count = 0

    def remember(self, sample: PoseSample) -> None:
        """Add a sample; a time stamp that goes back clears the history."""
        if self._count and sample.t_capture_ns <= self._t_ns[(self._count - 1) % self._size]:
            self._count = 0
        slot = self._count % self._size
        self._t_ns[slot] = sample.t_capture_ns
        self._values[slot] = sample.shown[self._columns]
        self._count += 1

    def recent(
        self, now_ns: int, max_points: int = _MAX_POINTS
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values of the last seconds, oldest first.

        Args:
            now_ns: End of the time span.
            max_points: Approximate limit of the number of points.

        Returns:
            Time of each within the span, from 0 to 1, shape (n,), and its values, shape (n, n_columns).
        """
        n = min(self._count, self._size)
        order = np.arange(self._count - n, self._count) % self._size
        shares = 1.0 - (now_ns - self._t_ns[order]) * 1e-9 / self._span_s
        order, shares = order[shares >= 0.0], shares[shares >= 0.0]
        step = -(-len(order) // max_points) or 1
        # Counted from the first sample of all, so that the points drawn move with time and do not flicker.
        phase = -(self._count - len(order)) % step
        kept = np.union1d(np.arange(phase, len(order), step), np.arange(len(order))[-1:])
        return np.asarray(shares[kept], dtype=np.float64), self._values[order[kept]]


def draw_curve(
    image: Image, x_px: NDArray[np.float64], y_px: NDArray[np.float64], colour: Colour, thickness_px: float
) -> None:
    """Draw a curve with gaps where it is undefined. Shapes: (n,) each."""
    defined = np.isfinite(y_px)
    points = np.stack([x_px, y_px], axis=1)
    for piece in np.split(points, np.flatnonzero(np.diff(defined)) + 1):
        if len(piece) and np.isfinite(piece[0, 1]):
            polyline(image, piece, colour, thickness_px)
