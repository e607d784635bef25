"""Procedural rooms: walls with pictures, windows, doors, shelves and curtains, lit from one side."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.ground import floor_brightness, texture_contrast
from train.materials import second_share, srgb
from train.noise import noise3
from train.shading import Light, irradiance


class Room(NamedTuple):
    """An upright box seen from inside, with decorations on its walls."""

    limits_m: NDArray[np.float32]
    """x low, x high, z low, z high, ceiling height over the floor. Shape: (5,)."""
    yaw: float
    """Turn of the room about the vertical."""
    wall: NDArray[np.float32]
    """Colour of each wall and of the ceiling. Shape: (5, 3)."""
    floor_pattern: int
    floor: NDArray[np.float32]
    """Two colours. Shape: (2, 3)."""
    floor_frequency: float
    decoration: NDArray[np.float32]
    """wall, u, v, half width, half height, kind, red, green, blue, seed. Shape: (n, 10)."""


@njit(cache=True, nogil=True, inline="always")
def _decorate(decoration, wall, u, v, colour, lattice):  # type: ignore[no-untyped-def]
    """Pictures, windows, doors, shelves and curtains on a wall: colour and whether it shines."""
    r, g, b = colour
    shines = False
    for k in range(decoration.shape[0]):
        d = decoration[k]
        if int(d[0]) != wall:
            continue
        du, dv = (u - d[1]) / d[3], (v - d[2]) / d[4]
        if abs(du) > 1.0 or abs(dv) > 1.0:
            continue
        kind, seed = int(d[5]), d[9]
        border = min(d[3] * (1.0 - abs(du)), d[4] * (1.0 - abs(dv)))
        r, g, b, shines = d[6], d[7], d[8], False
        if kind == 0:  # picture
            if border > 0.03:
                n, m = noise3(lattice, u * 4.0, v * 4.0, seed), noise3(lattice, u * 9.0, v * 9.0, seed + 5.0)
                r, g, b = 0.6 * n + 0.1, 0.5 * m * n + 0.1, 0.3 * m + 0.1
        elif kind == 1:  # window
            bar = abs(du) * d[3] < 0.03 or abs(dv) * d[4] < 0.02
            if border > 0.05 and not bar:
                n = noise3(lattice, u * 3.0, v * 3.0, seed)
                low = 0.35 if v < d[2] - 0.2 * d[4] + 0.3 * n else 1.0
                r, g, b, shines = 1.7 * low, 1.8 * low, 1.9 * low, True
        elif kind == 2:  # door
            panel = abs(abs(dv) - 0.5) < 0.4 and abs(du) < 0.75
            tone = 0.92 if panel else 1.0
            r, g, b = r * tone, g * tone, b * tone
            if border < 0.04:
                r, g, b = 0.8 * r, 0.8 * g, 0.8 * b
        elif kind == 3:  # shelves with books
            level = v * 3.1
            board = level - math.floor(level)
            spine = u * 26.0 + 7.0 * noise3(lattice, u * 11.0, math.floor(level) * 3.0, seed)
            n = noise3(lattice, math.floor(spine) * 1.7, math.floor(level) * 5.3, seed)
            m = noise3(lattice, math.floor(spine) * 2.9, math.floor(level) * 4.1, seed + 9.0)
            if board > 0.1 and border > 0.03:
                empty = board > 0.62 + 0.3 * n
                r, g, b = (
                    (0.25 * r, 0.25 * g, 0.25 * b)
                    if empty
                    else (0.05 + 0.5 * n, 0.05 + 0.4 * m, 0.05 + 0.35 * n * m)
                )
        else:  # curtain
            fold = 0.7 + 0.3 * math.sin(u * 45.0 + 4.0 * noise3(lattice, u * 6.0, v * 0.7, seed))
            r, g, b = r * fold, g * fold, b * fold
    return r, g, b, shines


@njit(cache=True, nogil=True, inline="always")
def _wall_hit(room, ex, ez, dx, dz):  # type: ignore[no-untyped-def]
    """Distance along the ray and number (0 to 3) of the wall it meets."""
    best, wall = 1e9, 0
    limits = room.limits_m
    for k in range(2):
        if abs(dx) > 1e-9 and (dx > 0.0) == (k == 1):
            t = (limits[k] - ex) / dx
            if 0.0 < t < best:
                best, wall = t, k
        if abs(dz) > 1e-9 and (dz > 0.0) == (k == 1):
            t = (limits[2 + k] - ez) / dz
            if 0.0 < t < best:
                best, wall = t, 2 + k
    return best, wall


@njit(cache=True, nogil=True)
def paint_room(ray, eye_m, room, ground, lattice, needed, out):  # type: ignore[no-untyped-def]
    """The inside of a room; arguments as for `paint_panorama`."""
    light = ground.light
    c, s = math.cos(room.yaw), math.sin(room.yaw)
    ex, ey, ez = c * eye_m[0] + s * eye_m[2], eye_m[1] - ground.y_m, c * eye_m[2] - s * eye_m[0]
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not needed[y, x]:
                continue
            px, py = x + 0.5, y + 0.5
            gx = ray[0, 0] * px + ray[0, 1] * py + ray[0, 2]
            dy = ray[1, 0] * px + ray[1, 1] * py + ray[1, 2]
            gz = ray[2, 0] * px + ray[2, 1] * py + ray[2, 2]
            dx, dz = c * gx + s * gz, c * gz - s * gx
            t, wall = _wall_hit(room, ex, ez, dx, dz)
            level = room.limits_m[4] if dy > 0.0 else 0.0
            t_level = (level - ey) / dy if abs(dy) > 1e-9 else 1e9
            if t_level < t:
                t, wall = t_level, 4 if dy > 0.0 else 5
            hx, hy, hz = ex + t * dx, ey + t * dy, ez + t * dz
            shines = False
            nx = ny = nz = 0.0
            if wall == 5:
                f = room.floor_frequency
                share = second_share(room.floor_pattern, hx, hz, hz, f, lattice, 0.0) * texture_contrast(
                    f, pixel * t * 3.0
                )
                tone = 0.9 + 0.2 * noise3(lattice, hx * 3.0, hz * 3.0, 2.0)
                r = tone * (room.floor[0, 0] + share * (room.floor[1, 0] - room.floor[0, 0]))
                g = tone * (room.floor[0, 1] + share * (room.floor[1, 1] - room.floor[0, 1]))
                b = tone * (room.floor[0, 2] + share * (room.floor[1, 2] - room.floor[0, 2]))
                wx, wz = eye_m[0] + t * gx, eye_m[2] + t * gz
                k = floor_brightness(wx, wz, ground)
                r, g, b, ny = r * k, g * k, b * k, 1.0
            elif wall == 4:
                r, g, b, ny = room.wall[4, 0], room.wall[4, 1], room.wall[4, 2], -1.0
            else:
                u = hz if wall < 2 else hx
                tone = 0.94 + 0.12 * noise3(lattice, u * 1.1, hy * 1.1, wall * 3.0)
                base = (room.wall[wall, 0] * tone, room.wall[wall, 1] * tone, room.wall[wall, 2] * tone)
                if hy < 0.08:
                    base = (0.75, 0.74, 0.72)
                r, g, b, shines = _decorate(room.decoration, wall, u, hy, base, lattice)
                sign = -1.0 if wall % 2 else 1.0
                nx, nz = (sign * c, sign * s) if wall < 2 else (-sign * s, sign * c)
            if not shines:
                corner = 1.0 - 0.25 * math.exp(-4.0 * min(hy, room.limits_m[4] - hy)) if wall < 4 else 1.0
                facing = max(
                    nx * light.sun_direction[0] + ny * light.sun_direction[1] + nz * light.sun_direction[2],
                    0.0,
                )
                r *= corner * (irradiance(light.harmonics, nx, ny, nz, 0) + 0.8 * facing * light.sun[0])
                g *= corner * (irradiance(light.harmonics, nx, ny, nz, 1) + 0.8 * facing * light.sun[1])
                b *= corner * (irradiance(light.harmonics, nx, ny, nz, 2) + 0.8 * facing * light.sun[2])
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b


def sample_room(eye_m: NDArray[np.float64], person_m: NDArray[np.float64], rng: np.random.Generator) -> Room:
    """A room that holds both the camera and the person."""
    yaw = float(rng.uniform(-0.6, 0.6) + rng.integers(4) * np.pi / 2)
    c, s = np.cos(yaw), np.sin(yaw)
    flat = np.array([[c * p[0] + s * p[2], c * p[2] - s * p[0]] for p in (eye_m, person_m)])
    low, high = flat.min(0) - rng.uniform(0.5, 2.6, 2), flat.max(0) + rng.uniform(0.5, 2.6, 2)
    shades = [
        (226, 222, 214),
        (236, 234, 230),
        (205, 206, 204),
        (196, 188, 172),
        (168, 180, 186),
        (188, 196, 182),
        (206, 180, 160),
        (122, 128, 134),
    ]
    base = srgb(*(np.array(shades[rng.integers(len(shades))]) * rng.uniform(0.85, 1.02)))
    wall = np.tile(base, (5, 1))
    if rng.random() < 0.35:
        wall[rng.integers(4)] = srgb(*(np.array([150, 120, 100]) + rng.normal(0, 30, 3)).clip(30, 220))
    wall[4] = srgb(235, 234, 230)
    woods = [
        ((150, 112, 76), (128, 92, 60)),
        ((186, 156, 118), (170, 140, 102)),
        ((96, 70, 50), (84, 60, 42)),
    ]
    stones = [
        ((176, 172, 166), (150, 146, 140)),
        ((120, 120, 122), (108, 108, 110)),
        ((150, 140, 128), (130, 120, 110)),
        ((92, 94, 104), (84, 84, 92)),
    ]
    wooden = rng.random() < 0.55
    pair = (woods if wooden else stones)[rng.integers(3 if wooden else 4)]
    limits = np.array([low[0], high[0], low[1], high[1], rng.uniform(2.3, 3.0)], np.float32)
    return Room(
        limits, yaw, wall.astype(np.float32), 9 if wooden else int(rng.choice([5, 10, 4])),
        np.stack([srgb(*c) for c in pair]), float(rng.uniform(1.2, 3.0)), _decorations(limits, rng),
    )  # fmt: skip


def _decorations(limits: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    rows = []
    for wall in range(4):
        start, end = (limits[2], limits[3]) if wall < 2 else (limits[0], limits[1])
        for _ in range(rng.integers(0, 4)):
            kind = int(rng.choice(5, p=[0.34, 0.2, 0.14, 0.16, 0.16]))
            half_u, half_v, v = {
                0: (rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.45), rng.uniform(1.3, 1.8)),
                1: (rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.75), 1.5),
                2: (0.44, 1.02, 1.02),
                3: (rng.uniform(0.3, 0.9), rng.uniform(0.5, 1.05), 1.05),
                4: (rng.uniform(0.25, 0.7), 1.1, 1.2),
            }[kind]
            colour = srgb(*np.clip(np.array([140, 120, 100]) + rng.normal(0, 45, 3), 20, 235))
            if kind in (1, 2) and rng.random() < 0.6:
                colour = srgb(222, 220, 215)
            rows.append([wall, rng.uniform(start, end), v, half_u, half_v, kind, *colour, rng.uniform(0, 30)])
    return np.array(rows, np.float32).reshape(-1, 10)


def room_light(rng: np.random.Generator) -> Light:
    """Soft light of a room with a window or lamps to one side."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.2)
    towards = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    warm = np.exp(rng.normal(0.0, 0.08))
    tint = np.array([warm, 1.0, 1.0 / warm])
    ambient = rng.uniform(0.28, 0.6)
    harmonics = np.zeros((9, 3))
    harmonics[0] = ambient * tint
    harmonics[1] = ambient * rng.uniform(0.1, 0.4)
    side = ambient * rng.uniform(0.0, 0.6)
    harmonics[2], harmonics[3] = side * np.sin(azimuth), side * np.cos(azimuth)
    sun = rng.uniform(0.05, 0.7) * tint[::-1]
    return Light(towards.astype(np.float32), sun.astype(np.float32), harmonics.astype(np.float32))
