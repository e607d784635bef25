"""Tables of what was repeated in a recording: events, repetitions, their ranges and symmetry, mean curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from realtime.events.cycles import N_POINTS, normalised
from realtime.events.measures import belongs, cycle_ranges, cycle_symmetries
from realtime.events.movement import Curves, Movement
from realtime.export.extras import need

if TYPE_CHECKING:
    import pandas as pd

WORDS = {"r": "right", "l": "left", "": ""}
"""Side in names of coordinates -> side in tables."""


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """What was repeated in a recording; every table is a pandas DataFrame.

    Tables raise RecordingError where pandas is not installed.
    """

    curves: Curves
    """The recording."""
    movement: Movement
    """Its events and cycles."""

    @property
    def events(self) -> pd.DataFrame:
        """Time, event and side: marks, foot strikes and foot-offs."""
        rows = [(e.time_s, e.label, WORDS[e.side]) for e in self.movement.events]
        return _table(rows, ("time_s", "event", "side"))

    @property
    def repetitions(self) -> pd.DataFrame:
        """Number, kind, side, start, turn, end and duration of each cycle."""
        rows = [
            (c.number, c.kind, WORDS[c.side], c.start_s, np.nan if c.turn_s is None else c.turn_s, c.end_s,
             c.duration_s)
            for c in self.movement.cycles
        ]  # fmt: skip
        return _table(rows, ("number", "kind", "side", "start_s", "turn_s", "end_s", "duration_s"))

    @property
    def ranges(self) -> pd.DataFrame:
        """Smallest and largest value and range of each coordinate in each cycle.

        A stride has the coordinates of its foot's side, and those of the midline.
        """
        rows = [
            (r.cycle.number, WORDS[r.cycle.side], r.name, r.unit, r.lowest, r.highest, r.range)
            for r in cycle_ranges(self.curves, self.movement.cycles)
        ]
        return _table(rows, ("number", "side", "coordinate", "unit", "min", "max", "range"))

    @property
    def symmetry(self) -> pd.DataFrame:
        """Ranges of both sides of each joint angle in each cycle, and the symmetry index."""
        rows = [
            (s.number, s.stem, s.right, s.left, s.difference, s.index_percent)
            for s in cycle_symmetries(cycle_ranges(self.curves, self.movement.cycles))
        ]
        return _table(
            rows, ("number", "joint_angle", "right_deg", "left_deg", "difference_deg", "index_percent")
        )

    @property
    def curves_percent(self) -> pd.DataFrame:
        """Mean and standard deviation between cycles of each coordinate, at 0 to 100 % of the cycle."""
        pandas = need("pandas", "a DataFrame")
        index = pandas.Index(np.arange(N_POINTS), name="percent")
        columns = {}
        for k, name in enumerate(self.curves.names):
            cycles = [cycle for cycle in self.movement.cycles if belongs(name, cycle)]
            if cycles:
                band = normalised(self.curves.time_s, self.curves.values[:, [k]], cycles)
                columns[f"{name}_mean"], columns[f"{name}_sd"] = band.mean[:, 0], band.deviation[:, 0]
        return pandas.DataFrame(columns, index=index)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name; without those that would be empty."""
        found = {"events": self.events} if self.movement.events else {}
        if self.movement.cycles:
            found["repetitions"] = self.repetitions
            found["repetition_ranges"] = self.ranges
            found["symmetry"] = self.symmetry
            found["mean_curves"] = self.curves_percent
        return found


def _table(rows: Sequence[tuple[object, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    return need("pandas", "a DataFrame").DataFrame(rows, columns=list(columns))
