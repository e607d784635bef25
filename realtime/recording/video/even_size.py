"""Even sizes, which codecs for viewers need."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def even_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Width and height without an odd last column and row."""
    return size_px[0] // 2 * 2, size_px[1] // 2 * 2


def fitted(image: NDArray[np.uint8], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """An image in an even size: an odd last column or row is cut off, other sizes are scaled.

    Args:
        image: BGR image. Shape: (height, width, 3).
        size_px: Even width and height.
    """
    height_px, width_px = image.shape[:2]
    if even_size((width_px, height_px)) != size_px:
        return np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.ascontiguousarray(image[: size_px[1], : size_px[0]])
