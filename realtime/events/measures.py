"""Ranges of motion within cycles, and how alike the two sides are in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calib.coordinates import mirrored_name, side_of, stem_of
from realtime.events.event import Cycle
from realtime.events.movement import Curves

LEAST_COMPARED_DEG = 2.0
"""Smallest range of which ratios are formed; those of smaller ones would compare noise."""


@dataclass(frozen=True, slots=True)
class CycleRange:
    """One coordinate within one cycle, in deg or m."""

    cycle: Cycle
    name: str
    unit: str
    lowest: float
    highest: float

    @property
    def range(self) -> float:
        """Difference between the highest and the lowest value."""
        return self.highest - self.lowest


@dataclass(frozen=True, slots=True)
class CycleSymmetry:
    """Ranges of motion of the two sides of one joint in one cycle, or in the strides of one number."""

    number: int
    stem: str
    right: float
    left: float

    @property
    def difference(self) -> float:
        """Range of the right side minus range of the left side."""
        return self.right - self.left

    @property
    def index_percent(self) -> float:
        """As `symmetry_index_percent`."""
        return symmetry_index_percent(self.right, self.left)


def symmetry_index_percent(right: float, left: float) -> float:
    """Symmetry index 100 |R - L| / ((R + L) / 2), 0 for equal ranges (Robinson et al. 1987).

    NaN if both ranges are too small to compare.
    """
    if max(right, left) < LEAST_COMPARED_DEG:
        return np.nan
    return 200.0 * abs(right - left) / (right + left)


def belongs(name: str, cycle: Cycle) -> bool:
    """Whether a coordinate is measured in a cycle: in a stride, those of its foot's side and the midline."""
    return not cycle.side or side_of(name) in ("", cycle.side)


def cycle_ranges(curves: Curves, cycles: Iterable[Cycle]) -> list[CycleRange]:
    """Range of each coordinate in each cycle; without those that were not known in it."""
    found = []
    for cycle in cycles:
        rows = (curves.time_s >= cycle.start_s) & (curves.time_s <= cycle.end_s)
        for k, name in enumerate(curves.names):
            values = curves.values[rows, k]
            values = values[np.isfinite(values)]
            if len(values) and belongs(name, cycle):
                lowest, highest = float(values.min()), float(values.max())
                found.append(CycleRange(cycle, name, curves.units[k], lowest, highest))
    return found


def cycle_symmetries(ranges: Sequence[CycleRange]) -> list[CycleSymmetry]:
    """Both sides of each joint angle in each cycle; a right stride is compared with the left one after it."""
    by_key = {(r.cycle.number, r.name): r for r in ranges if r.unit == "deg" and side_of(r.name)}
    found = []
    for (number, name), right in by_key.items():
        left = by_key.get((number, mirrored_name(name)))
        if side_of(name) == "r" and left is not None:
            found.append(CycleSymmetry(number, stem_of(name), right.range, left.range))
    return found
