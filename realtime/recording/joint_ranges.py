"""Range of each coordinate over a run, as values and as a printed table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import mirrored_name, side_of, stem_of
from realtime.sample import PoseSample, Status

if TYPE_CHECKING:
    from calib.skeleton import Skeleton
    from realtime.stream.messages import Model


class JointRanges:
    """Smallest, mean and largest value of each coordinate over the tracked frames, in constant memory."""

    def __init__(self, skeleton: Skeleton | Model) -> None:
        self._skeleton = skeleton
        n_q = len(skeleton.coordinate_names)
        self._lowest, self._highest = np.full(n_q, np.inf), np.full(n_q, -np.inf)
        self._sum, self._count = np.zeros(n_q), np.zeros(n_q, dtype=np.int64)

    def add(self, sample: PoseSample) -> None:
        """Count one sample, unless nobody was tracked."""
        self.add_coordinates(sample.status, sample.q)

    def add_coordinates(self, status: Status, q: NDArray[np.float64]) -> None:
        """Count one sample given by its status and coordinates, unless nobody was tracked."""
        if status is Status.LOST:
            return
        np.fmin(self._lowest, q, out=self._lowest)
        np.fmax(self._highest, q, out=self._highest)
        defined = np.isfinite(q)
        self._sum[defined] += q[defined]
        self._count += defined

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Coordinate -> min, mean, max, range in deg or m; without coordinates that were never known."""
        ranges = {}
        for k, name in enumerate(self._skeleton.coordinate_names):
            if not self._count[k]:
                continue
            unit = np.degrees(1.0) if self._skeleton.is_rotational[k] else 1.0
            lowest, highest = unit * self._lowest[k], unit * self._highest[k]
            mean = unit * self._sum[k] / self._count[k]
            values = {"min": lowest, "mean": mean, "max": highest, "range": highest - lowest}
            ranges[name] = {key: round(float(value), 3) for key, value in values.items()}
        return ranges

    def as_table(self) -> str:
        """Table of the coordinates that can move, in degrees, right and left side by side."""
        ranges = self.as_dict()
        names = [
            name
            for k, name in enumerate(self._skeleton.coordinate_names)
            if name in ranges and self._skeleton.is_rotational[k] and not self._is_locked(k)
        ]
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
