"""Brings images of non-square pixels, as HDV, DV and many recorders store them, to square pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from cv2.typing import MatLike

SQUARE_WITHIN = 0.005
"""Aspect ratios this close to 1 come from odd sizes that were rounded: resampling would only blur."""
WIDEST_ASPECT = 4.0
"""Wider or narrower pixels exist only in damaged headers."""


@dataclass(frozen=True, slots=True)
class PixelShape:
    """How much the pixels of a source are stretched when they are shown."""

    x: float = 1.0
    """Factor across the image."""
    y: float = 1.0
    """Factor down the image; for pixels that are shown turned by 90 degrees."""

    @classmethod
    def of(cls, capture: cv2.VideoCapture) -> PixelShape:
        """The shape that the container states; square where it states none."""
        numerator, denominator = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
        aspect = numerator / denominator if numerator > 0.0 and denominator > 0.0 else 1.0
        if abs(aspect - 1.0) <= SQUARE_WITHIN or not 1.0 / WIDEST_ASPECT <= aspect <= WIDEST_ASPECT:
            return cls()
        # OpenCV turns the images of phones, but states the aspect of the pixels as they are stored.
        is_turned = round(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90
        return cls(1.0, aspect) if is_turned else cls(aspect, 1.0)

    @property
    def is_square(self) -> bool:
        """Whether images are left as they are."""
        return self.x == 1.0 and self.y == 1.0

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height of an image of square pixels; what changes is even, as overlay videos need it."""
        return _even(width_px, self.x), _even(height_px, self.y)

    def square(self, image: MatLike) -> MatLike:
        """The image with square pixels; the same object if it has them already."""
        if self.is_square:
            return image
        size_px = self.size_px(image.shape[1], image.shape[0])
        shrinks = size_px[0] < image.shape[1] or size_px[1] < image.shape[0]
        return cv2.resize(image, size_px, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _even(size_px: int, factor: float) -> int:
    return size_px if factor == 1.0 else max(2, 2 * round(0.5 * size_px * factor))
