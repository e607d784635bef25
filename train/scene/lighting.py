"""Light and what keeps it out: a sun with a shadow map, an environment, and occlusion on the screen.

The environment is given by spherical harmonics of order two (Ramamoorthi and Hanrahan, "An efficient
representation for irradiance environment maps", 2001).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.bodies.mesh import bounds
from train.scene.raster import visibility

SHADOW_MAP_PX = 256
_TAPS = 10


class Light(NamedTuple):
    """Illumination of a scene, linear."""

    sun_direction: NDArray[np.float32]
    """Unit vector towards the sun or lamp. Shape: (3,)."""
    sun: NDArray[np.float32]
    """Its irradiance over pi at normal incidence. Shape: (3,)."""
    harmonics: NDArray[np.float32]
    """Irradiance of the rest over pi. Shape: (9, 3)."""


class ShadowMap(NamedTuple):
    """Orthographic depth seen from the sun."""

    nearness_m: NDArray[np.float32]
    """Height towards the sun of the nearest surface, plus one; 0 where empty. Shape: (size, size)."""
    to_map: NDArray[np.float32]
    """Ground point to column, row, nearness. Shape: (3, 4)."""
    blur_px: float


@njit(cache=True, nogil=True, inline="always")
def irradiance(harmonics: NDArray[np.float32], x: float, y: float, z: float, k: int) -> float:
    """Environment's irradiance over pi on a surface with this unit normal, channel `k`."""
    h = harmonics
    value = h[0, k] + h[1, k] * y + h[2, k] * z + h[3, k] * x
    value += h[4, k] * x * y + h[5, k] * y * z + h[6, k] * (3.0 * y * y - 1.0)
    value += h[7, k] * x * z + h[8, k] * (x * x - z * z)
    return max(value, 0.15 * h[0, k])


@njit(cache=True, nogil=True, inline="always")
def lit_share(shadow: ShadowMap, x: float, y: float, z: float, blur_px: float, bias_m: float) -> float:
    """Share of the sun seen from a point: the shadow map's texels around it, weighed by nearness."""
    m = shadow.to_map
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3] - 0.5 * blur_px
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3] - 0.5 * blur_px
    height = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3] + bias_m
    size = shadow.nearness_m.shape[0]
    lit = 0.0
    for i in range(2):
        row = math.floor(v + i * blur_px)
        for j in range(2):
            column = math.floor(u + j * blur_px)
            if column < 0 or row < 0 or column >= size - 1 or row >= size - 1:
                lit += 0.25
                continue
            fu, fv = u + j * blur_px - column, v + i * blur_px - row
            for dv in range(2):
                for du in range(2):
                    if shadow.nearness_m[row + dv, column + du] <= height:
                        lit += 0.25 * (fu if du else 1.0 - fu) * (fv if dv else 1.0 - fv)
    return lit


def shadow_map(
    p_m: NDArray[np.float32],
    faces: NDArray[np.int32],
    clip: NDArray[np.float32],
    sun_direction: NDArray[np.float32],
    blur_px: float,
) -> ShadowMap:
    """Draw the scene as the sun sees it."""
    towards = sun_direction.astype(np.float64)
    right = np.cross(towards, [0.31, 0.12, 0.94])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(towards, right), towards])
    seen = p_m @ axes.T.astype(np.float32)
    low, high = bounds(seen)
    scale = (SHADOW_MAP_PX - 8) / max(float((high - low)[:2].max()), 1e-3)
    to_map = np.empty((3, 4), np.float32)
    to_map[:, :3] = axes * np.array([scale, scale, 1.0])[:, None]
    to_map[:, 3] = (4.0 - low[0] * scale, 4.0 - low[1] * scale, 1.0 - low[2])
    p_px = p_m @ to_map[:, :3].T + to_map[:, 3]
    nearness_m, _ = visibility(
        np.ascontiguousarray(p_px, np.float32), faces, SHADOW_MAP_PX, SHADOW_MAP_PX, clip
    )
    return ShadowMap(nearness_m, to_map, blur_px)


def occlusion_taps() -> NDArray[np.float32]:
    """Sixteen turns of a spiral of `_TAPS` points in the unit disc. Shape: (16, _TAPS, 2)."""
    k = np.arange(_TAPS)
    angle = 2.399963 * k + 2.0 * np.pi / 16.0 * np.arange(16)[:, None]
    return (
        (np.sqrt((k + 0.5) / _TAPS) * np.stack([np.cos(angle), np.sin(angle)]))
        .transpose(1, 2, 0)
        .astype(np.float32)
    )


@njit(cache=True, nogil=True)
def screen_occlusion(
    inverse_depth: NDArray[np.float32],
    radius_m: float,
    focal_px: float,
    offsets: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Share of the environment seen, judged from nearer surfaces around each pixel.

    Args:
        inverse_depth: 1/depth, 0 where empty. Shape: (height, width), float32.
        radius_m: Reach of the darkening.
        focal_px: Focal length of this image.
        offsets: Taps from `occlusion_taps`.
        out: Output, 0.35 to 1. Shape: (height, width), float32.
    """
    height, width = inverse_depth.shape
    for y in range(height):
        for x in range(width):
            near = inverse_depth[y, x]
            if near <= 0.0:
                out[y, x] = 1.0
                continue
            depth = 1.0 / near
            reach = min(max(radius_m * focal_px * near, 2.0), 40.0)
            total = 0.0
            taps = offsets[(x * 3 + y * 5 + (x * y >> 2)) & 15]
            for k in range(_TAPS):
                u, v = int(x + reach * taps[k, 0]), int(y + reach * taps[k, 1])
                if u < 0 or v < 0 or u >= width or v >= height:
                    continue
                there = inverse_depth[v, u]
                if there <= near:
                    continue
                nearer = depth - 1.0 / there
                if 0.01 < nearer < 2.5 * radius_m:
                    total += min((nearer - 0.01) / (0.4 * radius_m), 1.0)
            out[y, x] = 1.0 - 0.65 * min(total / (0.66 * _TAPS), 1.0)
