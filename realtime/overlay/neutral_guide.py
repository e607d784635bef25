"""The image that asks for the neutral pose: how to stand, what to change, and how much longer."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.overlay.overlay import DESIGN_SIZE_PX, LEAST_TEXT_UNIT_PX, MARGIN_PX
from realtime.overlay.style import CAUTION, GOOD, MUTED, WHITE, Image, Panel, Typeface, fixed, polyline
from realtime.sample import Drawing, LiveStats, PersonState, PoseSample

SKIP_KEY, REPEAT_KEY = "s", "n"
WIDTH_PX, HEIGHT_PX, RADIUS_PX = 220, 132, 10
FIGURE_PX = 76
"""Width of the part with the figure."""
TEXT_PX = 13.0
FIGURE = (
    ((0.0, 0.24), (0.0, 0.52)),
    ((-0.10, 0.26), (0.10, 0.26)),
    ((-0.10, 0.26), (-0.13, 0.42), (-0.14, 0.57)),
    ((0.10, 0.26), (0.13, 0.42), (0.14, 0.57)),
    ((0.0, 0.52), (-0.07, 0.53), (-0.07, 0.95), (-0.12, 0.97)),
    ((0.0, 0.52), (0.07, 0.53), (0.07, 0.95), (0.12, 0.97)),
)
"""Lines of somebody standing upright, arms hanging, feet apart: x from the middle, y from the top."""
HEAD_Y, HEAD_RADIUS = 0.14, 0.07


class NeutralGuide:
    """Draws the guide over another drawing while the person is not known.

    Args:
        over: Drawing of the sample.
    """

    def __init__(self, over: Drawing) -> None:
        self._over = over
        self._typeface = Typeface()
        self._panel: Panel | None = None
        self.is_skipped = False
        """Whether the user wants to see no guide."""

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new image with everything drawn on it."""
        shown = self._over.draw(image, sample, stats)
        is_asking = sample.person is PersonState.LEARNING or sample.advice
        if is_asking and not self.is_skipped:
            self._draw_guide(shown, sample)
        return shown

    def _draw_guide(self, shown: Image, sample: PoseSample) -> None:
        height_px, width_px = shown.shape[:2]
        scale = min(width_px / DESIGN_SIZE_PX[0], height_px / DESIGN_SIZE_PX[1])
        unit_px = max(LEAST_TEXT_UNIT_PX, scale)
        size_px = round(WIDTH_PX * unit_px), round(HEIGHT_PX * unit_px)
        x_px, y_px = (
            width_px - size_px[0] - round(MARGIN_PX * unit_px),
            height_px - size_px[1] - round(4 * MARGIN_PX * unit_px),
        )
        if x_px < 0 or y_px < 0:
            return
        if self._panel is None or self._panel.size_px != size_px:
            self._panel = Panel(*size_px, round(RADIUS_PX * unit_px))
        part = self._panel.lay(shown, x_px, y_px)
        is_learning = sample.person is PersonState.LEARNING
        _draw_figure(part, unit_px, good=is_learning)
        if is_learning:
            lines = ("Stay like this", f"{max(sample.learning_left_s, 0.0):.1f} s")
        else:
            lines = ("Stand like this", sample.advice)
        keys = f"{SKIP_KEY.upper()} skips, {REPEAT_KEY.upper()} asks again"
        self._write(part, lines, keys, unit_px)

    def _write(self, part: Image, lines: tuple[str, str], keys: str, unit_px: float) -> None:
        x_px = FIGURE_PX * unit_px
        rows = [(0.28, lines[0], MUTED, 1.0), (0.84, keys, MUTED, 0.85)]
        for k, words in enumerate(
            self._wrapped(lines[1], part.shape[1] - x_px - RADIUS_PX * unit_px, unit_px)
        ):
            rows.append((0.46 + 0.15 * k, words, WHITE, 1.15))
        for share, words, colour, factor in rows:
            xy_px = (x_px, share * part.shape[0])
            self._typeface.draw(part, words, xy_px, colour, factor * TEXT_PX * unit_px, 500)

    def _wrapped(self, text: str, room_px: float, unit_px: float) -> list[str]:
        """The text in lines that fit into the room."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._typeface.width_px(longer, 1.15 * TEXT_PX * unit_px, 500) > room_px and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def _draw_figure(part: Image, unit_px: float, *, good: bool) -> None:
    """Draw how to stand into the left end of the panel."""
    colour, height_px = GOOD if good else CAUTION, float(part.shape[0])
    middle_px = 0.5 * FIGURE_PX * unit_px
    for line in FIGURE:
        xy_px = np.array(line) * height_px + [middle_px, 0.0]
        polyline(part, xy_px, colour, 3.0 * unit_px)
    centre = fixed(np.array([middle_px, HEAD_Y * height_px]))
    radius = round(HEAD_RADIUS * height_px * 16)
    cv2.circle(part, (int(centre[0]), int(centre[1])), radius, colour, -1, cv2.LINE_AA, 4)
