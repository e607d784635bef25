"""Images scaled to the size at which they are shown, before anything is drawn on them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.sample import Drawing, LiveStats, PoseSample

Image = NDArray[np.uint8]


def fitted_size_px(size_px: tuple[int, int], room_px: tuple[int, int]) -> tuple[int, int]:
    """Largest width and height of the same shape that fit into a room.

    Args:
        size_px: Width and height of an image.
        room_px: Width and height of the room.
    """
    scale = min(room_px[0] / size_px[0], room_px[1] / size_px[1])
    return max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale))


def fitted(image: Image, room_px: tuple[int, int]) -> Image:
    """The image scaled to fit into a room; the same object if it does already. Shape: (height, width, 3)."""
    height, width = image.shape[:2]
    size_px = fitted_size_px((width, height), room_px)
    if size_px == (width, height):
        return image
    # Averages areas when shrinking, which keeps thin lines and edges.
    how = cv2.INTER_AREA if size_px[0] < width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_px, interpolation=how), dtype=np.uint8)


class FittedDrawing:
    """Draws at the size of the window, so that text and lines have their own size and not the image's.

    Args:
        over: Drawing to use.
        room_px: Function that returns the window's present width and height.
    """

    def __init__(self, over: Drawing, room_px: Callable[[], tuple[int, int]]) -> None:
        self._over, self._room_px = over, room_px

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """The image at the window's size with everything drawn on it."""
        return self._over.draw(fitted(image, self._room_px()), sample, stats)
