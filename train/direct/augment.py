"""Crops and augmentation of training images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.features.crop_rays import MARGIN, square_about
from engines.preprocess import Roi, crop_matrix

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)
"""Border modes. Black marks the end of the frame; live crops show more of the room than stored images."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Amount of augmentation: probabilities and standard deviations."""

    shift: float = 0.07
    """Standard deviation of the crop's centre, in sides of the crop."""
    zoom: tuple[float, float] = (0.7, 1.3)
    """Range of the crop's side, in sides of the tracker's crop."""
    roll_rad: float = float(np.radians(7.0))
    wide_roll: float = 0.1
    """Probability of a roll of up to `widest_roll_rad`."""
    widest_roll_rad: float = float(np.radians(35.0))
    colour: float = 1.0
    """Strength of changes of brightness, contrast, gamma, saturation and tint."""
    grey: float = 0.05
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.15
    erase: float = 0.35
    empty: float = 0.04
    """Probability of a crop without a person."""
    flip: float = 0.5
    """Probability of mirroring."""


def choose_region(points_px: Array, width_px: int, height_px: int, rng: np.random.Generator | None,
                  how: Augmentation) -> Roi | None:  # fmt: skip
    """Square of the camera's frame to crop; the tracker's own square without `rng`.

    Args:
        points_px: Points of the person in the frame. Shape: (n, 2).
        width_px: Width of the frame.
        height_px: Height of the frame.
        rng: Random generator; None for no augmentation.
        how: Amount of augmentation.

    Returns:
        The region, or None if nobody is in the frame.
    """
    roi = square_about(points_px, width_px, height_px, MARGIN)
    if rng is None or roi is None:
        return roi
    side = roi.size_px * float(rng.uniform(*how.zoom))
    shift = rng.normal(0.0, how.shift, 2) * side
    roll = rng.normal(0.0, how.roll_rad)
    if rng.random() < how.wide_roll:
        roll = rng.uniform(-how.widest_roll_rad, how.widest_roll_rad)
    return Roi(roi.centre_x_px + shift[0], roi.centre_y_px + shift[1], side, float(roll))


def cut(
    image: Image, stored_from_frame: Array, roi: Roi, side_px: int, border: int = cv2.BORDER_CONSTANT
) -> Image:
    """Resample a region of the frame from the stored part of it.

    Args:
        image: Shape: (rows, columns, 3).
        stored_from_frame: Similarity. Shape: (2, 3).
        roi: Region of the frame.
        side_px: Side of the result.
        border: OpenCV border mode outside the stored image; black by default.
    """
    frame_from_crop = np.vstack([crop_matrix(roi, side_px), [0.0, 0.0, 1.0]])
    matrix = stored_from_frame @ frame_from_crop
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink > 1.5:  # more than one stored pixel a pixel: average them, as live crops do
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.35 * shrink), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    result = cv2.warpAffine(image, matrix, (side_px, side_px), flags=flags, borderMode=border)
    return np.asarray(result, np.uint8)


def vary(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """Vary colours, blur, noise, compression and occlusion. Shape: (side, side, 3)."""
    image = _recolour(image, rng, how)
    if rng.random() < how.blur:
        image = _blur(image, rng)
    if rng.random() < how.noise:
        noise = rng.normal(0.0, rng.uniform(2.0, 14.0), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < how.jpeg:
        quality = int(rng.integers(15, 70))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    if rng.random() < how.erase:
        image = _erase(image, rng)
    return image


def _recolour(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """Apply a random colour matrix, then a random tone curve."""
    k = how.colour
    saturation = 0.0 if rng.random() < how.grey else float(np.exp(rng.normal(0.0, 0.3 * k)))
    matrix = np.eye(3, dtype=np.float32) * saturation + (1.0 - saturation) * GREY[None]
    matrix *= np.exp(rng.normal(0.0, 0.06 * k, (3, 1))).astype(np.float32)
    gain, lift = float(np.exp(rng.normal(0.0, 0.18 * k))), float(rng.normal(0.0, 0.06 * k))
    x = np.linspace(0.0, 1.0, 256)
    curve = np.clip(x ** np.exp(rng.normal(0.0, 0.25 * k)) * gain + lift, 0.0, 1.0)
    table = (255.0 * curve + 0.5).astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.transform(image, matrix), table), np.uint8)


def _blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur by defocus, or by shrinking and enlarging."""
    side = image.shape[0]
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8)), np.uint8)
    small = int(side * rng.uniform(0.3, 0.8))
    shrunk = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _erase(image: Image, rng: np.random.Generator) -> Image:
    """One to three rectangles or discs of one colour, of noise, or of another part of the image."""
    out, side = image.copy(), image.shape[0]
    for _ in range(int(rng.integers(1, 4))):
        width, height = (rng.uniform(0.06, 0.3, 2) * side).astype(int)
        left, top = int(rng.integers(0, side - width)), int(rng.integers(0, side - height))
        patch = out[top : top + height, left : left + width]
        kind = rng.integers(3)
        if kind == 0:
            patch[:] = rng.integers(0, 256, 3)
        elif kind == 1:
            patch[:] = rng.integers(0, 256, patch.shape)
        else:
            x, y = int(rng.integers(0, side - width)), int(rng.integers(0, side - height))
            patch[:] = image[y : y + height, x : x + width]
    return out


def empty_region(occupied: NDArray[np.bool_], rng: np.random.Generator, smallest_px: int) -> Roi | None:
    """Square of the stored image without a person; None if a few tries find none."""
    side = occupied.shape[0]
    sums = cv2.integral(occupied.astype(np.uint8))
    for _ in range(12):
        size = int(rng.integers(smallest_px, max(side // 2, smallest_px + 1)))
        x, y = (int(rng.integers(0, side - size + 1)) for _ in range(2))
        if sums[y + size, x + size] - sums[y, x + size] - sums[y + size, x] + sums[y, x] == 0:
            return Roi(x + size / 2.0, y + size / 2.0, float(size))
    return None
