"""Recorded motion at an even rate, from the first to the last sample with a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.export.motion import RecordedMotion
from realtime.recording.finish import even_times, resample

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EvenTimes:
    """Even times, and the samples around them."""

    motion: RecordedMotion
    tracked: slice
    """Samples from the first to the last with a person."""
    time_s: Array
    """Times since the first sample of the recording. Shape: (m,)."""
    rate_hz: float

    def resampled(self, values: Array, is_angle: NDArray[np.bool_] | None = None) -> Array:
        """Values at the even times, as in `angles.mot` and `markers.trc`; NaN in gaps.

        Args:
            values: Values at the samples of the recording. Shape: (n, ...).
            is_angle: Columns in rad, interpolated along the shorter arc. Shape: (k,).

        Returns:
            Shape: (m, ...).
        """
        rows = values[self.tracked]
        flat = rows.reshape(len(rows), -1)
        even = resample(self.motion.time_s[self.tracked], flat, self.time_s, is_angle)
        return even.reshape(len(self.time_s), *values.shape[1:])


def evenly(motion: RecordedMotion) -> EvenTimes:
    """The even times of a recording: those of its `angles.mot`.

    Raises:
        RecordingError: nobody was tracked.
    """
    known = np.flatnonzero(np.isfinite(motion.q).any(axis=1))
    if not len(known):
        raise RecordingError("nobody was tracked in this recording, so there is no motion to export")
    tracked = slice(int(known[0]), int(known[-1]) + 1)
    time_s, rate_hz = even_times(motion.time_s[tracked], motion.meta.rate_hz)
    return EvenTimes(motion, tracked, time_s, rate_hz)
