"""A plot of chosen coordinates over the last seconds, larger than the traces beside their values."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.overlay.angles import Row
from realtime.overlay.history import History, draw_curve
from realtime.overlay.style import FAINT, LEFT, MUTED, RIGHT, WHITE, Colour, Image, Panel, Typeface
from realtime.sample import PoseSample

SPAN_S = 8.0
WIDTH_PX, HEIGHT_PX = 268, 132
MARGIN_PX = 12
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 36, 10, 26, 18
_MAX_POINTS = 180
_FURTHER: tuple[Colour, ...] = ((120, 220, 140), (230, 150, 220), (110, 220, 245), (235, 190, 120))
"""For curves whose side's colour is taken already."""
_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 180.0)


class TimePlot:
    """Draws curves in one frame of axes: degrees, or metres where only lengths are chosen.

    Args:
        rows: Rows of coordinates, right and left of a pair together.
        typeface: Typeface of the labels.
    """

    def __init__(self, rows: Sequence[Row], typeface: Typeface) -> None:
        chosen = [(row, k) for row in rows for k in range(len(row.coordinates))]
        # Lengths and angles cannot share an axis: the unit of the first coordinate decides.
        self._in_degrees = chosen[0][0].in_degrees if chosen else True
        chosen = [(row, k) for row, k in chosen if row.in_degrees == self._in_degrees]
        self._labels = [_label(row, k) for row, k in chosen]
        self._colours = _distinct([row.colours[k] for row, k in chosen])
        self._columns = [row.coordinates[k] for row, k in chosen]
        self._history = History(self._columns, SPAN_S)
        self._typeface = typeface
        self._panels: dict[tuple[int, int], Panel] = {}

    def height_px(self, unit_px: float) -> int:
        """Height of the plot including the margin below it; 0 if there is nothing to plot."""
        return round((HEIGHT_PX + MARGIN_PX) * unit_px) if self._columns else 0

    def remember(self, sample: PoseSample) -> None:
        """Add a sample; a time stamp that goes back clears the curves."""
        self._history.remember(sample)

    def draw(self, image: Image, sample: PoseSample, unit_px: float) -> None:
        """Draw in the lower left corner of `image` if there is room."""
        width, height, margin = (round(v * unit_px) for v in (WIDTH_PX, HEIGHT_PX, MARGIN_PX))
        if not self._columns or width + 2 * margin > image.shape[1] or height + 5 * margin > image.shape[0]:
            return
        if (width, height) not in self._panels:
            self._panels = {(width, height): Panel(width, height, round(10 * unit_px))}
        part = self._panels[width, height].lay(image, margin, image.shape[0] - margin - height)
        shares, values = self._history.recent(sample.t_capture_ns, _MAX_POINTS)
        values = np.degrees(values) if self._in_degrees else values
        low, high, step = axis_of(values, least_span=20.0 if self._in_degrees else 0.2)
        area = (
            _LEFT_PX * unit_px,
            _TOP_PX * unit_px,
            width - _RIGHT_PX * unit_px,
            height - _BOTTOM_PX * unit_px,
        )
        self._draw_axes(part, area, (low, high, step), unit_px)
        to_y = (area[3] - area[1]) / (high - low)
        for colour, curve in reversed(list(zip(self._colours, values.T, strict=True))):
            x_px = area[0] + shares * (area[2] - area[0])
            draw_curve(part, x_px, area[3] - (curve - low) * to_y, colour, 1.5 * unit_px)
        self._draw_legend(part, unit_px)

    def _draw_axes(
        self,
        part: Image,
        area: tuple[float, float, float, float],
        axis: tuple[float, float, float],
        unit_px: float,
    ) -> None:
        left, top, right, bottom = area
        low, high, step = axis
        size_px = 10.0 * unit_px
        for value in np.arange(low, high + 0.5 * step, step):
            y = bottom - (value - low) / (high - low) * (bottom - top)
            cv2.line(part, (round(left), round(y)), (round(right), round(y)), FAINT, 1)
            text = f"{value:.0f}\N{DEGREE SIGN}" if self._in_degrees else f"{value:.1f}"
            x = left - 5 * unit_px - self._typeface.width_px(text, size_px)
            self._typeface.draw(part, text, (x, y + 0.35 * size_px), MUTED, size_px)
        for text, x in (
            (f"{SPAN_S:.0f} s ago", left),
            ("now", right - self._typeface.width_px("now", size_px)),
        ):
            self._typeface.draw(part, text, (x, part.shape[0] - 5 * unit_px), MUTED, size_px)

    def _draw_legend(self, part: Image, unit_px: float) -> None:
        """Draw as many names as fit, in the colours of their curves."""
        x, size_px = MARGIN_PX * unit_px, 11.0 * unit_px
        for label, colour in zip(self._labels, self._colours, strict=True):
            width = self._typeface.width_px(label, size_px, 500)
            if x + width > part.shape[1] - MARGIN_PX * unit_px:
                self._typeface.draw(part, "...", (x, 17 * unit_px), MUTED, size_px)
                return
            self._typeface.draw(part, label, (x, 17 * unit_px), colour, size_px, 500)
            x += width + 10 * unit_px


def axis_of(values: NDArray[np.float64], least_span: float) -> tuple[float, float, float]:
    """Ends and step of an axis with round numbers that contains all defined values.

    Args:
        values: Values of any shape; NaN is ignored.
        least_span: Smallest length of the axis, so that noise on a constant value stays small.
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    spare = max(0.0, least_span - (high - low)) / 2.0
    low, high = low - spare, high + spare
    unit = least_span / 20.0
    step = next((s * unit for s in _STEPS if (high - low) / (s * unit) <= 4.0), (high - low) / 4.0)
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step), float(step)


def _label(row: Row, k: int) -> str:
    """The row's label, with the side if the row has both sides."""
    return row.label + (" right", " left")[k] if len(row.coordinates) > 1 else row.label


def _distinct(colours: Sequence[Colour]) -> list[Colour]:
    """The colours, with repeated ones replaced."""
    spare = [*_FURTHER, WHITE, RIGHT, LEFT]
    out: list[Colour] = []
    for colour in colours:
        while colour in out and spare:
            colour = spare.pop(0)
        out.append(colour)
    return out
