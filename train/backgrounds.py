"""What is behind the person: panoramas with their ground laid out flat, and procedural rooms and outdoors.

Everything is cast ray by ray at the picture's own resolution. The floor takes the person's shadow and darkens where
they stand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.environment import Panorama, turned
from train.materials import second_share, srgb
from train.noise import noise3
from train.shading import Light, irradiance, lit_share

PANORAMA_HEIGHT_M = 1.6
"""Height above the ground at which panoramas are taken as photographed."""
_CONTACT_CELL_M = 0.03
_CONTACT_CELLS = 96
FLOOR_BIAS_M = 0.004


class Contact(NamedTuple):
    """How much of the sky the floor misses under the person."""

    share: NDArray[np.float32]
    """1 open, 0 covered; square cells. Shape: (n, n)."""
    corner_m: NDArray[np.float32]
    """X and Z of cell (0, 0). Shape: (2,)."""


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


def contact_map(p_m: NDArray[np.float32], floor_y_m: float) -> Contact:
    """Soft darkness under a body, from the height of its vertices over the floor."""
    centre = 0.5 * (p_m.min(0) + p_m.max(0))
    corner = np.array([centre[0], centre[2]], np.float32) - 0.5 * _CONTACT_CELL_M * _CONTACT_CELLS
    share = np.empty((_CONTACT_CELLS, _CONTACT_CELLS), np.float32)
    _spread(p_m, floor_y_m, corner, share)
    return Contact(share, corner)


@njit(cache=True, nogil=True)
def _spread(p_m, floor_y_m, corner, share):  # type: ignore[no-untyped-def]
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


@njit(cache=True, nogil=True)
def floor_brightness(x, y, z, light, shadow, contact):  # type: ignore[no-untyped-def]
    """Light on the floor as a share of what it gets without the person."""
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
    lit = lit_share(shadow, x, y, z, 2.0 * shadow.blur_px, FLOOR_BIAS_M) if sun > 0.02 * sky else 1.0
    return (sky * open_share + sun * lit) / (sky + sun + 1e-6)


@njit(cache=True, nogil=True)
def _sample_panorama(radiance, dx, dy, dz, out):  # type: ignore[no-untyped-def]
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
def paint_panorama(ray, eye_m, floor_y_m, radiance, yaw, light, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
    """A panorama whose lower half is laid out on the floor.

    Args:
        ray: ground direction from homogeneous pixels. Shape: (3, 3).
        eye_m: camera centre. Shape: (3,).
        floor_y_m: height of the floor.
        radiance: of the panorama.
        yaw: by which the world is turned, rad.
        light: already turned.
        shadow: of the scene.
        contact: under the person.
        lattice: of the noise.
        out: output, linear. Shape: (height, width, 3), float32.
    """
    c, s = math.cos(yaw), math.sin(yaw)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = x + 0.5, y + 0.5
            dx = ray[0, 0] * px + ray[0, 1] * py + ray[0, 2]
            dy = ray[1, 0] * px + ray[1, 1] * py + ray[1, 2]
            dz = ray[2, 0] * px + ray[2, 1] * py + ray[2, 2]
            brightness = 1.0
            t = (floor_y_m - eye_m[1]) / dy if dy < -1e-5 else 1e9
            hx, hz = eye_m[0] + t * dx, eye_m[2] + t * dz
            if t < 1e8 and hx * hx + hz * hz < 900.0:
                brightness = floor_brightness(hx, floor_y_m, hz, light, shadow, contact)
                brightness *= 0.93 + 0.14 * noise3(lattice, hx * 37.0, hz * 37.0, 1.0)
                dx, dy, dz = hx, -PANORAMA_HEIGHT_M, hz
            _sample_panorama(radiance, c * dx + s * dz, dy, c * dz - s * dx, out[y, x])
            for k in range(3):
                out[y, x, k] *= brightness


@njit(cache=True, nogil=True)
def _fade(frequency, footprint_m):  # type: ignore[no-untyped-def]
    """Contrast left of a texture when a pixel covers `footprint_m`."""
    return min(max(1.5 - 2.5 * frequency * footprint_m, 0.0), 1.0)


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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
def paint_room(ray, eye_m, floor_y_m, room, light, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
    """The inside of a room; arguments as for `paint_panorama`."""
    c, s = math.cos(room.yaw), math.sin(room.yaw)
    ex, ey, ez = c * eye_m[0] + s * eye_m[2], eye_m[1] - floor_y_m, c * eye_m[2] - s * eye_m[0]
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
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
                u, v = hx, hz
                f = room.floor_frequency
                share = second_share(room.floor_pattern, hx, hz, hz, f, lattice) * _fade(f, pixel * t * 3.0)
                tone = 0.9 + 0.2 * noise3(lattice, hx * 3.0, hz * 3.0, 2.0)
                r = tone * (room.floor[0, 0] + share * (room.floor[1, 0] - room.floor[0, 0]))
                g = tone * (room.floor[0, 1] + share * (room.floor[1, 1] - room.floor[0, 1]))
                b = tone * (room.floor[0, 2] + share * (room.floor[1, 2] - room.floor[0, 2]))
                wx, wz = eye_m[0] + t * gx, eye_m[2] + t * gz
                k = floor_brightness(wx, floor_y_m, wz, light, shadow, contact)
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


@njit(cache=True, nogil=True)
def _horizon(outdoors, azimuth, elevation, lattice):  # type: ignore[no-untyped-def]
    """Colour of the far line in a direction, and whether the direction meets it."""
    o = outdoors
    if o.houses > 0.5:
        block = math.floor(azimuth * 9.0)
        height = o.height_m * (0.5 + 1.0 * noise3(lattice, block * 1.3, o.seed, 0.0)) / o.distance_m
        if elevation > height:
            return 0.0, 0.0, 0.0, False
        tone = 0.7 + 0.5 * noise3(lattice, block * 2.7, o.seed, 4.0)
        u, v = azimuth * 90.0, elevation * o.distance_m * 0.7
        window = (u - math.floor(u)) > 0.45 and (v - math.floor(v)) > 0.5
        tone *= 0.45 if window else 1.0
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
def paint_outdoors(ray, eye_m, floor_y_m, outdoors, light, shadow, contact, lattice, out):  # type: ignore[no-untyped-def]
    """Ground, horizon and sky; arguments as for `paint_panorama`."""
    o = outdoors
    pixel = math.sqrt(ray[0, 0] ** 2 + ray[1, 0] ** 2 + ray[2, 0] ** 2)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = x + 0.5, y + 0.5
            dx = ray[0, 0] * px + ray[0, 1] * py + ray[0, 2]
            dy = ray[1, 0] * px + ray[1, 1] * py + ray[1, 2]
            dz = ray[2, 0] * px + ray[2, 1] * py + ray[2, 2]
            flat = math.sqrt(dx * dx + dz * dz) + 1e-9
            elevation, azimuth = dy / flat, math.atan2(dz, dx) * 2.0 + 8.0
            t = (floor_y_m - eye_m[1]) / dy if dy < -1e-6 else 1e9
            if t * flat < o.distance_m:
                hx, hz = eye_m[0] + t * dx, eye_m[2] + t * dz
                f = o.ground_frequency
                fine = (noise3(lattice, hx * f, hz * f, 0.0) - 0.5) * _fade(f, pixel * t)
                share = min(
                    max(0.5 + 0.7 * fine + 0.8 * (noise3(lattice, hx * 0.9, hz * 0.9, 6.0) - 0.5), 0.0), 1.0
                )
                k = floor_brightness(hx, floor_y_m, hz, light, shadow, contact)
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
        limits, yaw, wall.astype(np.float32), 9 if wooden else int(rng.choice([5, 10, 4])), np.stack([srgb(*c) for c in pair]),
        float(rng.uniform(1.2, 3.0)), _decorations(limits, rng),
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
        np.stack([srgb(*c) for c in pair]), float(rng.uniform(12, 40)), np.stack([zenith, horizon]).astype(np.float32), float(cloud),
        houses, float(rng.uniform(2.0, 9.0)), distance, far.astype(np.float32), float(rng.uniform(0, 30)),
    )  # fmt: skip
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.3)
    towards = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    ambient = rng.uniform(0.28, 0.42) + 0.2 * cloud
    harmonics = np.zeros((9, 3))
    harmonics[0] = ambient * np.array([0.94, 1.0, 1.08])
    harmonics[1] = ambient * 0.4
    sun = (1.0 - 0.85 * cloud) * rng.uniform(0.7, 1.2) * np.array([1.05, 1.0, 0.92])
    return outdoors, Light(towards.astype(np.float32), sun.astype(np.float32), harmonics.astype(np.float32))


def turned_panorama(panorama: Panorama, rng: np.random.Generator) -> tuple[float, Light]:
    """A random turn of a panorama, and its light turned with it."""
    yaw = float(rng.uniform(-np.pi, np.pi))
    return yaw, turned(panorama.light, yaw)
