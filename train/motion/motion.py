"""A motion of the skeleton, and the smooth random functions of time that procedural motions are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Coordinates over time: the person starts near the origin, looking along X, on the floor Y = 0."""

    name: str
    fps: float
    t_s: FloatArray
    """Shape: (n_frames,)."""
    q: FloatArray
    """Coordinates in rad and m. Shape: (n_frames, n_q)."""
    source: str = "procedural"
    """Where it came from: a key of `train.motion.captured.SOURCES`."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.t_s)


def wander(rng: np.random.Generator, t_s: FloatArray, spread: float, period_s: float = 3.0) -> FloatArray:
    """Smooth noise of zero mean.

    Args:
        rng: Source of chance.
        t_s: Shape: (n,).
        spread: Standard deviation over many draws.
        period_s: Typical time between peaks.
    """
    total = np.zeros_like(t_s)
    n = 4
    for _ in range(n):
        speed = 2.0 * np.pi / (period_s * rng.uniform(0.5, 2.5))
        total += np.sqrt(2.0 / n) * np.sin(speed * t_s + rng.uniform(0.0, 2.0 * np.pi))
    return spread * total


def ease(x: FloatArray) -> FloatArray:
    """From 0 to 1 without a jerk at either end (minimum jerk: Flash and Hogan, J Neurosci 5, 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def repetitions(rng: np.random.Generator, t_s: FloatArray, period_s: tuple[float, float]) -> FloatArray:
    """Out and back again and again, with rests, each repetition a little different. Values 0 to about 1."""
    value = np.zeros_like(t_s)
    start = rng.uniform(-2.0, 0.6)
    while start < t_s[-1]:
        out_s, back_s = rng.uniform(*period_s, 2) / 2.0
        hold_s = rng.exponential(0.25)
        depth = rng.uniform(0.75, 1.0)
        value += depth * ease((t_s - start) / out_s)
        value -= depth * ease((t_s - start - out_s - hold_s) / back_s)
        start += out_s + hold_s + back_s + rng.exponential(0.3)
    return value


def between(rng: np.random.Generator, t_s: FloatArray, points: FloatArray, move_s: float) -> FloatArray:
    """Visit random rows of `points`, resting at each and moving smoothly between them.

    Args:
        rng: Source of chance.
        t_s: Shape: (n,).
        points: Places to visit. Shape: (n_points, d).
        move_s: Typical time of a move.

    Returns:
        Shape: (n, d).
    """
    value = np.repeat(points[rng.integers(len(points))][None], len(t_s), axis=0)
    here = value[0].copy()
    start = rng.uniform(0.0, 1.0)
    while start < t_s[-1]:
        there = points[rng.integers(len(points))]
        duration = move_s * rng.uniform(0.6, 1.6)
        value += ease((t_s - start) / duration)[:, None] * (there - here)
        here = there
        start += duration + rng.exponential(0.6 * move_s)
    return value


def periodic_curve(knots: tuple[float, ...], phase: FloatArray) -> FloatArray:
    """Smooth curve through equally spaced values of one cycle.

    Args:
        knots: Values at phases 0, 1/n, ... (n - 1)/n.
        phase: Phase in cycles. Shape: (n,).
    """
    values = np.array(knots)
    slopes = (np.roll(values, -1) - np.roll(values, 1)) / 2.0
    place = np.mod(phase, 1.0) * len(values)
    k = np.floor(place).astype(np.int64) % len(values)
    after = (k + 1) % len(values)
    x = place - np.floor(place)
    # Cubic Hermite pieces with Catmull and Rom's slopes: they hardly overshoot.
    return (
        values[k] * (1.0 + 2.0 * x) * (1.0 - x) ** 2
        + slopes[k] * x * (1.0 - x) ** 2
        + values[after] * x**2 * (3.0 - 2.0 * x)
        + slopes[after] * x**2 * (x - 1.0)
    )
