"""Procedural rooms: walls with images, windows, doors, shelves and curtains, lit from one side."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.materials import RGB, second_share, srgb
from train.clothing.noise import Vector, noise3
from train.scene.ground import Ground, floor_brightness, texture_contrast
from train.scene.lighting import Light, irradiance

_PICTURE, _WINDOW, _DOOR, _SHELF, _CURTAIN = range(5)
_SKIRTING_M = 0.08
_WHITE_SKIRTING, _DARK_SKIRTING = (224, 223, 220), (34, 36, 40)
_FLOOR_ODDS = {"wood": 0.42, "stone": 0.3, "carpet": 0.28}
_FLOORS = {
    "wood": (
        ((150, 112, 76), (128, 92, 60)),
        ((186, 156, 118), (170, 140, 102)),
        ((96, 70, 50), (84, 60, 42)),
    ),
    "stone": (
        ((176, 172, 166), (150, 146, 140)),
        ((120, 120, 122), (108, 108, 110)),
        ((150, 140, 128), (130, 120, 110)),
        ((92, 94, 104), (84, 84, 92)),
    ),
    "carpet": (
        ((36, 38, 42), (28, 30, 33)),
        ((48, 50, 56), (38, 40, 45)),
        ((34, 40, 54), (27, 31, 42)),
        ((72, 72, 74), (58, 58, 60)),
        ((86, 78, 70), (70, 63, 56)),
        ((128, 122, 114), (108, 102, 96)),
    ),
}
_DECORATION_ODDS = (0.34, 0.2, 0.14, 0.16, 0.16)


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
    skirting: NDArray[np.float32]
    """Colour of the skirting board. Shape: (3,)."""
    decoration: NDArray[np.float32]
    """wall, u, v, half width, half height, kind, red, green, blue, seed. Shape: (n, 10)."""


@njit(cache=True, nogil=True)
def _picture(
    u: float, v: float, border_m: float, seed: float, frame: RGB, lattice: NDArray[np.float32]
) -> RGB:
    if border_m <= 0.03:
        return frame
    n, m = noise3(lattice, u * 4.0, v * 4.0, seed), noise3(lattice, u * 9.0, v * 9.0, seed + 5.0)
    return 0.6 * n + 0.1, 0.5 * m * n + 0.1, 0.3 * m + 0.1


@njit(cache=True, nogil=True)
def _shelf(u: float, v: float, border_m: float, seed: float, board: RGB, lattice: NDArray[np.float32]) -> RGB:
    """Rows of books, with gaps."""
    row = math.floor(v * 3.1)
    height = v * 3.1 - row
    if height <= 0.1 or border_m <= 0.03:
        return board
    spine = math.floor(u * 26.0 + 7.0 * noise3(lattice, u * 11.0, row * 3.0, seed))
    n = noise3(lattice, spine * 1.7, row * 5.3, seed)
    m = noise3(lattice, spine * 2.9, row * 4.1, seed + 9.0)
    if height > 0.62 + 0.3 * n:
        return 0.25 * board[0], 0.25 * board[1], 0.25 * board[2]
    return 0.05 + 0.5 * n, 0.05 + 0.4 * m, 0.05 + 0.35 * n * m


@njit(cache=True, nogil=True)
def _scaled(colour: RGB, factor: float) -> RGB:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


@njit(cache=True, nogil=True)
def _decorate(
    decoration: NDArray[np.float32], wall: int, u: float, v: float, colour: RGB, lattice: NDArray[np.float32]
) -> tuple[RGB, bool]:
    """What hangs or stands at a place of a wall: its colour, and whether it shines by itself."""
    shines = False
    for k in range(decoration.shape[0]):
        d = decoration[k]
        du, dv = (u - d[1]) / d[3], (v - d[2]) / d[4]
        if int(d[0]) != wall or abs(du) > 1.0 or abs(dv) > 1.0:
            continue
        kind, seed = int(d[5]), d[9]
        border_m = min(d[3] * (1.0 - abs(du)), d[4] * (1.0 - abs(dv)))
        own, shines = (d[6], d[7], d[8]), False
        if kind == _PICTURE:
            colour = _picture(u, v, border_m, seed, own, lattice)
        elif kind == _WINDOW:
            bar = abs(du) * d[3] < 0.03 or abs(dv) * d[4] < 0.02
            shines = border_m > 0.05 and not bar
            ground = v < d[2] - 0.2 * d[4] + 0.3 * noise3(lattice, u * 3.0, v * 3.0, seed)
            colour = _scaled((1.7, 1.8, 1.9), 0.35 if ground else 1.0) if shines else own
        elif kind == _DOOR:
            panel = abs(abs(dv) - 0.5) < 0.4 and abs(du) < 0.75
            colour = _scaled(own, (0.92 if panel else 1.0) * (0.8 if border_m < 0.04 else 1.0))
        elif kind == _SHELF:
            colour = _shelf(u, v, border_m, seed, own, lattice)
        else:
            wave = math.sin(u * 45.0 + 4.0 * noise3(lattice, u * 6.0, v * 0.7, seed))
            colour = _scaled(own, 0.7 + 0.3 * wave)
    return colour, shines


@njit(cache=True, nogil=True)
def _wall_hit(limits: NDArray[np.float32], ex: float, ez: float, dx: float, dz: float) -> tuple[float, int]:
    """Distance along the ray and number (0 to 3) of the wall it meets."""
    best, wall = 1e9, 0
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


@njit(cache=True, nogil=True, inline="always")
def _floor_colour(room: Room, x: float, z: float, footprint_m: float, lattice: NDArray[np.float32]) -> RGB:
    share = second_share(room.floor_pattern, x, z, z, room.floor_frequency, lattice, 0.0)
    share *= texture_contrast(room.floor_frequency, footprint_m)
    tone = 0.9 + 0.2 * noise3(lattice, x * 3.0, z * 3.0, 2.0)
    a, b = room.floor[0], room.floor[1]
    return (
        tone * (a[0] + share * (b[0] - a[0])),
        tone * (a[1] + share * (b[1] - a[1])),
        tone * (a[2] + share * (b[2] - a[2])),
    )


@njit(cache=True, nogil=True, inline="always")
def _wall_colour(
    room: Room, wall: int, along_m: float, height_m: float, lattice: NDArray[np.float32]
) -> tuple[RGB, bool]:
    """Paint, skirting board and decorations of a wall, and whether they shine; darker near edges."""
    tone = 0.94 + 0.12 * noise3(lattice, along_m * 1.1, height_m * 1.1, wall * 3.0)
    colour = (room.wall[wall, 0] * tone, room.wall[wall, 1] * tone, room.wall[wall, 2] * tone)
    if height_m < _SKIRTING_M:
        colour = (room.skirting[0], room.skirting[1], room.skirting[2])
    colour, shines = _decorate(room.decoration, wall, along_m, height_m, colour, lattice)
    if shines:
        return colour, True
    return _scaled(colour, 1.0 - 0.25 * math.exp(-4.0 * min(height_m, room.limits_m[4] - height_m))), False


@njit(cache=True, nogil=True, inline="always")
def _room_radiance(
    room: Room, ground: Ground, eye: Vector, ray: Vector, turn: tuple[float, float], pixel: float,
    lattice: NDArray[np.float32],
) -> RGB:  # fmt: skip
    """Radiance along a ray; `eye` and `ray` in the room's axes, `turn` its cosine and sine."""
    t, wall = _wall_hit(room.limits_m, eye[0], eye[2], ray[0], ray[2])
    level = room.limits_m[4] if ray[1] > 0.0 else 0.0
    t_level = (level - eye[1]) / ray[1] if abs(ray[1]) > 1e-9 else 1e9
    if t_level < t:
        t, wall = t_level, 4 if ray[1] > 0.0 else 5
    x, y, z = eye[0] + t * ray[0], eye[1] + t * ray[1], eye[2] + t * ray[2]
    c, s = turn
    nx = ny = nz = 0.0
    if wall == 5:
        ny = 1.0
        bright = floor_brightness(c * x - s * z, s * x + c * z, ground)
        colour = _scaled(_floor_colour(room, x, z, 3.0 * pixel * t, lattice), bright)
    elif wall == 4:
        ny, colour = -1.0, (room.wall[4, 0], room.wall[4, 1], room.wall[4, 2])
    else:
        colour, shines = _wall_colour(room, wall, z if wall < 2 else x, y, lattice)
        if shines:
            return colour
        inward = -1.0 if wall % 2 else 1.0
        nx, nz = (inward * c, inward * s) if wall < 2 else (-inward * s, inward * c)
    light = ground.light
    facing = nx * light.sun_direction[0] + ny * light.sun_direction[1] + nz * light.sun_direction[2]
    sun = 0.8 * max(facing, 0.0)
    return (
        colour[0] * (irradiance(light.harmonics, nx, ny, nz, 0) + sun * light.sun[0]),
        colour[1] * (irradiance(light.harmonics, nx, ny, nz, 1) + sun * light.sun[1]),
        colour[2] * (irradiance(light.harmonics, nx, ny, nz, 2) + sun * light.sun[2]),
    )


@njit(cache=True, nogil=True)
def paint_room(
    ray: NDArray[np.float32],
    eye_m: NDArray[np.float32],
    room: Room,
    ground: Ground,
    lattice: NDArray[np.float32],
    needed: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """The inside of a room; arguments as for `train.scene.backgrounds.paint_panorama`."""
    c, s = math.cos(room.yaw), math.sin(room.yaw)
    eye = (c * eye_m[0] + s * eye_m[2], eye_m[1] - ground.y_m, c * eye_m[2] - s * eye_m[0])
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not needed[y, x]:
                continue
            gx = ray[0, 0] * (x + 0.5) + ray[0, 1] * (y + 0.5) + ray[0, 2]
            gy = ray[1, 0] * (x + 0.5) + ray[1, 1] * (y + 0.5) + ray[1, 2]
            gz = ray[2, 0] * (x + 0.5) + ray[2, 1] * (y + 0.5) + ray[2, 2]
            direction = (c * gx + s * gz, gy, c * gz - s * gx)
            r = _room_radiance(room, ground, eye, direction, (c, s), pixel, lattice)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r[0], r[1], r[2]


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
    pattern, floor, skirting = _sample_floor(rng)
    limits = np.array([low[0], high[0], low[1], high[1], rng.uniform(2.3, 3.0)], np.float32)
    return Room(
        limits, yaw, wall.astype(np.float32), pattern, floor,
        float(rng.uniform(1.2, 3.0)), skirting, _decorations(limits, rng),
    )  # fmt: skip


def _sample_floor(rng: np.random.Generator) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Pattern and two colours of a floor, and the colour of the skirting board, dark ones by dark carpets."""
    kind = str(rng.choice(list(_FLOOR_ODDS), p=list(_FLOOR_ODDS.values())))
    pairs = _FLOORS[kind]
    pair = np.clip(np.array(pairs[rng.integers(len(pairs))]) * rng.uniform(0.75, 1.15), 4, 240)
    pattern = {"wood": 9, "stone": int(rng.choice([5, 10, 4])), "carpet": 5}[kind]
    dark_skirting = rng.random() < (0.55 if kind == "carpet" else 0.15)
    skirting = srgb(*(_DARK_SKIRTING if dark_skirting else _WHITE_SKIRTING))
    return pattern, np.stack([srgb(*colour) for colour in pair]), skirting


def _decorations(limits: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    rows = []
    for wall in range(4):
        start, end = (limits[2], limits[3]) if wall < 2 else (limits[0], limits[1])
        for _ in range(rng.integers(0, 4)):
            kind = int(rng.choice(5, p=_DECORATION_ODDS))
            half_u, half_v, v = {
                _PICTURE: (rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.45), rng.uniform(1.3, 1.8)),
                _WINDOW: (rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.75), 1.5),
                _DOOR: (0.44, 1.02, 1.02),
                _SHELF: (rng.uniform(0.3, 0.9), rng.uniform(0.5, 1.05), 1.05),
                _CURTAIN: (rng.uniform(0.25, 0.7), 1.1, 1.2),
            }[kind]
            tint = 45 if rng.random() < 0.12 else 12
            shade = np.array([140, 124, 108]) + rng.normal(0, 40) + rng.normal(0, tint, 3)
            colour = srgb(*np.clip(shade, 20, 235))
            if kind in (_WINDOW, _DOOR) and rng.random() < 0.6:
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
