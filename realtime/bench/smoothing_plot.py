"""Steadiness against delay as an SVG file: smoothing filters are curves, networks are points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realtime.report.markup import Markup, element
from realtime.report.plot import ticks

WIDTH, HEIGHT = 620.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 16.0, 46.0
STYLE = (
    "svg{background:#fff;font:13px sans-serif}.grid{stroke:#ddd}.line{fill:none;stroke-width:1.5}"
    ".middle{text-anchor:middle}.end{text-anchor:end}"
)
CURVE_COLOURS = ("#888", "#5b7fa6", "#7a9e6b", "#a67f5b")
POINT_COLOUR = "#c0392b"


@dataclass(frozen=True, slots=True)
class LagJitterPoint:
    """Delay and jitter of an estimator."""

    name: str
    lag_ms: float
    jitter_deg: float


@dataclass(frozen=True, slots=True)
class _Axes:
    lag_ms: tuple[float, float]
    jitter_deg: tuple[float, float]

    def at(self, place: LagJitterPoint) -> tuple[float, float]:
        """Where a place is drawn."""
        return self.x(place.lag_ms), self.y(place.jitter_deg)

    def x(self, lag_ms: float) -> float:
        low, high = self.lag_ms
        return LEFT + (lag_ms - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, jitter_deg: float) -> float:
        low, high = self.jitter_deg
        return HEIGHT - BOTTOM - (jitter_deg - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def smoothing_plot(
    curves: Mapping[str, Sequence[LagJitterPoint]], points: Sequence[LagJitterPoint]
) -> Markup:
    """Draw filters, each over its settings, and networks.

    Args:
        curves: Points of each filter over its settings, by name.
        points: Points of the networks; one or more.

    Returns:
        An `svg` element that can stand alone in a file.
    """
    places = [*points, *(p for curve in curves.values() for p in curve)]
    axes = _Axes(
        _range([p.lag_ms for p in places] + [0.0]), _range([p.jitter_deg for p in places] + [0.0], low=0.0)
    )
    drawn = [
        _curve(axes, name, curve, CURVE_COLOURS[k % len(CURVE_COLOURS)])
        for k, (name, curve) in enumerate(curves.items())
    ]
    title = "Jitter at rest against delay"
    return element(
        "svg",
        element("title", title),
        element("style", Markup(STYLE)),
        _grid(axes),
        drawn,
        [_point(axes, place) for place in points],
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
    )


def _range(values: list[float], low: float | None = None) -> tuple[float, float]:
    margin = 0.06 * (max(values) - min(values)) + 1e-3
    return (min(values) - margin if low is None else low), max(values) + margin


def _grid(axes: _Axes) -> list[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for lag_ms in ticks(*axes.lag_ms, 8):
        x = f"{axes.x(lag_ms):.1f}"
        parts.append(element("path", d=f"M{x} {TOP}V{bottom}", class_="grid"))
        parts.append(element("text", f"{lag_ms:g}", x=x, y=bottom + 17, class_="middle"))
    for jitter_deg in ticks(*axes.jitter_deg, 6):
        y = axes.y(jitter_deg)
        parts.append(element("path", d=f"M{LEFT} {y:.1f}H{right}", class_="grid"))
        parts.append(element("text", f"{jitter_deg:g}", x=LEFT - 6, y=f"{y + 4:.1f}", class_="end"))
    middle = 0.5 * (TOP + bottom)
    parts.append(element("text", "delay in ms", x=0.5 * (LEFT + right), y=HEIGHT - 8, class_="middle"))
    parts.append(
        element("text", "jitter at rest in deg", transform=f"translate(16 {middle}) rotate(-90)",
                class_="middle")
    )  # fmt: skip
    return parts


def _curve(axes: _Axes, name: str, curve: Sequence[LagJitterPoint], colour: str) -> list[Markup]:
    drawn = [axes.at(place) for place in curve]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in drawn)
    x, y = max(drawn)
    is_right = x > 0.6 * WIDTH
    return [
        element("path", d=path, class_="line", stroke=colour),
        *(element("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=2, fill=colour) for a, b in drawn),
        element(
            "text", name, x=f"{x if is_right else x + 8:.1f}", y=f"{y - 8 if is_right else y + 4:.1f}",
            fill=colour, class_="end" if is_right else None,
        ),
    ]  # fmt: skip


def _point(axes: _Axes, place: LagJitterPoint) -> list[Markup]:
    x, y = axes.at(place)
    side = "end" if x > 0.75 * WIDTH else None
    return [
        element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, fill=POINT_COLOUR),
        element("text", place.name, x=f"{x + (-9 if side else 9):.1f}", y=f"{y - 7:.1f}", class_=side),
    ]
