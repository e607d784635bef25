"""The images of one moment side by side in one frame, so that one pipeline and one recording hold all views.

A view that is missing at a moment is black. Images of several heights keep their upper edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tiles:
    """Where in a frame the image of each view is."""

    sizes_px: tuple[tuple[int, int], ...]
    """Width and height of each view's images."""

    @property
    def width_px(self) -> int:
        """Width of the frame."""
        return sum(width for width, _ in self.sizes_px)

    @property
    def height_px(self) -> int:
        """Height of the frame."""
        return max(height for _, height in self.sizes_px)

    @property
    def lefts_px(self) -> list[int]:
        """Left edge of each view's image in the frame."""
        widths = [width for width, _ in self.sizes_px]
        return [sum(widths[:view]) for view in range(len(widths))]

    def join(self, images: Sequence[Image | None]) -> Image:
        """One frame of all views' images; None for views that are missing. Shape: (height, width, 3)."""
        frame = np.zeros((self.height_px, self.width_px, 3), dtype=np.uint8)
        for image, part in zip(images, self._parts(frame), strict=True):
            if image is not None:
                part[:] = image
        frame.flags.writeable = False
        return frame

    def split(self, frame: Image) -> list[Image | None]:
        """The views' images in a frame; None for those that are missing, which are black."""
        return [np.ascontiguousarray(part) if part.any() else None for part in self._parts(frame)]

    def _parts(self, frame: Image) -> list[Image]:
        places = zip(self.lefts_px, self.sizes_px, strict=True)
        return [frame[:height, left : left + width] for left, (width, height) in places]
