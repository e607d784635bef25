"""The parts of a report about movement: curves, ranges, symmetry."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from calib.coordinates import stem_of
from realtime.report.data import Recording
from realtime.report.markup import Content, Markup, element, table
from realtime.report.measures import MotionRange, Symmetry, deviation_deg, grouped, side_word, title_of
from realtime.report.plot import Curve, known_runs, plot

UNIT_SIGN = {"deg": "°", "m": " m"}
BAND_TEXT = (
    "The band shows the estimator's own uncertainty, plus and minus one standard deviation: the standard "
    "deviation of the angle among people and postures times the square root of 1 - confidence. It does not "
    "include errors such as a tilted camera or a mix-up of two people. Where the band is wide, the angle is "
    "mostly a typical value and hardly measured. Grey: nobody was tracked, or the skeleton did not "
    "fit the image."
)
RANGES_TEXT = (
    "Over the frames in which the person was tracked and the skeleton fitted the image. “Range” is highest "
    "minus lowest, which a single bad frame can widen; “middle 90 %” omits the lowest and the highest 5 %. "
    "“Confidence” is the median."
)
SYMMETRY_TEXT = (
    "R and L are the ranges of motion of the two sides (“middle 90 %” as above, which a single bad frame "
    "does not change). The symmetry index is 100 |R - L| / ((R + L) / 2): 0 % for equal ranges, 200 % if one "
    "side does not move. It is omitted if neither side moves by 2°. If the person is seen from one side, the "
    "far limb is less certain, and a difference may be due to the view."
)


def curves_section(recording: Recording, ranges: dict[str, MotionRange]) -> list[Content]:
    """A plot for each joint angle, right and left together."""
    moving = [name for name, motion in ranges.items() if not motion.is_still]
    parts: list[Content] = [
        element("h2", "Movement over time"),
        element("p", BAND_TEXT, class_="quiet"),
        _key(),
    ]
    shaded = _shaded_spans(recording)
    for group, stems in grouped(moving).items():
        figures = [_figure(recording, ranges, stem, shaded) for stem in stems]
        parts += [element("h3", group), element("div", figures, class_="grid")]
    still = [name for name, motion in ranges.items() if motion.is_still]
    if still:
        parts.append(element("p", f"Coordinates that did not move: {', '.join(still)}.", class_="quiet"))
    return parts


def ranges_section(ranges: dict[str, MotionRange]) -> list[Content]:
    """The ranges of motion as a table."""
    head = ("Coordinate", "Side", "Lowest", "Mean", "Highest", "Range", "Middle 90 %", "Confidence")
    stems = [stem for group in grouped(ranges).values() for stem in group]
    rows = [_range_row(ranges[name]) for stem in stems for name in _both_sides(stem) if name in ranges]
    return [
        element("h2", "Ranges of motion"),
        element("p", RANGES_TEXT, class_="quiet"),
        table("Ranges of motion, in degrees, positions in m", head, rows),
    ]


def symmetry_section(symmetries: Iterable[Symmetry]) -> list[Content]:
    """Comparison of right and left, with the definition of the index."""
    rows = [
        (
            _named(sides.stem),
            _decimal(sides.right),
            _decimal(sides.left),
            _decimal(sides.difference, sign=True),
            "-" if math.isnan(sides.index_percent) else f"{sides.index_percent:.0f} %",
            _decimal(sides.mean_difference, sign=True),
        )
        for sides in symmetries
    ]
    if not rows:
        return []
    head = ("Joint angle", "R", "L", "R - L", "Symmetry index", "Mean right - mean left")
    return [
        element("h2", "Right and left"),
        element("p", SYMMETRY_TEXT, class_="quiet"),
        table("Middle 90 % of both sides, in degrees", head, rows),
    ]


def _figure(
    recording: Recording, ranges: dict[str, MotionRange], stem: str, shaded: list[tuple[float, float]]
) -> Markup:
    shown = [name for name in _both_sides(stem) if name in ranges]
    curves = [
        Curve(
            side_word(name) or "single",
            recording.values[:, recording.names.index(name)],
            deviation_deg(recording, name),
        )
        for name in shown
    ]
    unit = ranges[shown[0]].unit
    words = "; ".join(_in_words(ranges[name]) for name in shown)
    drawing = plot(
        title_of(stem),
        f"Curve over {recording.time_s[-1]:.1f} s. {words}.",
        recording.time_s,
        curves,
        "degrees" if unit == "deg" else "metres",
        shaded=shaded,
    )
    heading = element("h4", title_of(stem), " ", element("code", stem))
    return element("figure", heading, drawing, element("figcaption", words))


def _both_sides(stem: str) -> tuple[str, str, str]:
    """Possible names of a coordinate: right, left, or without a side."""
    return f"{stem}_r", f"{stem}_l", stem


def _in_words(motion: MotionRange) -> str:
    unit = UNIT_SIGN[motion.unit]
    digits = 0 if motion.unit == "deg" else 2
    side = f"{side_word(motion.name)} " if side_word(motion.name) else ""
    ends = (_decimal(value, digits) for value in (motion.lowest, motion.highest))
    return f"{side}{' to '.join(ends)}{unit}"


def _key() -> Markup:
    def sample(style: str, text: str) -> Markup:
        line = element("path", d="M2 7H38", class_=f"line {style}")
        return element("li", element("svg", line, viewBox="0 0 40 14", aria_hidden="true"), text)

    items = [sample("right", "right"), sample("left", "left"), sample("single", "pelvis, trunk, neck")]
    return element("ul", items, class_="key")


def _shaded_spans(recording: Recording) -> list[tuple[float, float]]:
    time_s = recording.time_s
    lost = np.where(recording.is_lost | recording.is_unsure, 0.0, np.nan)
    ends = [*time_s[1:].tolist(), float(time_s[-1])]
    return [(float(time_s[run.start]), ends[run.stop - 1]) for run in known_runs(lost)]


def _range_row(motion: MotionRange) -> tuple[Content, ...]:
    digits = 1 if motion.unit == "deg" else 3
    values = (motion.lowest, motion.mean, motion.highest, motion.range, motion.middle)
    confidence = "-" if math.isnan(motion.confidence) else f"{motion.confidence:.2f}"
    cells = [_decimal(value, digits) for value in values]
    return (_named(stem_of(motion.name)), side_word(motion.name) or "-", *cells, confidence)


def _named(stem: str) -> list[Content]:
    return [title_of(stem), " ", element("code", stem, class_="quiet")]


def _decimal(value: float, digits: int = 1, *, sign: bool = False) -> str:
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0.0 else text
