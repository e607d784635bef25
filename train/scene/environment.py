"""Light around a scene: high dynamic range panoramas, their sun and their spherical harmonics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError
from train.scene.lighting import Light

_BRIGHTEST = 60.0
# Convolution with the clamped cosine, over pi (Ramamoorthi and Hanrahan, eq. 8), times the basis constants.
_BASIS = np.array([0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274])
_COSINE = np.array([1.0, 2.0 / 3, 2.0 / 3, 2.0 / 3, 0.25, 0.25, 0.25, 0.25, 0.25])


@dataclass(frozen=True, slots=True, eq=False)
class Panorama:
    """A sphere of radiance; row 0 is up, columns turn from +X towards +Z."""

    radiance: NDArray[np.float32]
    """Linear, mean about 0.5. Shape: (height, width, 3)."""
    light: Light


def directions(height: int, width: int) -> NDArray[np.float64]:
    """Unit vector of each texel of a panorama. Shape: (height, width, 3)."""
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = (np.arange(width) + 0.5) / width * 2.0 * np.pi
    flat = np.sin(polar)[:, None]
    up = np.broadcast_to(np.cos(polar)[:, None], (height, width))
    return np.stack([flat * np.cos(azimuth), up, flat * np.sin(azimuth)], -1)


def harmonics_of(radiance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Irradiance over pi as nine coefficients a channel (`train.scene.shading.irradiance`). Shape: (9, 3)."""
    height, width = radiance.shape[:2]
    d = directions(height, width)
    x, y, z = d[..., 0], d[..., 1], d[..., 2]
    polar = (np.arange(height) + 0.5) / height * np.pi
    solid_angle = (np.sin(polar) * (np.pi / height) * (2.0 * np.pi / width))[:, None, None]
    shapes = [np.ones_like(x), y, z, x, x * y, y * z, 3.0 * y * y - 1.0, x * z, x * x - z * z]
    weighted = radiance * solid_angle
    projected = np.stack([(weighted * shape[..., None]).sum((0, 1)) for shape in shapes])
    return (projected * (_COSINE * _BASIS**2)[:, None]).astype(np.float32)


def turned(light: Light, yaw: float) -> Light:
    """The light after turning the world by `yaw` rad about the vertical, from +X towards +Z."""
    c, s, c2, s2 = np.cos(yaw), np.sin(yaw), np.cos(2 * yaw), np.sin(2 * yaw)
    x, y, z = light.sun_direction
    h, out = light.harmonics, light.harmonics.copy()
    out[3], out[2] = c * h[3] - s * h[2], s * h[3] + c * h[2]
    out[4], out[5] = c * h[4] - s * h[5], s * h[4] + c * h[5]
    # x^2 - z^2 and 2xz turn with twice the angle.
    out[8], out[7] = c2 * h[8] - s2 * 0.5 * h[7], 2.0 * s2 * h[8] + c2 * h[7]
    return Light(np.array([c * x - s * z, y, s * x + c * z], np.float32), light.sun, out.astype(np.float32))


def split_sun(radiance: NDArray[np.float32]) -> Light:
    """Take the brightest spot of the upper half out as a sun; the rest becomes harmonics."""
    height, width = radiance.shape[:2]
    around = np.pad(radiance.mean(2), ((0, 0), (8, 8)), mode="wrap")
    luminance = cv2.GaussianBlur(around, (0, 0), 2.0)[: int(height * 0.48), 8:-8]
    row, column = np.unravel_index(int(np.argmax(luminance)), luminance.shape)
    d = directions(height, width)
    near = d @ d[row, column] > np.cos(np.radians(12.0))
    level = np.median(radiance[: height // 2].mean(2)) * 2.0 + 0.1
    excess = np.where(near[..., None], np.maximum(radiance - level, 0.0), 0.0)
    polar = (np.arange(height) + 0.5) / height * np.pi
    solid_angle = (np.sin(polar) * (np.pi / height) * (2.0 * np.pi / width))[:, None, None]
    sun = (excess * solid_angle).sum((0, 1)) / np.pi
    towards = d[row, column].copy()
    towards[1] = max(towards[1], 0.18)  # lower suns would cast endless shadows
    return Light(
        (towards / np.linalg.norm(towards)).astype(np.float32),
        sun.astype(np.float32),
        harmonics_of(radiance - excess),
    )


def _exposed(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scaled so that a grey ball in it looks grey."""
    clipped = np.minimum(radiance, _BRIGHTEST * np.median(radiance) + 1.0)
    light = split_sun(clipped)
    level = float(light.harmonics[0].mean() + 0.35 * light.sun.mean())
    return (clipped * (0.62 / max(level, 1e-4))).astype(np.float32)


@lru_cache(maxsize=64)
def load_panorama(path: Path) -> Panorama:
    """Read an equirectangular .hdr file.

    Raises:
        TrainError: the file cannot be read as one.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[1] != 2 * pixels.shape[0]:
        raise TrainError(f"{path}: not an equirectangular panorama (accepted: .hdr, twice as wide as high)")
    radiance = np.nan_to_num(pixels[..., 2::-1].astype(np.float32), posinf=_BRIGHTEST)
    if radiance.shape[0] > 512:
        radiance = np.asarray(cv2.resize(radiance, (1024, 512), interpolation=cv2.INTER_AREA), np.float32)
    radiance = _exposed(radiance)
    small = np.asarray(cv2.resize(radiance, (128, 64), interpolation=cv2.INTER_AREA), np.float32)
    return Panorama(np.minimum(radiance, 8.0), split_sun(small))


def panorama_files(folder: Path | None) -> tuple[Path, ...]:
    """The .hdr files of a folder, sorted.

    Raises:
        TrainError: the folder holds none.
    """
    if folder is None:
        return ()
    found = tuple(sorted(Path(folder).glob("*.hdr")))
    if not found:
        raise TrainError(
            f"{folder}: no .hdr panoramas; leave the folder out to use procedural backgrounds only"
        )
    return found
