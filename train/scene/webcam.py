"""What a webcam makes of light: exposure, white balance, lens, noise, sharpening and compression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Webcam:
    """One camera's flaws."""

    exposure: float
    """Factor on linear light after metering."""
    white_balance: tuple[float, float, float]
    contrast: float
    """Steepness of the tone curve in the middle, about 1."""
    saturation: float
    vignette: float
    """Loss of light in the corners, 0 to 0.5."""
    defocus_px: float
    """Standard deviation of the lens's blur in frame pixels."""
    motion_px: float
    """Length of motion blur in crop pixels."""
    motion_angle: float
    shot_noise: float
    read_noise: float
    chroma_noise: float
    sharpening: float
    jpeg_quality: int
    video: bool
    """Whether frames come out of a compressed video: denoised, quantised and deblocked."""


VIDEO_ODDS = 0.4
_VIDEO_QUALITY = (14, 45)
"""Of 8 x 8 blocks, as JPEG counts it: what phones and messengers leave of small images."""


def sample_webcam(rng: np.random.Generator) -> Webcam:
    """A camera between a good phone and a cheap laptop in the evening."""
    poor = float(rng.beta(1.3, 2.2))
    warmth, tint = rng.normal(0.0, 0.07), rng.normal(0.0, 0.03)
    video = bool(rng.random() < VIDEO_ODDS)
    return Webcam(
        exposure=float(np.exp(rng.normal(0.0, 0.28))),
        white_balance=(float(np.exp(warmth)), float(np.exp(tint)), float(np.exp(-warmth))),
        contrast=float(rng.uniform(0.85, 1.25)),
        saturation=float(rng.uniform(0.7, 1.15)),
        vignette=float(rng.uniform(0.0, 0.35) if rng.random() < 0.6 else 0.0),
        defocus_px=float(rng.uniform(0.0, 0.5 + 0.9 * poor)),
        motion_px=float(rng.uniform(2.0, 9.0)) if rng.random() < 0.12 else 0.0,
        motion_angle=float(rng.uniform(0.0, np.pi)),
        shot_noise=0.035 * poor,
        read_noise=0.012 * poor,
        chroma_noise=0.02 * poor,
        sharpening=float(rng.uniform(0.0, 0.9)) if rng.random() < 0.6 else 0.0,
        jpeg_quality=int(rng.integers(*_VIDEO_QUALITY) if video else rng.integers(38, 96)),
        video=video,
    )


def meter(linear: NDArray[np.float32]) -> float:
    """Exposure factor that brings an image's middle tones to a usual level."""
    luminance = cv2.transform(np.ascontiguousarray(linear[::4, ::4]), np.full((1, 3), 1.0 / 3.0))
    lit = luminance[luminance > 0.0]  # outside the frame there is nothing to meter
    if len(lit) == 0:
        return 1.0
    level = float(np.exp(np.log(lit + 0.02).mean()))
    bright = float(np.percentile(lit, 96))
    return float(min(0.20 / level, 1.0 / max(bright, 1e-3)) ** 0.75)


def develop(linear: NDArray[np.float32], webcam: Webcam) -> NDArray[np.float32]:
    """Linear light to display values in 0..1: gains, shoulder, gamma, contrast, saturation."""
    gain = (meter(linear) * webcam.exposure * np.array(webcam.white_balance)).astype(np.float32)
    out = np.empty_like(linear)
    _tone(linear, gain, webcam.contrast, webcam.saturation, out)
    return out


@njit(cache=True, nogil=True)
def _tone(
    linear: NDArray[np.float32],
    gain: NDArray[np.float32],
    contrast: float,
    saturation: float,
    out: NDArray[np.float32],
) -> None:
    for y in range(linear.shape[0]):
        for x in range(linear.shape[1]):
            for k in range(3):
                v = max(linear[y, x, k] * gain[k], 0.0)
                if v > 0.6:  # shoulder: straight up to here, then towards 1
                    v = 0.6 + 0.4 * (1.0 - math.exp((0.6 - v) / 0.4))
                out[y, x, k] = math.sqrt(v) * (1.13 - 0.13 * v)  # close to the sRGB curve, and cheap
            grey = (out[y, x, 0] + out[y, x, 1] + out[y, x, 2]) / 3.0
            for k in range(3):
                v = grey + saturation * (out[y, x, k] - grey)
                out[y, x, k] = min(max((v - 0.45) * contrast + 0.45, 0.0), 1.0)


def expose(
    linear: NDArray[np.float32], webcam: Webcam, scale: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Photograph a linear image.

    Args:
        linear: Radiance. Shape: (size, size, 3), float32.
        webcam: The camera.
        scale: Crop pixels per frame pixel; above one the frame was coarser than the crop, and noise,
            sharpening and compression happen at the frame's resolution.
        rng: Source of the noise.

    Returns:
        Shape (size, size, 3), uint8, red green blue.
    """
    size = linear.shape[0]
    native = int(np.clip(round(size / max(scale, 1.0)), 48, size))
    if webcam.motion_px >= 1.0:
        linear = _float32(cv2.filter2D(linear, -1, _motion_kernel(webcam.motion_px, webcam.motion_angle)))
    if webcam.vignette > 0.0:
        linear = linear * _vignette(size, webcam.vignette)[..., None]
    picture = develop(linear, webcam)
    if native < size:
        picture = _float32(cv2.resize(picture, (native, native), interpolation=cv2.INTER_AREA))
    blur_px = webcam.defocus_px * min(scale, 1.0)
    if blur_px > 0.25:
        picture = _float32(cv2.GaussianBlur(picture, (0, 0), blur_px))
    picture = _with_noise(picture, webcam, min(scale, 1.0), rng)
    if webcam.sharpening > 0.0:
        picture = picture + webcam.sharpening * (picture - _float32(cv2.blur(picture, (3, 3))))
    coded = (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    through = _through_video if webcam.video else _through_jpeg
    decoded = through(coded, webcam.jpeg_quality)
    if native < size:
        decoded = np.asarray(cv2.resize(decoded, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.ascontiguousarray(decoded, np.uint8)


def _float32(picture: object) -> NDArray[np.float32]:
    return np.asarray(picture, np.float32)


def _through_jpeg(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Coded and decoded again. Shape: (height, width, 3)."""
    _, buffer = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def _through_video(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Denoised before, coded, and smoothed across the blocks' edges after. Shape: (height, width, 3)."""
    smooth = np.asarray(cv2.bilateralFilter(rgb, 5, 24.0, 1.5), np.uint8)
    decoded = _through_jpeg(smooth, quality)
    return np.asarray(cv2.bilateralFilter(np.ascontiguousarray(decoded), 3, 14.0, 1.0), np.uint8)


def _with_noise(
    picture: NDArray[np.float32], webcam: Webcam, averaging: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Luminance and chroma noise; shrinking the frame to the crop averages it away."""
    if webcam.read_noise <= 0.0:
        return picture
    height, width = picture.shape[:2]
    sigma = averaging * (
        webcam.read_noise + webcam.shot_noise * np.sqrt(cv2.transform(picture, np.full((1, 3), 1.0 / 6.0)))
    )
    luminance = rng.standard_normal((height, width), np.float32) * sigma
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32) * np.float32(
        webcam.chroma_noise * averaging
    )
    chroma = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(picture + luminance[..., None] + chroma, np.float32)


def _motion_kernel(length_px: float, angle: float) -> NDArray[np.float32]:
    size = int(np.ceil(length_px)) | 1
    kernel = np.zeros((size, size), np.float32)
    middle = size // 2
    for t in np.linspace(-0.5, 0.5, 4 * size):
        kernel[
            round(middle + t * (length_px - 1) * np.sin(angle)),
            round(middle + t * (length_px - 1) * np.cos(angle)),
        ] += 1.0
    return kernel / kernel.sum()


def _vignette(size: int, strength: float) -> NDArray[np.float32]:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32) ** 2
    return np.asarray(1.0 - strength * 0.5 * (axis[:, None] + axis[None, :]), np.float32)
