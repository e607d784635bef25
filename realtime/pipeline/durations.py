"""Durations of a whole run in constant memory: logarithmic histograms, one for each stage."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

SHORTEST_NS = 1_000
"""Everything shorter counts as 1 us."""
LONGEST_NS = 100_000_000_000
BINS_PER_E = 200
"""Bins grow by a factor exp(1/200): percentiles are within 0.25 % of the true value."""

_N_BINS = math.ceil(math.log(LONGEST_NS / SHORTEST_NS) * BINS_PER_E) + 1
_LOG_SHORTEST = math.log(SHORTEST_NS)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Distribution of a duration over a run; NaN where nothing was recorded."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    def as_dict(self) -> dict[str, float]:
        """Rounded to a microsecond, ready for JSON; empty where nothing was recorded."""
        if not self.count:
            return {}
        values = {"p50": self.p50_ms, "p95": self.p95_ms, "p99": self.p99_ms}
        values |= {"max": self.max_ms, "mean": self.mean_ms}
        return {name: round(value, 3) for name, value in values.items()}


class DurationTracker:
    """Percentiles of one duration. `record` allocates nothing of size and takes below a microsecond."""

    def __init__(self) -> None:
        self._bins = np.zeros(_N_BINS, dtype=np.int64)
        self._count = 0
        self._sum_ns = 0
        self._max_ns = 0

    def record(self, duration_ns: int) -> None:
        """Count one duration."""
        clipped = min(max(duration_ns, SHORTEST_NS), LONGEST_NS)
        self._bins[int((math.log(clipped) - _LOG_SHORTEST) * BINS_PER_E)] += 1
        self._count += 1
        self._sum_ns += duration_ns
        self._max_ns = max(self._max_ns, duration_ns)

    def percentile_ms(self, percent: float) -> float:
        """The duration that `percent` of the recorded ones do not exceed; NaN without any."""
        if not self._count:
            return math.nan
        rank = max(1, math.ceil(percent / 100.0 * self._count))
        k = int(np.searchsorted(np.cumsum(self._bins), rank))
        middle_ns = math.exp(_LOG_SHORTEST + (k + 0.5) / BINS_PER_E)
        return min(middle_ns, self._max_ns) * 1e-6

    def percentiles(self) -> Percentiles:
        """The distribution so far."""
        mean_ms = self._sum_ns / self._count * 1e-6 if self._count else math.nan
        p50_ms, p95_ms, p99_ms = (self.percentile_ms(p) for p in (50.0, 95.0, 99.0))
        return Percentiles(
            self._count, mean_ms, p50_ms, p95_ms, p99_ms, self._max_ns * 1e-6 if self._count else math.nan
        )


class RateMeter:
    """Events per second: over the newest ones for the overlay, over all for the report."""

    def __init__(self, window: int = 60) -> None:
        self._stamps_ns: deque[int] = deque(maxlen=window)
        self._first_ns = 0
        self._count = 0

    def tick(self, stamp_ns: int) -> None:
        """Count one event."""
        if not self._count:
            self._first_ns = stamp_ns
        self._count += 1
        self._stamps_ns.append(stamp_ns)

    @property
    def recent_hz(self) -> float:
        """Rate of the newest events; NaN until there are two."""
        return self._rate(len(self._stamps_ns), self._stamps_ns[0] if self._stamps_ns else 0)

    @property
    def mean_hz(self) -> float:
        """Rate of all events; NaN until there are two."""
        return self._rate(self._count, self._first_ns)

    def _rate(self, count: int, first_ns: int) -> float:
        elapsed_ns = self._stamps_ns[-1] - first_ns if count > 1 else 0
        return (count - 1) / elapsed_ns * 1e9 if elapsed_ns > 0 else math.nan
