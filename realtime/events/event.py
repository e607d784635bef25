"""Moments and stretches of a recording that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["r", "l", ""]
CycleKind = Literal["stride", "repetition", "marked"]

FOOT_STRIKE, FOOT_OFF = "Foot Strike", "Foot Off"
"""Names of gait events, as in C3D files."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A moment of a recording."""

    time_s: float
    """Time since the first sample."""
    label: str
    """Name: `FOOT_STRIKE`, `FOOT_OFF`, or what a mark made by hand is called."""
    side: Side = ""
    """Side of a gait event."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A stretch of a recording that is one of several like it."""

    number: int
    """Number among the cycles of the same side, from 1."""
    kind: CycleKind
    """`stride`: between two strikes of one foot; `repetition`: an angle goes away and comes back; `marked`:
    between two marks of one name."""
    start_s: float
    """Time since the first sample."""
    end_s: float
    """Time since the first sample."""
    side: Side = ""
    """Foot of a stride."""
    turn_s: float | None = None
    """Time at which a repetition turns."""

    @property
    def duration_s(self) -> float:
        """Time from start to end."""
        return self.end_s - self.start_s
