"""Repetitions of a movement: an angle goes away and comes back. Counted live, or found afterwards.

```python
from realtime.client import subscribe
from realtime.events.repetitions import RepetitionCounter

counter = RepetitionCounter(least_range=40.0)
with subscribe("tcp://127.0.0.1:5570") as stream:
    for sample in stream:
        counter.add(sample.t_capture_ns * 1e-9, sample["knee_angle_r"])
        print(counter.count, "squats")
```
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError

Array = NDArray[np.float64]
Direction = Literal["up", "down"]

DEFAULT_RANGE_DEG = 30.0
"""Least way of a repetition: twice the error of an angle, and more than people sway."""
REST_SHARE = 0.1
"""Share of the least way within which a value counts as still at rest."""
RETURN_SHARE = 0.5
"""Share of the way there that has to be gone back."""
MEDIAN_S, LEAST_VALUES = 0.17, 3
"""Time over which, and number of values from which, medians are taken: single bad frames count nothing."""
LONGEST_GAP_S = 1.0
"""After a longer time without values, a repetition that had begun is forgotten."""

LONGEST_S = 20.0
"""What has not come back after this time is no repetition: that is the new rest."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition: from rest to where the angle turns, and back."""

    start_s: float
    """Last time at rest."""
    turn_s: float
    """Time of the extreme value."""
    end_s: float
    """Time back at rest; from `RepetitionCounter`, that of counting, about half way back."""
    start: float
    """Value at rest before."""
    turn: float
    """Extreme value."""
    end: float
    """Value at `end_s`."""

    @property
    def duration_s(self) -> float:
        """Time from start to end."""
        return self.end_s - self.start_s

    @property
    def range(self) -> float:
        """Way from the value at rest before to the extreme one; positive."""
        return abs(self.turn - self.start)


class _RunningMedian:
    """Median of the newest values: what single bad frames do not change."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self._values: deque[float] = deque()

    def add(self, time_s: float, value: float) -> tuple[float, float]:
        """Middle of the times, and median."""
        self._times_s.append(time_s)
        self._values.append(value)
        while len(self._values) > LEAST_VALUES and time_s - self._times_s[0] > MEDIAN_S:
            self._times_s.popleft()
            self._values.popleft()
        return 0.5 * (self._times_s[0] + time_s), median(self._values)


class RepetitionCounter:
    """Counts repetitions while values arrive; constant memory, and only the past is used.

    A repetition begins when the value has left its lowest one by `least_range`, and counts when it has come
    back from its highest one by half of that way, and by `least_range` at least. Sway and noise smaller than
    `least_range`, and single frames, count nothing: values are medians over `MEDIAN_S`.

    Args:
        least_range: Least way there and back, in the unit of the values.
        direction: Direction in which a repetition goes: `up` to larger values, as the knee in a squat.

    Raises:
        RealtimeError: the least range is not above 0, or the direction is none.
    """

    def __init__(self, least_range: float = DEFAULT_RANGE_DEG, *, direction: Direction = "up") -> None:
        if not least_range > 0.0:
            raise RealtimeError(
                f"{least_range!r} is no range of a repetition; give a number above 0, such as 30",
                name="least_range", value=least_range,
            )  # fmt: skip
        if direction not in ("up", "down"):
            raise RealtimeError(
                f"{direction!r} is no direction; accepted: up, down",
                name="direction", value=direction, accepted=("up", "down"),
            )  # fmt: skip
        self.count = 0
        """Number of repetitions so far."""
        self.last: Repetition | None = None
        """The newest repetition."""
        self._least = least_range
        self._sign = 1.0 if direction == "up" else -1.0
        self._newest_s = -np.inf
        self._forget()

    @property
    def is_away(self) -> bool:
        """Whether a repetition has begun."""
        return self._is_away

    def add(self, time_s: float, value: float) -> Repetition | None:
        """Take the next value.

        Args:
            time_s: Time of the value, increasing.
            value: The value; NaN is ignored.

        Returns:
            The repetition that this value completes.
        """
        if not np.isfinite(value):
            return None
        if time_s - self._newest_s > LONGEST_GAP_S:
            self._forget()
        self._newest_s = time_s
        time_s, value = self._median.add(time_s, self._sign * value)
        if self._is_away:
            return self._come_back(time_s, value)
        self._leave(time_s, value)
        return None

    def reset(self) -> None:
        """Start again from 0."""
        self.count, self.last = 0, None
        self._newest_s = -np.inf
        self._forget()

    def _forget(self) -> None:
        self._median = _RunningMedian()
        self._rest_from(0.0, np.inf)

    def _rest_from(self, time_s: float, value: float) -> None:
        self._is_away = False
        self._rest, self._rest_s = value, time_s
        self._high, self._high_s = -np.inf, time_s

    def _leave(self, time_s: float, value: float) -> None:
        """At rest: follow the lowest value, and notice when it is left."""
        if value <= self._rest + REST_SHARE * self._least:
            self._rest, self._rest_s = min(self._rest, value), time_s
            self._high = -np.inf
        if value > self._high:
            self._high, self._high_s = value, time_s
        self._is_away = value >= self._rest + self._least

    def _come_back(self, time_s: float, value: float) -> Repetition | None:
        """Away: follow the highest value, and count when it has been left."""
        if value > self._high:
            self._high, self._high_s = value, time_s
        if time_s - self._rest_s > LONGEST_S:
            self._rest_from(time_s, value)
            return None
        way_back = max(self._least, RETURN_SHARE * (self._high - self._rest))
        if value > self._high - way_back:
            return None
        self.count += 1
        self.last = Repetition(
            self._rest_s, self._high_s, time_s, self._sign * self._rest, self._sign * self._high,
            self._sign * value,
        )  # fmt: skip
        self._rest_from(time_s, value)
        return self.last


def find_repetitions(
    time_s: Array, values: Array, least_range: float = DEFAULT_RANGE_DEG, *, direction: Direction = "up"
) -> list[Repetition]:
    """Repetitions of a recorded angle: those that `RepetitionCounter` counts, with their true ends.

    Args:
        time_s: Increasing times. Shape: (n,).
        values: Values; NaN where unknown. Shape: (n,).
        least_range: Least way there and back, in the unit of the values.
        direction: Direction in which a repetition goes.

    Raises:
        RealtimeError: as for `RepetitionCounter`.
    """
    counter = RepetitionCounter(least_range, direction=direction)
    counted = [counter.add(t, v) for t, v in zip(time_s.tolist(), values.tolist(), strict=True)]
    found = [repetition for repetition in counted if repetition is not None]
    known = np.isfinite(values)
    medians = _medians(time_s[known], values[known])
    return list(_with_ends(found, *medians, REST_SHARE * least_range))


def _medians(time_s: Array, values: Array) -> tuple[Array, Array]:
    """Times and medians as the counter has them."""
    running = _RunningMedian()
    rows = [running.add(t, v) for t, v in zip(time_s.tolist(), values.tolist(), strict=True)]
    table = np.array(rows).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _with_ends(
    found: list[Repetition], time_s: Array, values: Array, tolerance: float
) -> Iterator[Repetition]:
    """Repetitions that end when the value is back at rest: at its farthest before the next one turns."""
    turns_s = [*(repetition.turn_s for repetition in found), np.inf]
    for repetition, next_s in zip(found, turns_s[1:], strict=True):
        rows = np.flatnonzero((time_s >= repetition.turn_s) & (time_s < next_s))
        gaps = np.flatnonzero(np.diff(time_s[rows]) > LONGEST_GAP_S)
        rows = rows[: gaps[0] + 1] if len(gaps) else rows
        way_back = np.sign(repetition.start - repetition.turn) * values[rows]
        end = rows[np.argmax(way_back >= way_back.max() - tolerance)]
        yield replace(repetition, end_s=float(time_s[end]), end=float(values[end]))
