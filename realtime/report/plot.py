"""Line plots over time as inline SVG, without scripts or fonts; the page's style sheet sets the colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.report.markup import Markup, element

Array = NDArray[np.float64]

WIDTH, HEIGHT = 400.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 8.0, 32.0
"""Margins of the plot for its labels."""
MOST_POINTS = 400
"""Number of steps in which longer curves are drawn by their extremes, so that no peak is lost."""
LEAST_CONTRAST = 1e-6
"""Relative changes below this are rounding errors."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line of a plot."""

    style: str
    """Class in the style sheet: `right`, `left` or `single`."""
    values: Array
    """Values; NaN leaves a gap. Shape: (n,)."""
    deviation: Array | None = None
    """Half width of the band around the curve. Shape: (n,)."""


@dataclass(frozen=True, slots=True)
class _Axes:
    """Conversion of times and values to the drawing's units."""

    start_s: float
    end_s: float
    lowest: float
    highest: float

    def x(self, time_s: Array | float) -> Array:
        share = (np.asarray(time_s) - self.start_s) / (self.end_s - self.start_s)
        return np.asarray(LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, value: Array | float) -> Array:
        share = (np.asarray(value) - self.lowest) / (self.highest - self.lowest)
        return np.asarray(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))


def plot(
    title: str,
    description: str,
    time_s: Array,
    curves: Sequence[Curve],
    unit: str,
    *,
    shaded: Sequence[tuple[float, float]] = (),
    over: str = "time in s",
) -> Markup:
    """Curves over a common time.

    Args:
        title: Title for screen readers.
        description: Content of the plot in words.
        time_s: Times of the values. Shape: (n,).
        curves: Curves with at least one known value.
        unit: Unit of the values.
        shaded: Time spans in s that are shaded grey.
        over: Quantity and unit of the horizontal axis.

    Returns:
        An `svg` element that fills the available width.
    """
    axes = _fit(time_s, curves)
    spans = [_span(axes, start_s, end_s) for start_s, end_s in shaded]
    bands = [_band(axes, time_s, curve) for curve in curves]
    lines = [_line(axes, time_s, curve) for curve in curves]
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        spans,
        _grid(axes, f"{unit}, over {over}"),
        bands,
        lines,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_label=f"{title}. {description}",
    )


def ticks(lowest: float, highest: float, most: int) -> list[float]:
    """Round numbers that divide a range into at most `most` parts."""
    rough = (highest - lowest) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(lowest / step - 1e-9)
    return [k * step for k in range(first, math.floor(highest / step + 1e-9) + 1)]


def known_runs(values: Array) -> Iterator[slice]:
    """Runs of values without NaN."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(values), [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2).tolist():
        yield slice(start, end)


def thinned(time_s: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Reduce the number of points: each step's time, smallest `low` and largest `high`.

    Steps without known values are NaN, and short curves are returned unchanged.
    """
    n_steps = math.ceil(len(time_s) / math.ceil(len(time_s) / MOST_POINTS))
    if n_steps == len(time_s):
        return time_s, low, high
    starts = np.linspace(0, len(time_s), n_steps, endpoint=False).astype(np.int64)
    lowest = np.fmin.reduceat(low, starts)
    return time_s[starts], lowest, np.fmax.reduceat(high, starts)


def _fit(time_s: Array, curves: Sequence[Curve]) -> _Axes:
    ends = []
    for curve in curves:
        deviation = 0.0 if curve.deviation is None else np.nan_to_num(curve.deviation)
        ends += [np.nanmin(curve.values - deviation), np.nanmax(curve.values + deviation)]
    lowest, highest = float(min(ends)), float(max(ends))
    largest = max(abs(lowest), abs(highest), 1e-3)
    is_flat = highest - lowest < LEAST_CONTRAST * largest
    margin = 0.5 * largest if is_flat else 0.05 * (highest - lowest)
    start_s, end_s = float(time_s[0]), float(time_s[-1])
    return _Axes(start_s, end_s if end_s > start_s else start_s + 1.0, lowest - margin, highest + margin)


def _grid(axes: _Axes, label: str) -> list[Markup]:
    left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    values = ticks(axes.lowest, axes.highest, 5)
    for value in values:
        y = float(axes.y(value))
        style = "zero" if value == 0.0 else "grid"
        parts.append(element("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", class_=style))
        parts.append(element("text", _number(value, values), x=left - 4, y=f"{y + 4:.1f}", class_="end"))
    times = ticks(axes.start_s, axes.end_s, 6)
    for time_s in times:
        x = float(axes.x(time_s))
        parts.append(element("path", d=f"M{x:.1f} {bottom:.1f}v4", class_="grid"))
        parts.append(element("text", _number(time_s, times), x=f"{x:.1f}", y=bottom + 15, class_="middle"))
    middle = 0.5 * (left + right)
    parts.append(element("text", label, x=middle, y=HEIGHT - 3, class_="middle"))
    return parts


def _number(value: float, among: Sequence[float]) -> str:
    step = among[1] - among[0] if len(among) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value + 0.0:.{decimals}f}"


def _span(axes: _Axes, start_s: float, end_s: float) -> Markup:
    x, end = float(axes.x(start_s)), float(axes.x(end_s))
    width, height = max(end - x, 0.5), HEIGHT - TOP - BOTTOM
    return element(
        "rect", x=f"{x:.1f}", y=TOP, width=f"{width:.1f}", height=f"{height:.1f}", class_="unknown"
    )


def _line(axes: _Axes, time_s: Array, curve: Curve) -> Markup:
    times, low, high = thinned(time_s, curve.values, curve.values)
    if len(times) < len(time_s):
        times, points = np.repeat(times, 2), np.stack([low, high], axis=1).ravel()
    else:
        points = low
    x, y = axes.x(times), axes.y(points)
    d = "".join(
        f"M{_points(x[run], y[run])}{'h0' if run.stop - run.start == 1 else ''}" for run in known_runs(y)
    )
    return element("path", d=d, class_=f"line {curve.style}")


def _band(axes: _Axes, time_s: Array, curve: Curve) -> Markup:
    if curve.deviation is None:
        return Markup()
    deviation = np.nan_to_num(curve.deviation)
    times, low, high = thinned(time_s, curve.values - deviation, curve.values + deviation)
    x, bottom, top = axes.x(times), axes.y(low), axes.y(high)
    d = "".join(
        f"M{_points(x[run], top[run])}L{_points(x[run][::-1], bottom[run][::-1])}Z" for run in known_runs(top)
    )
    return element("path", d=d, class_=f"band {curve.style}")


def _points(x: Array, y: Array) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
