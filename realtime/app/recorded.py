"""The curves of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.app.options import AppError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.parts import folder_of_person, people_in

MOST_POINTS = 1200
"""Points of a drawn curve."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedCurves:
    """Coordinates of a recording over time."""

    names: tuple[str, ...]
    time_s: NDArray[np.float64]
    """Times since the first sample. Shape: (n,)."""
    values: NDArray[np.float64]
    """Coordinates in degrees and m; NaN where unknown. Shape: (n, n_q)."""

    events: tuple[tuple[float, str], ...] = ()
    """Times and names of the events that were marked."""

    @property
    def duration_s(self) -> float:
        """Time of the last sample."""
        return float(self.time_s[-1])

    def curve(self, name: str) -> list[tuple[float, float | None]]:
        """Times and values of a coordinate, None where unknown; of a long recording every n-th."""
        if name not in self.names:
            return []
        step = -(-len(self.time_s) // MOST_POINTS)
        values = self.values[::step, self.names.index(name)]
        rows = zip(self.time_s[::step].tolist(), values.tolist(), strict=True)
        return [(round(t, 3), round(value, 2) if value == value else None) for t, value in rows]

    def at(self, name: str, time_s: float) -> float:
        """Value of a coordinate at the sample nearest to a time; NaN where unknown."""
        if name not in self.names:
            return float("nan")
        return float(self.values[np.abs(self.time_s - time_s).argmin(), self.names.index(name)])


def read_people(folder: Path) -> dict[int, RecordedCurves]:
    """Number of each person of a recording -> their curves.

    Raises:
        AppError: it has no samples.
        RecordingError: it cannot be read.
    """
    return {number: read_curves(folder_of_person(folder, number)) for number in people_in(folder)}


def read_curves(folder: Path) -> RecordedCurves:
    """Read a recording.

    Raises:
        AppError: it has no samples.
        RecordingError: it cannot be read.
    """
    log = StreamLog(folder / LOG_NAME)
    samples = [angles for angles, _ in log.samples()]
    if not samples:
        raise AppError("the recording ended before its first sample")
    stamps_ns = np.array([angles.t_capture_ns for angles in samples])
    factors = [np.degrees(1.0) if unit == "rad" else 1.0 for unit in log.meta.model.units]
    return RecordedCurves(
        names=tuple(log.meta.model.coordinate_names),
        time_s=(stamps_ns - stamps_ns[0]) * 1e-9,
        values=np.array([angles.q for angles in samples]) * factors,
        events=tuple(
            (round((angles.t_capture_ns - int(stamps_ns[0])) * 1e-9, 3), event)
            for angles in samples
            for event in angles.events
        ),
    )
