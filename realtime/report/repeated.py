"""The part of a report about what was repeated: a table of the repetitions, and their mean curves."""

from __future__ import annotations

import math

import numpy as np

from calib.coordinates import PELVIS_ROTATIONS, stem_of
from realtime.events.cycles import N_POINTS, normalised
from realtime.events.event import Cycle
from realtime.events.measures import belongs, cycle_ranges, cycle_symmetries
from realtime.events.movement import GAIT, MARKS, Curves, Movement
from realtime.report.markup import Content, Markup, element, table
from realtime.report.measures import STILL_RANGE, grouped, side_word, title_of
from realtime.report.plot import Curve, plot

MOST_JOINTS = 4
"""Joints in the table of repetitions: those that moved most."""
LIMBS = ("hip", "knee", "ankle", "arm", "elbow", "wrist")
MOST_ROWS = 200
HOW_FOUND = {
    GAIT: "Strides, from one strike of a foot to its next: a heel strikes where it is farthest in front of "
    "the pelvis (Zeni et al. 2008). A right stride stands beside the left one of the same number.",
    MARKS: "From each mark made by hand to the next of the same name.",
}
REPEATED_TEXT = (
    "The angle ({}; of both sides, their mean) leaves its value at rest, turns, and comes back; smaller "
    "movements and single frames do not count."
)
CURVES_TEXT = (
    "Each repetition is stretched to 0 to 100 %. Line: mean over the repetitions; band: plus and minus one "
    "standard deviation between them."
)
NONE_TEXT = (
    "Nothing was repeated here: no steps, no marks, and the knees did not go there and back. Another angle "
    "can be chosen: kinecast report REC --cycles elbow_flex --least-range 20."
)


def repetition_section(curves: Curves, movement: Movement) -> list[Content]:
    """Repetitions of a recording, with ranges, symmetry and mean curves.

    Args:
        curves: What the movement was found in.
        movement: Events and cycles.
    """
    if not movement.cycles:
        return [element("h2", "Repetitions"), element("p", NONE_TEXT, class_="quiet")]
    how = HOW_FOUND.get(movement.divided_by, REPEATED_TEXT.format(movement.divided_by))
    parts: list[Content] = [
        element("h2", "Repetitions"),
        element("p", how, class_="quiet"),
        _table(curves, movement),
        element("h3", "Mean repetition"),
        element("p", CURVES_TEXT, class_="quiet"),
    ]
    moved = [r.name for r in cycle_ranges(curves, movement.cycles) if r.range >= STILL_RANGE[r.unit]]
    shown = [name for name in dict.fromkeys(moved) if name not in PELVIS_ROTATIONS]
    for group, stems in grouped(shown).items():
        figures = [_figure(curves, movement.cycles, stem) for stem in stems]
        parts += [element("h4", group), element("div", figures, class_="grid")]
    return parts


def _table(curves: Curves, movement: Movement) -> Markup:
    """Times of each repetition, and the ranges of the joints that moved most."""
    ranges = cycle_ranges(curves, movement.cycles)
    by_key = {(r.cycle, r.name): r.range for r in ranges}
    symmetry = {(s.number, s.stem): s.index_percent for s in cycle_symmetries(ranges)}
    stems = _most_moved([(stem_of(r.name), r.range) for r in ranges if r.unit == "deg"])
    has_sides = any(cycle.side for cycle in movement.cycles)
    head = ["Number", *["Side"] * has_sides, "Start (s)", "Duration (s)"]
    head += [f"{title_of(stem)} {what}" for stem in stems for what in ("R", "L", "symmetry")]
    rows = []
    for cycle in movement.cycles[:MOST_ROWS]:
        row = [f"{cycle.number}", *[side_word(f"_{cycle.side}")] * has_sides]
        row += [f"{cycle.start_s:.2f}", f"{cycle.duration_s:.2f}"]
        for stem in stems:
            row += [_cell(by_key.get((cycle, f"{stem}_{side}")), "°") for side in ("r", "l")]
            row.append(_cell(symmetry.get((cycle.number, stem)), " %"))
        rows.append(row)
    return table(f"{len(movement.cycles)} repetitions; ranges in degrees, symmetry index in %", head, rows)


def _most_moved(ranges: list[tuple[str, float]]) -> list[str]:
    """Stems of the joints of limbs with the largest mean ranges."""
    sums: dict[str, list[float]] = {}
    for stem, value in ranges:
        sums.setdefault(stem, []).append(value)
    paired = [stem for stem in sums if stem.startswith(LIMBS)]
    return sorted(paired, key=lambda stem: -float(np.mean(sums[stem])))[:MOST_JOINTS]


def _figure(curves: Curves, cycles: tuple[Cycle, ...], stem: str) -> Markup:
    """Mean and band of both sides of a coordinate."""
    drawn, words, unit = [], [], "deg"
    for name in (f"{stem}_r", f"{stem}_l", stem):
        own = [cycle for cycle in cycles if belongs(name, cycle)]
        if name not in curves.names or not own:
            continue
        k = curves.names.index(name)
        band = normalised(curves.time_s, curves.values[:, [k]], own)
        mean, deviation, unit = band.mean[:, 0], band.deviation[:, 0], curves.units[k]
        if not np.isfinite(mean).any():
            continue
        drawn.append(Curve(side_word(name) or "single", mean, deviation))
        digits = 0 if unit == "deg" else 2
        ends = f"{np.nanmin(mean):.{digits}f} to {np.nanmax(mean):.{digits}f}"
        words.append(f"{side_word(name)} {ends} (mean of {len(own)})".strip())
    heading = element("h4", title_of(stem), " ", element("code", stem))
    if not drawn:
        return element("figure", heading)
    drawing = plot(
        title_of(stem),
        f"Mean curve over the cycle. {'; '.join(words)}.",
        np.linspace(0.0, 100.0, N_POINTS),
        drawn,
        "degrees" if unit == "deg" else "metres",
        over="% of the cycle",
    )
    return element("figure", heading, drawing, element("figcaption", "; ".join(words)))


def _cell(value: float | None, unit: str) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.0f}{unit}"
