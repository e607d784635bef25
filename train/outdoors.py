"""Procedural outdoors: ground, a line of trees or houses, and a sky with clouds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.ground import floor_brightness, texture_contrast
from train.materials import srgb
from train.noise import noise3
from train.shading import Light, irradiance


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
def _horizon(outdoors, azimuth, elevation, lattice):  # type: ignore[no-untyped-def]
    """Colour of the far line in a direction, and whether the direction meets it."""
    o = outdoors
    if o.houses > 0.5:
        across = azimuth * 0.5 * o.distance_m  # metres along the line
        block = math.floor(across / 9.0)
        height = o.height_m * (0.6 + 0.9 * noise3(lattice, block * 1.3, o.seed, 0.0)) / o.distance_m
        if elevation > height:
            return 0.0, 0.0, 0.0, False
        tone = 0.75 + 0.4 * noise3(lattice, block * 2.7, o.seed, 4.0)
        tone *= 0.93 + 0.14 * noise3(lattice, across * 2.0, elevation * o.distance_m * 2.0, 1.0)
        u, v = across / 2.3, elevation * o.distance_m / 2.9
        window = 0.3 < u - math.floor(u) < 0.75 and 0.25 < v - math.floor(v) < 0.75
        tone *= 0.4 if window else 1.0
        return o.far[0, 0] * tone, o.far[0, 1] * tone, o.far[0, 2] * tone, True
    outline = (
        0.55
        + 0.6 * noise3(lattice, azimuth * 6.0, o.seed, 0.0)
        + 0.3 * noise3(lattice, azimuth * 31.0, o.seed, 3.0)
    )
    outline += 0.14 * noise3(lattice, azimuth * 140.0, elevation * 120.0, 5.0)
    if elevation > outline * o.height_m / o.distance_m:
        return 0.0, 0.0, 0.0, False
    leaves = noise3(lattice, azimuth * 45.0, elevation * 60.0, o.seed)
    share = min(
        max(
            2.0 * leaves * (0.6 + 0.8 * noise3(lattice, azimuth * 160.0, elevation * 200.0, o.seed)) - 0.4,
            0.0,
        ),
        1.0,
    )
    return (
        o.far[0, 0] + share * (o.far[1, 0] - o.far[0, 0]),
        o.far[0, 1] + share * (o.far[1, 1] - o.far[0, 1]),
        o.far[0, 2] + share * (o.far[1, 2] - o.far[0, 2]),
        True,
    )


@njit(cache=True, nogil=True)
def paint_outdoors(ray, eye_m, outdoors, ground, lattice, needed, out):  # type: ignore[no-untyped-def]
    """Ground, horizon and sky; arguments as for `paint_panorama`."""
    light = ground.light
    o = outdoors
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not needed[y, x]:
                continue
            px, py = x + 0.5, y + 0.5
            dx = ray[0, 0] * px + ray[0, 1] * py + ray[0, 2]
            dy = ray[1, 0] * px + ray[1, 1] * py + ray[1, 2]
            dz = ray[2, 0] * px + ray[2, 1] * py + ray[2, 2]
            flat = math.sqrt(dx * dx + dz * dz) + 1e-9
            elevation, azimuth = dy / flat, math.atan2(dz, dx) * 2.0 + 8.0
            t = (ground.y_m - eye_m[1]) / dy if dy < -1e-6 else 1e9
            if t * flat < o.distance_m:
                hx, hz = eye_m[0] + t * dx, eye_m[2] + t * dz
                f = o.ground_frequency
                fine = (noise3(lattice, hx * f, hz * f, 0.0) - 0.5) * texture_contrast(f, pixel * t)
                share = min(
                    max(0.5 + 0.7 * fine + 0.8 * (noise3(lattice, hx * 0.9, hz * 0.9, 6.0) - 0.5), 0.0), 1.0
                )
                k = floor_brightness(hx, hz, ground)
                for c in range(3):
                    up = irradiance(light.harmonics, 0.0, 1.0, 0.0, c) + light.sun[c] * light.sun_direction[1]
                    out[y, x, c] = k * up * (o.ground[0, c] + share * (o.ground[1, c] - o.ground[0, c]))
                continue
            r, g, b, met = _horizon(o, azimuth, elevation, lattice)
            if met:
                for c in range(3):
                    bright = irradiance(light.harmonics, -dx / flat, 0.2, -dz / flat, c) + 0.3 * light.sun[c]
                    out[y, x, c] = bright * (r if c == 0 else (g if c == 1 else b))
                continue
            high = min(max(elevation, 0.0) * 1.6, 1.0)
            n = noise3(
                lattice, dx / flat * 2.0 / (0.25 + elevation), dz / flat * 2.0 / (0.25 + elevation), o.seed
            )
            n += 0.5 * noise3(
                lattice, dx / flat * 5.0 / (0.25 + elevation), dz / flat * 5.0 / (0.25 + elevation), o.seed
            )
            veil = o.cloud * min(max(2.2 * n - 1.2, 0.0), 1.0)
            for c in range(3):
                blue = o.sky[1, c] + high * (o.sky[0, c] - o.sky[1, c])
                out[y, x, c] = blue + veil * (1.1 - blue)


def sample_outdoors(rng: np.random.Generator) -> tuple[Outdoors, Light]:
    """A meadow, yard or street by day."""
    grounds = [
        ((96, 108, 62), (66, 84, 44)),
        ((120, 118, 114), (100, 98, 96)),
        ((164, 148, 120), (138, 122, 98)),
        ((150, 146, 140), (118, 114, 110)),
    ]
    pair = grounds[rng.integers(4)]
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
    distance = float(rng.uniform(7.0, 30.0))
    outdoors = Outdoors(
        ground=np.stack([srgb(*c) for c in pair]),
        ground_frequency=float(rng.uniform(12, 40)),
        sky=np.stack([zenith, horizon]).astype(np.float32),
        cloud=float(cloud),
        houses=houses,
        height_m=float(rng.uniform(2.0, 9.0)),
        distance_m=distance,
        far=far.astype(np.float32),
        seed=float(rng.uniform(0, 30)),
    )
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.3)
    towards = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    ambient = rng.uniform(0.28, 0.42) + 0.2 * cloud
    harmonics = np.zeros((9, 3))
    harmonics[0] = ambient * np.array([0.94, 1.0, 1.08])
    harmonics[1] = ambient * 0.4
    sun = (1.0 - 0.85 * cloud) * rng.uniform(0.7, 1.2) * np.array([1.05, 1.0, 0.92])
    return outdoors, Light(towards.astype(np.float32), sun.astype(np.float32), harmonics.astype(np.float32))
