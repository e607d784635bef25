"""Timings side by side: what every benchmark measures with, and `kinecast bench` prints."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

TURN = 20
"""Calls of one task before the next has its turn."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one thing takes, over repeated calls."""

    name: str
    n: int
    p50_us: float
    p95_us: float
    p99_us: float

    @classmethod
    def from_ns(cls, name: str, durations_ns: list[int]) -> Timing:
        """Percentiles of durations."""
        p50, p95, p99 = np.percentile(np.array(durations_ns) * 1e-3, (50, 95, 99))
        return cls(name, len(durations_ns), float(p50), float(p95), float(p99))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster one thing is than another, from calls made in turn in the same run."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Any other measured number."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One benchmark's timings, ratios and remarks."""

    benchmark: str
    timings: tuple[Timing, ...]
    ratios: tuple[Ratio, ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def time_in_turn(tasks: Mapping[str, Callable[[int], object]], n: int) -> tuple[Timing, ...]:
    """Time tasks by turns of `TURN` calls, so that what disturbs the machine disturbs all alike.

    The first call of each turn is not counted: it finds the processor's caches full of another task's data.

    Args:
        tasks: Names and functions of the call's index, which counts up.
        n: Calls of each, including those not counted.
    """
    durations_ns: dict[str, list[int]] = {name: [] for name in tasks}
    for start in range(0, n, TURN):
        for name, task in tasks.items():
            for k in range(start, min(start + TURN, n)):
                start_ns = time.perf_counter_ns()
                task(k)
                if k > start:
                    durations_ns[name].append(time.perf_counter_ns() - start_ns)
    return tuple(Timing.from_ns(name, durations) for name, durations in durations_ns.items())


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    return {"processor": processor_name(), "cores": os.cpu_count(), "system": platform.platform(terse=True)}


def processor_name() -> str:
    """The processor's name where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def format_result(result: BenchResult) -> str:
    """A table for the console."""
    lines = [f"{result.benchmark:<52}{'n':>7}{'p50':>11}{'p95':>11}{'p99':>11}"]
    for t in result.timings:
        values = "".join(f"{_duration(v):>11}" for v in (t.p50_us, t.p95_us, t.p99_us))
        lines.append(f"  {t.name:<50}{t.n:>7}{values}")
    lines += [f"  {r.name}: {r.value:.1f}x" for r in result.ratios]
    lines += [f"  {f.name}: {f.value:.1f} {f.unit}" for f in result.figures]
    lines += [f"  {note}" for note in result.notes]
    return "\n".join(lines)


def _duration(value_us: float) -> str:
    return f"{value_us:.1f} us" if value_us < 1000.0 else f"{value_us * 1e-3:.2f} ms"
