"""Draws distributions of landmark offsets as SVG: a bar for each group, a mark for a real person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Row = Mapping[str, float | str]

PANELS = {
    "hip": (-0.12, 0.12),
    "knee": (-0.12, 0.12),
    "ankle": (-0.12, 0.12),
    "toes": (-0.12, 0.12),
    "leg / trunk": (1.0, 2.0),
    "shank / thigh": (0.6, 1.3),
}
"""Measures and the ranges of their axes."""
_WIDTH, _HEIGHT, _LEFT, _BAR = 620, 52, 110, 9
_COLOURS = ("#9aa3ad", "#2f6fb0", "#3f9a6a", "#b0702f")


def distribution_plot(
    groups: Mapping[str, Sequence[Row]], marks: Mapping[str, Mapping[str, Sequence[float]]]
) -> str:
    """Plot the middle 95 and 50 percent of every measure, from the front and obliquely.

    Args:
        groups: Rows of `train.blazepose.offsets.measure_standing` by name.
        marks: Values of a real person, by view and measure.

    Returns:
        An SVG document.
    """
    body, y = [_legend(list(groups), bool(marks))], 34
    for panel in PANELS:
        for view in ("front", "oblique"):
            body += _strip(panel, view, y, groups, marks.get(view, {}).get(panel, ()))
            y += _HEIGHT
    style = "<style>text{font:11px sans-serif;fill:#333}</style>"
    size = f'width="{_WIDTH}" height="{y + 8}" viewBox="0 0 {_WIDTH} {y + 8}"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', style, background, *body, "</svg>", ""]
    )


def _legend(names: list[str], marked: bool) -> str:
    parts = []
    for k, name in enumerate(names):
        x = _LEFT + 130 * k
        parts.append(f'<rect x="{x}" y="10" width="18" height="{_BAR}" fill="{_COLOURS[k % 4]}"/>')
        parts.append(f'<text x="{x + 24}" y="19">{name}</text>')
    if marked:
        x = _LEFT + 130 * len(names)
        parts.append(f'<path d="M{x} 7v15" stroke="#c22" stroke-width="2"/>')
        parts.append(f'<text x="{x + 8}" y="19">real person</text>')
    return "".join(parts)


def _strip(
    panel: str, view: str, y: int, groups: Mapping[str, Sequence[Row]], marks: Sequence[float]
) -> list[str]:
    """One measure in one view."""
    low, high = PANELS[panel]

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(_LEFT + share * (_WIDTH - _LEFT - 20), 1)

    out = [f'<text x="4" y="{y + 18}">{panel}</text><text x="4" y="{y + 31}" opacity=".6">{view}</text>']
    for tick in np.linspace(low, high, 5):
        out.append(f'<path d="M{x(tick)} {y}v36" stroke="#e4e4e4"/>')
        out.append(f'<text x="{x(tick)}" y="{y + 47}" text-anchor="middle" opacity=".55">{tick:.2f}</text>')
    for k, rows in enumerate(groups.values()):
        values = np.array([float(row[panel]) for row in rows if row["view"] == view])
        a, b, c, d, e = (x(float(v)) for v in np.percentile(values, [2.5, 25.0, 50.0, 75.0, 97.5]))
        top, colour = y + 4 + k * (_BAR + 4), _COLOURS[k % 4]
        out.append(f'<rect x="{a}" y="{top + 3}" width="{e - a:.1f}" height="3" fill="{colour}"/>')
        out.append(f'<rect x="{b}" y="{top}" width="{d - b:.1f}" height="{_BAR}" fill="{colour}"/>')
        out.append(f'<path d="M{c} {top}v{_BAR}" stroke="#fff" stroke-width="2"/>')
    for k, mark in enumerate(marks):
        dash = ' stroke-dasharray="3 2"' if k else ""
        out.append(f'<path d="M{x(mark)} {y - 1}v37" stroke="#c22" stroke-width="2"{dash}/>')
    return out
