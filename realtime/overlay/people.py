"""Skeletons of several people, each in a colour of their own with their number above the head."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.overlay.skeleton import SkeletonDrawing
from realtime.overlay.style import INK, SHIFT, Image, Typeface, fixed, person_colour
from realtime.sample import PoseSample

RADIUS_PX, ABOVE_PX, TEXT_PX = 10.0, 20.0, 13.0
"""Radius of the disc with the number, its height above the head, and the size of the number."""
LEAST_UNIT_PX = 0.9
"""Smallest scale of numbers, which could not be read if they were smaller."""


class PeopleDrawing:
    """Draws everybody in a sample, the first person over the others.

    Args:
        drawing: Drawing of one skeleton.
        typeface: Typeface of the numbers.
    """

    def __init__(self, drawing: SkeletonDrawing, typeface: Typeface) -> None:
        self._drawing, self._typeface = drawing, typeface

    def draw(
        self, image: Image, sample: PoseSample, unit_px: float, *, mirrored: bool, markers: bool
    ) -> None:
        """Draw onto an image.

        Args:
            image: Image to draw on; already mirrored if `mirrored`. Shape: (height, width, 3).
            sample: Sample of the first person, with those of the others.
            unit_px: Size of a design pixel.
            mirrored: Whether the image is mirrored.
            markers: Whether to draw the markers, too.
        """
        people = [*enumerate((one.on_image() for one in sample.people), 1)]
        for number, one in reversed(people):
            colour = person_colour(number)
            self._drawing.draw(image, one, unit_px, mirrored=mirrored, markers=markers, colour=colour)
        for number, one in reversed(people):
            self._draw_number(image, one, number, max(LEAST_UNIT_PX, unit_px), mirrored=mirrored)

    def _draw_number(
        self, image: Image, sample: PoseSample, number: int, unit_px: float, *, mirrored: bool
    ) -> None:
        top_px = self._drawing.top_px(image, sample, mirrored=mirrored)
        if top_px is None:
            return
        radius_px = RADIUS_PX * unit_px
        middle_px = np.array([top_px[0], max(top_px[1] - ABOVE_PX * unit_px, radius_px)])
        x, y = fixed(middle_px).tolist()
        for share, ink in ((1.15, INK), (1.0, person_colour(number))):
            cv2.circle(image, (x, y), round(share * radius_px * (1 << SHIFT)), ink, -1, cv2.LINE_AA, SHIFT)
        size_px = TEXT_PX * unit_px
        width_px = self._typeface.width_px(str(number), size_px, 700)
        left_px = float(middle_px[0]) - 0.5 * width_px, float(middle_px[1]) + 0.35 * size_px
        self._typeface.draw(image, str(number), left_px, INK, size_px, 700)
