"""Procedural outdoors: ground, a line of trees or houses, and a sky with clouds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.materials import RGB, srgb
from train.clothing.noise import Vector, noise3
from train.scene.ground import Ground, floor_brightness, texture_contrast
from train.scene.lighting import Light, irradiance


class Outdoors(NamedTuple):
    """Ground, a line of trees or houses, and sky."""

    ground: NDArray[np.float32]
    """Two colours. Shape: (2, 3)."""
    ground_frequency: float
    sky: NDArray[np.float32]
    """Zenith and horizon. Shape: (2, 3)."""
    cloud: float
    houses: float
    """0 trees, 1 houses."""
    height_m: float
    distance_m: float
    far: NDArray[np.float32]
    """Colours of the line. Shape: (2, 3)."""
    seed: float


@njit(cache=True, nogil=True, inline="always")
def _house(o: Outdoors, across_m: float, height_m: float, lattice: NDArray[np.float32]) -> tuple[RGB, bool]:
    """Colour of a row of houses at a place of its front, and whether it reaches that high."""
    block = math.floor(across_m / 9.0)
    if height_m > o.height_m * (0.6 + 0.9 * noise3(lattice, block * 1.3, o.seed, 0.0)):
        return (0.0, 0.0, 0.0), False
    tone = 0.75 + 0.4 * noise3(lattice, block * 2.7, o.seed, 4.0)
    tone *= 0.93 + 0.14 * noise3(lattice, across_m * 2.0, height_m * 2.0, 1.0)
    u, v = across_m / 2.3, height_m / 2.9
    window = 0.3 < u - math.floor(u) < 0.75 and 0.25 < v - math.floor(v) < 0.75
    tone *= 0.4 if window else 1.0
    return (o.far[0, 0] * tone, o.far[0, 1] * tone, o.far[0, 2] * tone), True


@njit(cache=True, nogil=True, inline="always")
def _trees(o: Outdoors, azimuth: float, elevation: float, lattice: NDArray[np.float32]) -> tuple[RGB, bool]:
    """Colour of a line of trees in a direction, and whether the direction meets it."""
    outline = 0.55 + 0.6 * noise3(lattice, azimuth * 6.0, o.seed, 0.0)
    outline += 0.3 * noise3(lattice, azimuth * 31.0, o.seed, 3.0)
    outline += 0.14 * noise3(lattice, azimuth * 140.0, elevation * 120.0, 5.0)
    if elevation > outline * o.height_m / o.distance_m:
        return (0.0, 0.0, 0.0), False
    twigs = 0.6 + 0.8 * noise3(lattice, azimuth * 160.0, elevation * 200.0, o.seed)
    leaves = 2.0 * noise3(lattice, azimuth * 45.0, elevation * 60.0, o.seed) * twigs
    share = min(max(leaves - 0.4, 0.0), 1.0)
    return (
        o.far[0, 0] + share * (o.far[1, 0] - o.far[0, 0]),
        o.far[0, 1] + share * (o.far[1, 1] - o.far[0, 1]),
        o.far[0, 2] + share * (o.far[1, 2] - o.far[0, 2]),
    ), True


@njit(cache=True, nogil=True, inline="always")
def _soil(
    o: Outdoors, x: float, z: float, pixel_m: float, ground: Ground, lattice: NDArray[np.float32]
) -> RGB:
    """Radiance of the ground at a place."""
    f = o.ground_frequency
    fine = (noise3(lattice, x * f, z * f, 0.0) - 0.5) * texture_contrast(f, pixel_m)
    share = 0.5 + 0.7 * fine + 0.8 * (noise3(lattice, x * 0.9, z * 0.9, 6.0) - 0.5)
    share = min(max(share, 0.0), 1.0)
    bright, light = floor_brightness(x, z, ground), ground.light
    high = light.sun_direction[1]
    r = bright * (irradiance(light.harmonics, 0.0, 1.0, 0.0, 0) + light.sun[0] * high)
    g = bright * (irradiance(light.harmonics, 0.0, 1.0, 0.0, 1) + light.sun[1] * high)
    b = bright * (irradiance(light.harmonics, 0.0, 1.0, 0.0, 2) + light.sun[2] * high)
    return (
        r * (o.ground[0, 0] + share * (o.ground[1, 0] - o.ground[0, 0])),
        g * (o.ground[0, 1] + share * (o.ground[1, 1] - o.ground[0, 1])),
        b * (o.ground[0, 2] + share * (o.ground[1, 2] - o.ground[0, 2])),
    )


@njit(cache=True, nogil=True, inline="always")
def _sky(o: Outdoors, x: float, z: float, elevation: float, lattice: NDArray[np.float32]) -> RGB:
    """Radiance of the sky; x and z are the direction's horizontal part, of unit length."""
    high = min(max(elevation, 0.0) * 1.6, 1.0)
    far = 1.0 / (0.25 + max(elevation, 0.0))  # clouds lie on a plane above
    n = noise3(lattice, x * 2.0 * far, z * 2.0 * far, o.seed)
    n += 0.5 * noise3(lattice, x * 5.0 * far, z * 5.0 * far, o.seed)
    veil = o.cloud * min(max(2.2 * n - 1.2, 0.0), 1.0)
    r = o.sky[1, 0] + high * (o.sky[0, 0] - o.sky[1, 0])
    g = o.sky[1, 1] + high * (o.sky[0, 1] - o.sky[1, 1])
    b = o.sky[1, 2] + high * (o.sky[0, 2] - o.sky[1, 2])
    return r + veil * (1.1 - r), g + veil * (1.1 - g), b + veil * (1.1 - b)


@njit(cache=True, nogil=True, inline="always")
def _outdoor_radiance(
    o: Outdoors, ground: Ground, eye_m: NDArray[np.float32], ray: Vector, pixel: float,
    lattice: NDArray[np.float32],
) -> RGB:  # fmt: skip
    dx, dy, dz = ray
    flat = math.sqrt(dx * dx + dz * dz) + 1e-9
    t = (ground.y_m - eye_m[1]) / dy if dy < -1e-6 else 1e9
    if t * flat < o.distance_m:
        return _soil(o, eye_m[0] + t * dx, eye_m[2] + t * dz, pixel * t, ground, lattice)
    elevation, azimuth = dy / flat, math.atan2(dz, dx) * 2.0 + 8.0
    if o.houses > 0.5:
        colour, met = _house(o, 0.5 * azimuth * o.distance_m, elevation * o.distance_m, lattice)
    else:
        colour, met = _trees(o, azimuth, elevation, lattice)
    if not met:
        return _sky(o, dx / flat, dz / flat, elevation, lattice)
    light, nx, nz = ground.light, -dx / flat, -dz / flat
    return (
        colour[0] * (irradiance(light.harmonics, nx, 0.2, nz, 0) + 0.3 * light.sun[0]),
        colour[1] * (irradiance(light.harmonics, nx, 0.2, nz, 1) + 0.3 * light.sun[1]),
        colour[2] * (irradiance(light.harmonics, nx, 0.2, nz, 2) + 0.3 * light.sun[2]),
    )


@njit(cache=True, nogil=True)
def paint_outdoors(
    ray: NDArray[np.float32],
    eye_m: NDArray[np.float32],
    outdoors: Outdoors,
    ground: Ground,
    lattice: NDArray[np.float32],
    needed: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Ground, horizon and sky; arguments as for `train.scene.backgrounds.paint_panorama`."""
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not needed[y, x]:
                continue
            dx = ray[0, 0] * (x + 0.5) + ray[0, 1] * (y + 0.5) + ray[0, 2]
            dy = ray[1, 0] * (x + 0.5) + ray[1, 1] * (y + 0.5) + ray[1, 2]
            dz = ray[2, 0] * (x + 0.5) + ray[2, 1] * (y + 0.5) + ray[2, 2]
            r = _outdoor_radiance(outdoors, ground, eye_m, (dx, dy, dz), pixel, lattice)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r[0], r[1], r[2]


def sample_outdoors(rng: np.random.Generator) -> tuple[Outdoors, Light]:
    """A meadow, yard or street by day."""
    grounds = [
        ((96, 108, 62), (66, 84, 44)),
        ((120, 118, 114), (100, 98, 96)),
        ((164, 148, 120), (138, 122, 98)),
        ((150, 146, 140), (118, 114, 110)),
        ((70, 72, 76), (52, 54, 58)),
    ]
    pair = grounds[rng.integers(len(grounds))]
    cloud = rng.uniform(0.0, 1.0)
    zenith, horizon = (
        srgb(*(np.array([96, 142, 206]) + rng.normal(0, 12, 3)).clip(0, 255)),
        srgb(206, 218, 230),
    )
    zenith = zenith + np.float32(0.6 * cloud) * (srgb(190, 194, 200) - zenith)
    houses = float(rng.random() < 0.45)
    walls = [(172, 150, 128), (196, 190, 182), (140, 96, 80), (150, 152, 156)]
    far = (
        np.stack([srgb(*walls[rng.integers(4)]), srgb(90, 90, 90)])
        if houses
        else np.stack([srgb(34, 46, 26), srgb(104, 122, 66)])
    )
    distance = float(rng.uniform(10.0, 60.0))
    outdoors = Outdoors(
        ground=np.stack([srgb(*c) for c in pair]),
        ground_frequency=float(rng.uniform(12, 40)),
        sky=np.stack([zenith, horizon]).astype(np.float32),
        cloud=float(cloud),
        houses=houses,
        height_m=float(rng.uniform(2.5, 9.0)),
        distance_m=distance,
        far=far.astype(np.float32),
        seed=float(rng.uniform(0, 30)),
    )
    return outdoors, _daylight(rng, cloud)


def _daylight(rng: np.random.Generator, cloud: float) -> Light:
    """Sun and sky; clouds take from the one and add to the other."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.3)
    towards = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    ambient = rng.uniform(0.28, 0.42) + 0.2 * cloud
    harmonics = np.zeros((9, 3))
    harmonics[0] = ambient * np.array([0.94, 1.0, 1.08])
    harmonics[1] = ambient * 0.4
    sun = (1.0 - 0.85 * cloud) * rng.uniform(0.7, 1.2) * np.array([1.05, 1.0, 0.92])
    return Light(towards.astype(np.float32), sun.astype(np.float32), harmonics.astype(np.float32))
