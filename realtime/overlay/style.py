"""Colours, text and panels of the overlay. Colours are BGR; lengths in px."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.person_colours import rgb_of_person

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

INK: Colour = (38, 27, 17)
WHITE: Colour = (252, 249, 246)
MUTED: Colour = (206, 194, 182)
FAINT: Colour = (136, 122, 110)
RIGHT: Colour = (92, 128, 255)
LEFT: Colour = (242, 198, 72)
MIDLINE: Colour = (236, 230, 224)
GOOD: Colour = (150, 214, 74)
CAUTION: Colour = (52, 190, 250)
ALARM: Colour = (104, 104, 246)

PANEL_OPACITY = 0.8
SHIFT = 4
"""Fractional bits of coordinates passed to OpenCV: lines are drawn to 1/16 px."""

SPACE_SHARE, LEAST_SPACE_PX = 0.275, 3
"""Width of a space as a share of the text size, and at least."""

_FAR_PX = 8000.0
_HERSHEY_CAP_PX = 21.0
_WITHOUT_UNICODE = str.maketrans({"\N{DEGREE SIGN}": "", "\N{EN DASH}": "-"})


def side_colour(side: str) -> Colour:
    """The colour of a side: warm for the right, cool for the left, pale for the midline."""
    return {"r": RIGHT, "l": LEFT}.get(side, MIDLINE)


def person_colour(number: int) -> Colour:
    """The colour of a person among several, by their number from 1."""
    red, green, blue = rgb_of_person(number)
    return blue, green, red


def blend(colour: Colour, towards: Colour, share: float) -> Colour:
    """A colour `share` of the way to another."""
    b, g, r = (round(c + (t - c) * share) for c, t in zip(colour, towards, strict=True))
    return b, g, r


def fixed(xy_px: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels in OpenCV's fixed-point units, clipped so that distant points do not overflow."""
    return np.rint(np.clip(xy_px, -_FAR_PX, _FAR_PX) * (1 << SHIFT)).astype(np.int32)


def polyline(image: Image, xy_px: NDArray[np.float64], colour: Colour, thickness_px: float) -> None:
    """Draw an open line through finite points. Shape: (n, 2)."""
    thickness = max(1, round(thickness_px))
    cv2.polylines(image, [fixed(xy_px)], False, colour, thickness, cv2.LINE_AA, SHIFT)


class Typeface:
    """Text in OpenCV's TrueType face, or before OpenCV 5 in its stroke font, which lacks non-ASCII signs.

    OpenCV rounds the width of each sign down to whole pixels, which leaves 1 or 2 px for a space in small
    text: words run together. Words are therefore set one by one.
    """

    def __init__(self) -> None:
        self._face: Any = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None

    def draw(
        self,
        image: Image,
        text: str,
        xy_px: tuple[float, float],
        colour: Colour,
        size_px: float,
        weight: int = 400,
    ) -> None:
        """Write `text` from the left end of its baseline.

        Args:
            image: Image to draw on. Shape: (height, width, 3).
            text: One line of text.
            xy_px: Left end of the baseline.
            colour: Text colour.
            size_px: Line height.
            weight: Font weight from 200 (thin) to 800 (heavy).
        """
        x, y = round(xy_px[0]), round(xy_px[1])
        if self._face is not None:
            for word in text.split(" "):
                cv2.putText(image, word, (x, y), colour, self._face, round(size_px), weight)
                x += self._word_px(word, size_px, weight) + _space_px(size_px)
            return
        scale, thickness = _stroke(size_px, weight)
        text = text.translate(_WITHOUT_UNICODE)
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)

    def width_px(self, text: str, size_px: float, weight: int = 400) -> int:
        """Width of `text`."""
        if self._face is not None:
            words = text.split(" ")
            spaces = _space_px(size_px) * (len(words) - 1)
            return spaces + sum(self._word_px(word, size_px, weight) for word in words)
        scale, thickness = _stroke(size_px, weight)
        text = text.translate(_WITHOUT_UNICODE)
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        return int(width)

    def _word_px(self, word: str, size_px: float, weight: int) -> int:
        return int(cv2.getTextSize((4096, 4096), word, (0, 0), self._face, round(size_px), weight)[2])


class Panel:
    """A translucent rounded panel with constant text, blended onto an image in two passes of OpenCV."""

    def __init__(self, width_px: int, height_px: int, radius_px: int, opacity: float = PANEL_OPACITY) -> None:
        coverage = np.zeros((4 * height_px, 4 * width_px), np.uint8)
        _fill_rounded(coverage, 4 * radius_px)
        smooth = cv2.resize(coverage, (width_px, height_px), interpolation=cv2.INTER_AREA)
        self._alpha = smooth.astype(np.float32) * (opacity / 255.0)
        self._colour = self._alpha[..., None] * np.array(INK, np.float32)
        self._layers: tuple[Image, Image] | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self._alpha.shape
        return width, height

    def ink(self, coverage: Image, colour: Colour) -> None:
        """Add a constant drawing. `coverage` is 255 where it is opaque. Shape: (height, width)."""
        share = coverage.astype(np.float32) / 255.0
        self._alpha += (1.0 - self._alpha) * share
        self._colour += (np.array(colour, np.float32) - self._colour) * share[..., None]
        self._layers = None

    def lay(self, image: Image, x_px: int, y_px: int) -> Image:
        """Blend the panel onto `image`, into which it must fit; returns that part of the image."""
        if self._layers is None:
            through = np.repeat(np.rint(255.0 * (1.0 - self._alpha))[..., None], 3, axis=2)
            self._layers = through.astype(np.uint8), np.rint(self._colour).astype(np.uint8)
        width, height = self.size_px
        part = image[y_px : y_px + height, x_px : x_px + width]
        cv2.multiply(part, self._layers[0], dst=part, scale=1.0 / 255.0)
        cv2.add(part, self._layers[1], dst=part)
        return part


def _fill_rounded(coverage: Image, radius: int) -> None:
    height, width = coverage.shape
    radius = min(radius, height // 2, width // 2)
    cv2.rectangle(coverage, (radius, 0), (width - radius - 1, height - 1), 255, -1)
    cv2.rectangle(coverage, (0, radius), (width - 1, height - radius - 1), 255, -1)
    for x in (radius, width - radius - 1):
        for y in (radius, height - radius - 1):
            cv2.circle(coverage, (x, y), radius, 255, -1)


def _space_px(size_px: float) -> int:
    return max(LEAST_SPACE_PX, round(SPACE_SHARE * size_px))


def _stroke(size_px: float, weight: int) -> tuple[float, int]:
    """Scale and thickness of the stroke font for a line of `size_px`."""
    return 0.72 * size_px / _HERSHEY_CAP_PX, max(1, round(size_px * weight / 8000.0))
