"""Range of each coordinate over a run, as values and as a printed table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES, PELVIS_ROTATIONS, mirrored_name, side_of, stem_of
from realtime.sample import PoseSample, Status

if TYPE_CHECKING:
    from calib.skeleton import Skeleton
    from realtime.stream.messages import Model


class JointRanges:
    """Smallest, mean and largest value of each coordinate over the tracked frames, in constant memory.

    Unsure frames are left out: one skeleton that does not fit the image would set the extremes of a run.
    """

    def __init__(self, skeleton: Skeleton | Model) -> None:
        self._skeleton = skeleton
        self._names = [*skeleton.coordinate_names, *PELVIC_ANGLES]
        self._is_rotational = [*skeleton.is_rotational, *[True] * len(PELVIC_ANGLES)]
        self._in_ground = np.array([name.startswith("pelvis_") for name in self._names])
        n = len(self._names)
        self._lowest, self._highest = np.full(n, np.inf), np.full(n, -np.inf)
        self._sum, self._count = np.zeros(n), np.zeros(n, dtype=np.int64)

    def add(self, sample: PoseSample) -> None:
        """Count one sample, unless nobody was tracked, or not surely."""
        self.add_values(sample.status, sample.shown)

    def add_values(self, status: Status, values: NDArray[np.float64]) -> None:
        """Count one sample given by its status and `PoseSample.shown`, likewise."""
        if status in (Status.LOST, Status.UNSURE):
            return
        if status is Status.WARM_UP:  # the ground may still move
            values = np.where(self._in_ground, np.nan, values)
        np.fmin(self._lowest, values, out=self._lowest)
        np.fmax(self._highest, values, out=self._highest)
        defined = np.isfinite(values)
        self._sum[defined] += values[defined]
        self._count += defined

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Coordinate or pelvic angle -> min, mean, max, range in deg or m; without those never known."""
        ranges = {}
        for k, name in enumerate(self._names):
            if not self._count[k]:
                continue
            unit = np.degrees(1.0) if self._is_rotational[k] else 1.0
            lowest, highest = unit * self._lowest[k], unit * self._highest[k]
            mean = unit * self._sum[k] / self._count[k]
            values = {"min": lowest, "mean": mean, "max": highest, "range": highest - lowest}
            ranges[name] = {key: round(float(value), 3) for key, value in values.items()}
        return ranges

    def as_table(self) -> str:
        """Table of the coordinates that can move, in degrees, right and left side by side."""
        ranges = self.as_dict()
        n_q = len(self._skeleton.coordinate_names)
        names = [
            name
            for k, name in enumerate(self._names)
            if name in ranges and self._is_rotational[k] and (k >= n_q or not self._is_locked(k))
        ]
        if set(PELVIC_ANGLES) <= set(names):  # right however the person turns, as the others are not
            names = [*PELVIC_ANGLES, *(n for n in names if n not in (*PELVIS_ROTATIONS, *PELVIC_ANGLES))]
        if not names:
            return "nobody was tracked: there are no joint angles to show"
        width = max(len(stem_of(name)) for name in names)
        lines = [f"{'joint angles (deg)':<{width}}  {'right, or trunk':^23}  {'left':^23}".rstrip()]
        lines.append(f"{'':<{width}}  {'min':>7} {'mean':>7} {'max':>7}  {'min':>7} {'mean':>7} {'max':>7}")
        for name in names:
            if side_of(name) == "l" and mirrored_name(name) in names:
                continue
            pair = [name, mirrored_name(name)] if side_of(name) == "r" else [name]
            cells = [_cells(ranges[other]) for other in pair if other in ranges]
            lines.append("  ".join([f"{stem_of(name):<{width}}", *cells]))
        return "\n".join(lines)

    def _is_locked(self, k: int) -> bool:
        """Whether a coordinate is locked; in a stream's model, which lacks this, whether it has not moved."""
        locked = getattr(self._skeleton, "is_locked", None)
        return bool(locked[k]) if locked is not None else bool(self._lowest[k] == self._highest[k])


def _cells(values: dict[str, float]) -> str:
    return " ".join(f"{values[key]:7.1f}" for key in ("min", "mean", "max"))
