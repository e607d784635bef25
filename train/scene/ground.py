"""The floor: how shadows and the body above it darken it, and how its texture fades with distance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.bodies.mesh import bounds
from train.scene.lighting import Light, ShadowMap, irradiance, lit_share

_CONTACT_CELL_M = 0.03
_CONTACT_CELLS = 96
FLOOR_BIAS_M = 0.004


class Contact(NamedTuple):
    """How much of the sky the floor misses under the person."""

    share: NDArray[np.float32]
    """1 open, 0 covered; square cells. Shape: (n, n)."""
    corner_m: NDArray[np.float32]
    """X and Z of cell (0, 0). Shape: (2,)."""


class Ground(NamedTuple):
    """A level floor and what falls on it."""

    y_m: float
    light: Light
    shadow: ShadowMap
    contact: Contact


def contact_map(p_m: NDArray[np.float32], floor_y_m: float) -> Contact:
    """Soft darkness under a body, from the height of its vertices over the floor."""
    low, high = bounds(p_m)
    centre = 0.5 * (low + high)
    corner = np.array([centre[0], centre[2]], np.float32) - 0.5 * _CONTACT_CELL_M * _CONTACT_CELLS
    share = np.empty((_CONTACT_CELLS, _CONTACT_CELLS), np.float32)
    _spread(p_m, floor_y_m, corner, share)
    return Contact(share, corner)


@njit(cache=True, nogil=True)
def _spread(
    p_m: NDArray[np.float32], floor_y_m: float, corner: NDArray[np.float32], share: NDArray[np.float32]
) -> None:
    """Lowest height over each cell, turned into covering and blurred over 9 cells twice."""
    n = share.shape[0]
    share[:] = 1.0
    for i in range(p_m.shape[0]):
        u, v = int((p_m[i, 0] - corner[0]) / _CONTACT_CELL_M), int((p_m[i, 2] - corner[1]) / _CONTACT_CELL_M)
        if 0 <= u < n and 0 <= v < n:
            height = max(p_m[i, 1] - floor_y_m, 0.0)
            share[v, u] = min(share[v, u], 1.0 - math.exp(-height / 0.12))
    row = np.empty(n, np.float32)
    for _ in range(2):
        for axis in range(2):
            for v in range(n):
                for u in range(n):
                    total = 0.0
                    for k in range(-2, 3):
                        w = min(max(u + k, 0), n - 1)
                        total += share[v, w] if axis == 0 else share[w, v]
                    row[u] = total / 5.0
                for u in range(n):
                    if axis == 0:
                        share[v, u] = row[u]
                    else:
                        share[u, v] = row[u]


@njit(cache=True, nogil=True, inline="always")
def floor_brightness(x: float, z: float, ground: Ground) -> float:
    """Light on the floor as a share of what it gets without the person."""
    light, contact = ground.light, ground.contact
    u, v = (
        (x - contact.corner_m[0]) / _CONTACT_CELL_M - 0.5,
        (z - contact.corner_m[1]) / _CONTACT_CELL_M - 0.5,
    )
    n = contact.share.shape[0]
    open_share = 1.0
    if 0.0 <= u < n - 1 and 0.0 <= v < n - 1:
        i, j = int(u), int(v)
        fu, fv = u - i, v - j
        open_share = (1 - fv) * ((1 - fu) * contact.share[j, i] + fu * contact.share[j, i + 1])
        open_share += fv * ((1 - fu) * contact.share[j + 1, i] + fu * contact.share[j + 1, i + 1])
    sky = irradiance(light.harmonics, 0.0, 1.0, 0.0, 1)
    sun = light.sun[1] * light.sun_direction[1]
    lit = 1.0
    if sun > 0.02 * sky:
        lit = lit_share(ground.shadow, x, ground.y_m, z, 2.0 * ground.shadow.blur_px, FLOOR_BIAS_M)
    return (sky * open_share + sun * lit) / (sky + sun + 1e-6)


@njit(cache=True, nogil=True)
def texture_contrast(frequency: float, footprint_m: float) -> float:
    """Contrast left of a texture when a pixel covers `footprint_m`."""
    return min(max(1.5 - 2.5 * frequency * footprint_m, 0.0), 1.0)
