"""Cut the network's input out of an image, and bring its answers back.

Live tracking and training both crop here, so that a network sees the same pixels in both.

Pixel coordinates are OpenCV's: (0, 0) is the centre of the first pixel. A crop of n pixels covers its
region so that crop coordinate n/2 lies on the region's centre, as MediaPipe's networks were trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Border(IntEnum):
    """What a crop shows outside the image."""

    BLACK = cv2.BORDER_CONSTANT
    REPLICATE = cv2.BORDER_REPLICATE


@dataclass(frozen=True, slots=True)
class Roi:
    """A square region of an image, perhaps turned."""

    centre_x_px: float
    centre_y_px: float
    size_px: float
    rotation_rad: float = 0.0
    """Clockwise on the screen: the region's right-hand axis points this far below the image's."""

    def enlarged(self, factor: float) -> Roi:
        """The same region with its side multiplied by `factor`."""
        return Roi(self.centre_x_px, self.centre_y_px, self.size_px * factor, self.rotation_rad)

    def shifted(self, x_px: float, y_px: float) -> Roi:
        """The same region of an image that begins further left and above."""
        return replace(self, centre_x_px=self.centre_x_px + x_px, centre_y_px=self.centre_y_px + y_px)

    def corners_px(self) -> Array:
        """Top left, top right, bottom right, bottom left, in the image. Shape: (4, 2)."""
        unit = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        return crop_to_image(unit, self, 1)


def letterbox_roi(width_px: int, height_px: int) -> Roi:
    """The smallest upright square that holds a whole image, centred on it."""
    return Roi(width_px / 2.0, height_px / 2.0, float(max(width_px, height_px)))


def crop_matrix(roi: Roi, output_px: int) -> Array:
    """The affine map from crop to image coordinates.

    Args:
        roi: The region.
        output_px: Side of the crop.

    Returns:
        Shape: (2, 3).
    """
    scale = roi.size_px / output_px
    c, s = scale * math.cos(roi.rotation_rad), scale * math.sin(roi.rotation_rad)
    half = output_px / 2.0
    return np.array(
        [
            [c, -s, roi.centre_x_px - half * (c - s)],
            [s, c, roi.centre_y_px - half * (s + c)],
        ]
    )


def crop(
    image: NDArray[np.uint8],
    roi: Roi,
    output_px: int,
    *,
    border: Border = Border.BLACK,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Resample a region of an image into an upright square, bilinearly.

    Args:
        image: BGR image. Shape: (height, width, 3).
        roi: Region; it may reach outside the image.
        output_px: Side of the crop.
        border: Content outside the image.
        out: Array to write to. Shape: (output_px, output_px, 3).

    Returns:
        The crop (`out` where given). Shape: (output_px, output_px, 3).
    """
    result = np.empty((output_px, output_px, 3), np.uint8) if out is None else out
    cv2.warpAffine(
        image,
        crop_matrix(roi, output_px),
        (output_px, output_px),
        dst=result,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=int(border),
    )
    return result


def averaged_crop(
    image: NDArray[np.uint8], roi: Roi, *, scratch: NDArray[np.uint8], out: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Like `crop`, but large regions are averaged, as direct networks are trained, and not sampled.

    Args:
        image: BGR image. Shape: (height, width, 3).
        roi: The region.
        scratch: Scratch array. Shape: (2 side, 2 side, 3).
        out: Array to write to. Shape: (side, side, 3).

    Returns:
        `out`.
    """
    side_px = len(out)
    if roi.size_px < 1.5 * side_px:
        return crop(image, roi, side_px, out=out)
    crop(image, roi, 2 * side_px, out=scratch)
    cv2.resize(scratch, (side_px, side_px), dst=out, interpolation=cv2.INTER_AREA)
    return out


def crop_to_image(points: Array, roi: Roi, output_px: int) -> Array:
    """Crop coordinates to image coordinates. Shapes: (..., 2)."""
    matrix = crop_matrix(roi, output_px)
    return points @ matrix[:, :2].T + matrix[:, 2]


def image_to_crop(points_px: Array, roi: Roi, output_px: int) -> Array:
    """Image coordinates to crop coordinates. Shapes: (..., 2)."""
    matrix = crop_matrix(roi, output_px)
    # The linear part is a rotation times a scale: its inverse is its transpose over the scale squared.
    scale_squared = (roi.size_px / output_px) ** 2
    return (points_px - matrix[:, 2]) @ matrix[:, :2] / scale_squared


def to_rgb_float(
    crop_bgr: NDArray[np.uint8],
    low: float,
    high: float,
    *,
    rgb: NDArray[np.uint8],
    out: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Scale bytes to the range a network expects and swap blue and red, without allocating.

    Args:
        crop_bgr: BGR crop. Shape: (n, n, 3).
        low: Value that 0 is mapped to.
        high: Value that 255 is mapped to.
        rgb: Scratch array of the crop's shape.
        out: Array to write to. Shape: (n, n, 3).

    Returns:
        `out`.
    """
    cv2.cvtColor(crop_bgr, cv2.COLOR_BGR2RGB, dst=rgb)
    np.multiply(rgb, np.float32((high - low) / 255.0), out=out)
    if low != 0.0:
        np.add(out, np.float32(low), out=out)
    return out
