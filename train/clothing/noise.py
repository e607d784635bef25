"""Solid noise for materials and backgrounds: a small tileable lattice, smoothly interpolated."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vector = tuple[float, float, float]
"""Three numbers as kernels pass them on."""

LATTICE = 32
"""Period of the noise in lattice cells (a power of two); 32^3 float32 stay in the cache."""


def noise_lattice(seed: int = 20) -> NDArray[np.float32]:
    """Random values in [0, 1). Shape: (LATTICE, LATTICE, LATTICE), float32."""
    return np.random.default_rng(seed).random((LATTICE, LATTICE, LATTICE), dtype=np.float32)


@njit(cache=True, nogil=True, inline="always")
def _cell(x: float) -> tuple[int, int, float, float]:
    low = math.floor(x)
    t = x - low
    return int(low) & (LATTICE - 1), (int(low) + 1) & (LATTICE - 1), t, t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True)
def noise3(lattice: NDArray[np.float32], x: float, y: float, z: float) -> float:
    """Smooth noise in [0, 1) at one point, period `LATTICE`."""
    x0, x1, _, u = _cell(x)
    y0, y1, _, v = _cell(y)
    z0, z1, _, w = _cell(z)
    a = lattice[x0, y0, z0] + u * (lattice[x1, y0, z0] - lattice[x0, y0, z0])
    b = lattice[x0, y1, z0] + u * (lattice[x1, y1, z0] - lattice[x0, y1, z0])
    c = lattice[x0, y0, z1] + u * (lattice[x1, y0, z1] - lattice[x0, y0, z1])
    d = lattice[x0, y1, z1] + u * (lattice[x1, y1, z1] - lattice[x0, y1, z1])
    low, high = a + v * (b - a), c + v * (d - c)
    return low + w * (high - low)


@njit(cache=True, nogil=True)
def noise3_gradient(lattice: NDArray[np.float32], x: float, y: float, z: float) -> Vector:
    """Gradient (three numbers) of `noise3` at one point."""
    x0, x1, tx, u = _cell(x)
    y0, y1, ty, v = _cell(y)
    z0, z1, tz, w = _cell(z)
    a00, b00 = lattice[x0, y0, z0], lattice[x1, y0, z0] - lattice[x0, y0, z0]
    a10, b10 = lattice[x0, y1, z0], lattice[x1, y1, z0] - lattice[x0, y1, z0]
    a01, b01 = lattice[x0, y0, z1], lattice[x1, y0, z1] - lattice[x0, y0, z1]
    a11, b11 = lattice[x0, y1, z1], lattice[x1, y1, z1] - lattice[x0, y1, z1]
    low_y0, low_y1, high_y0, high_y1 = a00 + u * b00, a10 + u * b10, a01 + u * b01, a11 + u * b11
    gx = (b00 + v * (b10 - b00)) * (1.0 - w) + (b01 + v * (b11 - b01)) * w
    gy = (low_y1 - low_y0) * (1.0 - w) + (high_y1 - high_y0) * w
    gz = (high_y0 + v * (high_y1 - high_y0)) - (low_y0 + v * (low_y1 - low_y0))
    du, dv, dw = 6.0 * tx * (1.0 - tx), 6.0 * ty * (1.0 - ty), 6.0 * tz * (1.0 - tz)
    return gx * du, gy * dv, gz * dw
