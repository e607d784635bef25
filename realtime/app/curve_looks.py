"""How curves are drawn: colours tell sides, as on the image, and dashes tell joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calib.coordinates import side_of, stem_of
from realtime.app.words import title_of

COLOURS = {"r": "#d9480f", "l": "#1c7ed6", None: "#495057"}
"""Colour of a curve by its side."""
DASHES = ("solid", "dashed", "dotted")
"""Style of the curves of the first, second and third joint."""
MOST_CURVES = 6

Points = list[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Look:
    """How a curve is drawn."""

    colour: str
    dash: str


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """Curve -> how it is drawn."""
    stems = list(dict.fromkeys(stem_of(name) for name in names))
    return {
        name: Look(
            COLOURS.get(side_of(name), COLOURS[None]), DASHES[stems.index(stem_of(name)) % len(DASHES)]
        )
        for name in names
    }


def chart_options(curves: Mapping[str, Points], start_s: float, end_s: float) -> dict[str, Any]:
    """Options of an ECharts line chart.

    Args:
        curves: Times and values of each coordinate.
        start_s: Left end of the time axis.
        end_s: Right end of the time axis.
    """
    return {
        "animation": False,
        "grid": {"left": 42, "right": 14, "top": 22, "bottom": 26},
        "xAxis": {"type": "value", "min": start_s, "max": end_s, "axisLabel": {"formatter": "{value} s"}},
        "yAxis": {"type": "value", "scale": True},
        "series": [
            {
                "id": name,
                "type": "line",
                "name": title_of(name),
                "showSymbol": False,
                "data": curves[name],
                "color": look.colour,
                "lineStyle": {"width": 2, "type": look.dash},
            }
            for name, look in looks_of(list(curves)).items()
        ],
    }


def lines_at(key: str, moments: Sequence[tuple[float, str]]) -> dict[str, Any]:
    """A series of the chart that only has vertical lines.

    Args:
        key: Name by which it is replaced later.
        moments: Times and labels.
    """
    data = [{"xAxis": time_s, "label": {"show": bool(text), "formatter": text}} for time_s, text in moments]
    mark = {"symbol": "none", "animation": False, "lineStyle": {"color": "#1b2430", "width": 1}, "data": data}
    return {"id": key, "type": "line", "data": [], "markLine": mark}
