"""Cycles of a movement, and what they have in common: means and bands over 0 to 100 % of a cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime.events.event import FOOT_STRIKE, Cycle, Event
from realtime.events.repetitions import Repetition

Array = NDArray[np.float64]

N_POINTS = 101
"""Points of a normalised cycle: 0, 1, ... 100 %."""
LONGEST_STRIDE_S = 3.0
"""Strikes of one foot further apart do not bound a stride: steps between them were missed."""
MOST_BRIDGED_SHARE = 0.1
"""Longest gap of a cycle that is interpolated, as a share of the cycle."""


@dataclass(frozen=True, slots=True, eq=False)
class CycleBand:
    """Cycles of one side, normalised in time."""

    values: Array
    """Every cycle; NaN in gaps. Shape: (n_cycles, 101, n_values)."""
    mean: Array
    """Mean over the cycles. Shape: (101, n_values)."""
    deviation: Array
    """Standard deviation between the cycles, of n - 1; NaN for one cycle. Shape: (101, n_values)."""


def strides(events: Sequence[Event]) -> list[Cycle]:
    """Strides of both feet: between two strikes of one foot.

    Args:
        events: Events in order of time, from `realtime.events.gait`.
    """
    found = []
    for side in ("r", "l"):
        strikes_s = [e.time_s for e in events if e.label == FOOT_STRIKE and e.side == side]
        spans = [(a, b) for a, b in pairwise(strikes_s) if b - a <= LONGEST_STRIDE_S]
        found += [Cycle(k, "stride", a, b, side) for k, (a, b) in enumerate(spans, start=1)]
    return sorted(found, key=lambda cycle: cycle.start_s)


def repeated(repetitions: Sequence[Repetition]) -> list[Cycle]:
    """Repetitions as cycles."""
    return [
        Cycle(k, "repetition", r.start_s, r.end_s, turn_s=r.turn_s)
        for k, r in enumerate(repetitions, start=1)
    ]


def marked(marks: Sequence[Event]) -> list[Cycle]:
    """Stretches between marks of one name, in order of time.

    Args:
        marks: Events that were marked by hand, in order of time.
    """
    spans: list[tuple[float, float]] = []
    for label in dict.fromkeys(mark.label for mark in marks):
        spans += pairwise([mark.time_s for mark in marks if mark.label == label])
    return [Cycle(k, "marked", a, b) for k, (a, b) in enumerate(sorted(spans), start=1)]


def normalised(time_s: Array, values: Array, cycles: Sequence[Cycle]) -> CycleBand:
    """Values over 0 to 100 % of each cycle, interpolated linearly, with their mean and spread.

    Args:
        time_s: Increasing times. Shape: (n,).
        values: Values; NaN where unknown. Shape: (n, n_values).
        cycles: Cycles; at least one.
    """
    every = np.array([list(_columns(time_s, values, cycle)) for cycle in cycles]).transpose(0, 2, 1)
    known = np.isfinite(every)
    n = known.sum(axis=0)
    mean = np.where(n > 0, np.where(known, every, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)
    squares = np.where(known, (every - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
    return CycleBand(every, mean, deviation)


def _columns(time_s: Array, values: Array, cycle: Cycle) -> Iterator[Array]:
    """Each value over one cycle. Shape of each: (101,)."""
    at_s = np.linspace(cycle.start_s, cycle.end_s, N_POINTS)
    longest_s = max(MOST_BRIDGED_SHARE * cycle.duration_s, 1.5 * float(np.median(np.diff(time_s))))
    for column in values.T:
        known = np.isfinite(column)
        t, v = time_s[known], column[known]
        if len(t) < 2:
            yield np.full(N_POINTS, np.nan)
            continue
        after = np.searchsorted(t, at_s).clip(1, len(t) - 1)
        is_near = (t[after] - t[after - 1] <= longest_s) & (t[0] <= at_s) & (at_s <= t[-1])
        yield np.where(is_near, np.interp(at_s, t, v), np.nan)
