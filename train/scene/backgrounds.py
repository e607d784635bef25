"""What is behind the person: panoramas with their ground laid out flat, procedural rooms and outdoors.

Everything is cast ray by ray at the image's own resolution. The floor takes the person's shadow and darkens
where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.noise import noise3
from train.scene.environment import load_panorama, turned
from train.scene.ground import Ground, floor_brightness
from train.scene.lighting import Light
from train.scene.outdoors import Outdoors, paint_outdoors, sample_outdoors
from train.scene.rooms import Room, paint_room, room_light, sample_room

PANORAMA_HEIGHT_M = 1.6
"""Height above the ground at which panoramas are taken as photographed."""
_PANORAMA_ODDS = 0.5
_ROOM_ODDS = 0.72
"""Odds of the procedural ones."""


class PanoramaPlace(NamedTuple):
    """A panorama laid out around a place."""

    radiance: NDArray[np.float32]
    """Linear. Shape: (height, width, 3)."""
    yaw: float
    """Turn of the world about the vertical, rad."""
    centre_m: NDArray[np.float32]
    """Where it was taken from; the height does not count. Shape: (3,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """One background and the light that belongs to it."""

    light: Light
    place: PanoramaPlace | Room | Outdoors
    paint: Callable[..., None]
    """Kernel with the arguments of `paint_panorama`."""
    coarseness: int = 1
    """Pixels per side that are painted as one: panoramas are softer than images."""


def sample_backdrop(
    panoramas: Sequence[Path],
    eye_m: NDArray[np.float64],
    person_m: NDArray[np.float64],
    rng: np.random.Generator,
) -> Backdrop:
    """A random background.

    Args:
        panoramas: Files to choose from; without any, all backgrounds are procedural.
        eye_m: The camera's centre. Shape: (3,).
        person_m: The person's middle. Shape: (3,).
        rng: Source of chance.
    """
    if panoramas and rng.random() < _PANORAMA_ODDS:
        panorama = load_panorama(panoramas[int(rng.integers(len(panoramas)))])
        yaw = float(rng.uniform(-np.pi, np.pi))
        place = PanoramaPlace(panorama.radiance, yaw, person_m.astype(np.float32))
        return Backdrop(turned(panorama.light, yaw), place, paint_panorama, coarseness=2)
    if rng.random() < _ROOM_ODDS:
        return Backdrop(room_light(rng), sample_room(eye_m, person_m, rng), paint_room)
    outdoors, light = sample_outdoors(rng)
    return Backdrop(light, outdoors, paint_outdoors)


@njit(cache=True, nogil=True)
def _sample_panorama(
    radiance: NDArray[np.float32], dx: float, dy: float, dz: float, out: NDArray[np.float32]
) -> None:
    height, width = radiance.shape[0], radiance.shape[1]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    u = math.atan2(dz, dx) / (2.0 * math.pi) * width - 0.5
    v = math.acos(min(max(dy / length, -1.0), 1.0)) / math.pi * height - 0.5
    iu, iv = math.floor(u), math.floor(v)
    fu, fv = u - iu, v - iv
    u0, u1 = int(iu) % width, (int(iu) + 1) % width
    v0, v1 = min(max(int(iv), 0), height - 1), min(max(int(iv) + 1, 0), height - 1)
    for k in range(3):
        top = radiance[v0, u0, k] + fu * (radiance[v0, u1, k] - radiance[v0, u0, k])
        bottom = radiance[v1, u0, k] + fu * (radiance[v1, u1, k] - radiance[v1, u0, k])
        out[k] = top + fv * (bottom - top)


@njit(cache=True, nogil=True)
def paint_panorama(
    ray: NDArray[np.float32],
    eye_m: NDArray[np.float32],
    place: PanoramaPlace,
    ground: Ground,
    lattice: NDArray[np.float32],
    needed: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """A panorama whose lower half is laid out on the floor.

    Args:
        ray: Ground direction from homogeneous pixels. Shape: (3, 3).
        eye_m: Camera centre. Shape: (3,).
        place: The panorama and how it is turned.
        ground: The floor.
        lattice: Noise lattice.
        needed: Pixels to paint. Shape: (height, width), bool.
        out: Output, linear. Shape: (height, width, 3), float32.
    """
    c, s = math.cos(place.yaw), math.sin(place.yaw)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not needed[y, x]:
                continue
            px, py = x + 0.5, y + 0.5
            dx = ray[0, 0] * px + ray[0, 1] * py + ray[0, 2]
            dy = ray[1, 0] * px + ray[1, 1] * py + ray[1, 2]
            dz = ray[2, 0] * px + ray[2, 1] * py + ray[2, 2]
            brightness = 1.0
            t = (ground.y_m - eye_m[1]) / dy if dy < -1e-5 else 1e9
            hx, hz = eye_m[0] + t * dx, eye_m[2] + t * dz
            rx, rz = hx - place.centre_m[0], hz - place.centre_m[2]
            if t < 1e8 and rx * rx + rz * rz < 900.0:
                brightness = floor_brightness(hx, hz, ground)
                brightness *= 0.93 + 0.14 * noise3(lattice, hx * 37.0, hz * 37.0, 1.0)
                dx, dy, dz = rx, -PANORAMA_HEIGHT_M, rz
            _sample_panorama(place.radiance, c * dx + s * dz, dy, c * dz - s * dx, out[y, x])
            for k in range(3):
                out[y, x, k] *= brightness
