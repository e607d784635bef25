"""Deferred shading: from the triangle seen at each pixel to linear radiance.

Light is a sun (or lamp) with a shadow map, and an environment given by spherical harmonics of order two
(Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", 2001).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.faces import FacePaint, paint_eye, paint_skin
from train.materials import (
    BUMP,
    BUMP_FREQUENCY,
    FINEST_M,
    FREQUENCY,
    GLOSS,
    GRAIN,
    HEM,
    SHEEN,
    SPECULAR,
    MaterialTable,
    second_share,
)
from train.mesh import bounds
from train.noise import noise3, noise3_gradient
from train.raster import visibility

SHADOW_MAP_PX = 256
SHADOW_BIAS_M = 0.018
_TAPS = 10
HEM_WIDTH_M = 0.018
_EYE, _SKIN, _HAIR = 13, 12, 14


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


class Geometry(NamedTuple):
    """A posed scene, ready to be looked up."""

    p_m: NDArray[np.float32]
    """Shape: (n_vertices, 3)."""
    normal: NDArray[np.float32]
    """Shape: (n_vertices, 3)."""
    coordinates_m: NDArray[np.float32]
    """Where materials are evaluated. Shape: (n_vertices, 3)."""
    detail: NDArray[np.float32]
    """Distance to the garment's edge in m and crease strength. Shape: (n_vertices, 2)."""
    faces: NDArray[np.int32]
    """Shape: (n_faces, 3)."""
    material: NDArray[np.int32]
    """Row of the material table. Shape: (n_faces,)."""


class Stage(NamedTuple):
    """All that decides a surface's radiance."""

    geometry: Geometry
    p_px: NDArray[np.float32]
    """Projected vertices as given to the rasteriser. Shape: (n_vertices, 3)."""
    materials: MaterialTable
    paint: FacePaint
    light: Light
    shadow: ShadowMap
    eye_m: NDArray[np.float32]
    """The camera's centre. Shape: (3,)."""
    focal_px: float
    """Of the picture, not of the finer visibility buffer."""
    lattice: NDArray[np.float32]
    """Of the noise."""


@njit(cache=True, nogil=True, inline="always")
def irradiance(harmonics, x, y, z, k):  # type: ignore[no-untyped-def]
    """Environment's irradiance over pi on a surface with this unit normal, channel `k`."""
    h = harmonics
    value = h[0, k] + h[1, k] * y + h[2, k] * z + h[3, k] * x
    value += h[4, k] * x * y + h[5, k] * y * z + h[6, k] * (3.0 * y * y - 1.0)
    value += h[7, k] * x * z + h[8, k] * (x * x - z * z)
    return max(value, 0.15 * h[0, k])


@njit(cache=True, nogil=True, inline="always")
def lit_share(shadow, x, y, z, blur_px, bias_m):  # type: ignore[no-untyped-def]
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


def no_shadow() -> ShadowMap:
    """A shadow map that shades nothing."""
    return ShadowMap(np.zeros((1, 1), np.float32), np.zeros((3, 4), np.float32), 0.0)


@njit(cache=True, nogil=True)
def barycentric(p_px, a, b, c, x, y):  # type: ignore[no-untyped-def]
    """Perspective-correct weights of a triangle's corners at a pixel position."""
    ax, ay, bx, by, cx, cy = p_px[a, 0], p_px[a, 1], p_px[b, 0], p_px[b, 1], p_px[c, 0], p_px[c, 1]
    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * p_px[a, 2]
    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * p_px[b, 2]
    wc = ((ax - x) * (by - y) - (ay - y) * (bx - x)) * p_px[c, 2]
    total = wa + wb + wc
    if total == 0.0:
        return 1.0, 0.0, 0.0
    # Snapping may put the centre just outside of the unsnapped triangle.
    wa, wb = min(max(wa / total, 0.0), 1.0), min(max(wb / total, 0.0), 1.0)
    wb = min(wb, 1.0 - wa)
    return wa, wb, 1.0 - wa - wb


@njit(cache=True, nogil=True)
def _mix(values, a, b, c, w):  # type: ignore[no-untyped-def]
    return (
        w[0] * values[a, 0] + w[1] * values[b, 0] + w[2] * values[c, 0],
        w[0] * values[a, 1] + w[1] * values[b, 1] + w[2] * values[c, 1],
        w[0] * values[a, 2] + w[1] * values[b, 2] + w[2] * values[c, 2],
    )


@njit(cache=True, nogil=True)
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    length = math.sqrt(x * x + y * y + z * z) + 1e-12
    return x / length, y / length, z / length


@njit(cache=True, nogil=True, inline="always")
def albedo(materials, m, q, edge, pixel_m, paint, lattice):  # type: ignore[no-untyped-def]
    """Colour of material `m` at its coordinates `q`; `edge` is the first of `Geometry.detail`."""
    pattern = materials.pattern[m]
    x, y, z = q
    base = (materials.colour[m, 0], materials.colour[m, 1], materials.colour[m, 2])
    if pattern == _SKIN:
        return paint_skin(base, x, y, z, paint, lattice)
    if pattern == _EYE:
        return paint_eye(x, y, z, paint)
    shift = materials.offset
    ox, oy, oz = x + shift[m, 0], y + shift[m, 1], z + shift[m, 2]
    if pattern == _HAIR:
        strands = noise3(lattice, ox * 310.0, oy * 24.0, oz * 310.0) + noise3(
            lattice, ox * 90.0, oy * 11.0, oz * 90.0
        )
        share = 1.3 * strands - 0.8
    else:
        share = second_share(pattern, x, y, z, materials.scalar[m, FREQUENCY], lattice, pixel_m)
    share = min(max(share, 0.0), 1.0)
    grain = noise3(lattice, ox * 21.0, oy * 21.0, oz * 21.0) - 0.5
    if pixel_m < FINEST_M:
        grain += noise3(lattice, ox * 220.0, oy * 220.0, oz * 220.0) - 0.5
    tone = 1.0 + materials.scalar[m, GRAIN] * 2.0 * grain
    if 0.0 <= edge < HEM_WIDTH_M:
        tone *= 1.0 - materials.scalar[m, HEM] * (0.4 if edge < 0.8 * HEM_WIDTH_M else 1.0)
    return (
        tone * (base[0] + share * (materials.second[m, 0] - base[0])),
        tone * (base[1] + share * (materials.second[m, 1] - base[1])),
        tone * (base[2] + share * (materials.second[m, 2] - base[2])),
    )


@njit(cache=True, nogil=True, inline="always")
def _wrinkled(n, q, materials, m, crease, lattice):  # type: ignore[no-untyped-def]
    """Normal tilted by wrinkles: broad ones everywhere, finer ones across creases."""
    f, strength = materials.scalar[m, BUMP_FREQUENCY], materials.scalar[m, BUMP]
    ox, oy, oz = materials.offset[m, 0], materials.offset[m, 1], materials.offset[m, 2]
    gx, gy, gz = noise3_gradient(lattice, q[0] * f + ox, q[1] * 0.6 * f + oy, q[2] * f + oz)
    k = 0.55 * strength
    dx, dy, dz = k * gx, k * 0.6 * gy, k * gz
    if crease > 0.02:
        gx, gy, gz = noise3_gradient(lattice, q[0] * 18.0 + oy, q[1] * 55.0 + oz, q[2] * 18.0 + ox)
        k = 1.1 * strength * crease
        dx, dy, dz = dx + 0.4 * k * gx, dy + k * gy, dz + 0.4 * k * gz
    along = dx * n[0] + dy * n[1] + dz * n[2]
    return _unit(n[0] - dx + along * n[0], n[1] - dy + along * n[1], n[2] - dz + along * n[2])


@njit(cache=True, nogil=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, inline="always")
def _channel(k, albedo_k, n, facing, shine, grazing, lit, ambient, materials, m, light):  # type: ignore[no-untyped-def]
    """Radiance of one colour channel."""
    skin = materials.pattern[m] == _SKIN
    wrap = (0.34 - 0.1 * k) if skin else 0.0  # light spreads in skin, red the farthest
    sun = light.sun[k] * lit
    around = irradiance(light.harmonics, n[0], n[1], n[2], k) * ambient
    diffuse = sun * max((facing + wrap) / (1.0 + wrap), 0.0) + around
    fibres = 1.0 + materials.scalar[m, SHEEN] * grazing
    mirrored = around * (0.3 + 3.0 * grazing) + 3.0 * sun * shine
    return albedo_k * fibres * diffuse + materials.scalar[m, SPECULAR] * mirrored


@njit(cache=True, nogil=True, inline="always")
def _radiance(colour, n, view, lit, ambient, materials, m, light):  # type: ignore[no-untyped-def]
    """Light leaving a surface towards the viewer."""
    sun = (light.sun_direction[0], light.sun_direction[1], light.sun_direction[2])
    facing = _dot(n, sun)
    half = _unit(sun[0] + view[0], sun[1] + view[1], sun[2] + view[2])
    # Schlick's rational stand-in for the power function of Phong's highlight.
    shine, gloss = max(_dot(n, half), 0.0), materials.scalar[m, GLOSS]
    shine = shine / (gloss - gloss * shine + shine) * max(facing, 0.0)
    grazing = (1.0 - max(_dot(n, view), 0.0)) ** 3
    return (
        _channel(0, colour[0], n, facing, shine, grazing, lit, ambient, materials, m, light),
        _channel(1, colour[1], n, facing, shine, grazing, lit, ambient, materials, m, light),
        _channel(2, colour[2], n, facing, shine, grazing, lit, ambient, materials, m, light),
    )


@njit(cache=True, nogil=True, inline="always")
def _shade_point(stage, f, x, y, inverse_depth, ambient):  # type: ignore[no-untyped-def]
    """Radiance of triangle `f` at a position in the visibility buffer."""
    g, materials, lattice = stage.geometry, stage.materials, stage.lattice
    a, b, c = g.faces[f, 0], g.faces[f, 1], g.faces[f, 2]
    w = barycentric(stage.p_px, a, b, c, x, y)
    p = _mix(g.p_m, a, b, c, w)
    q = _mix(g.coordinates_m, a, b, c, w)
    n = _mix(g.normal, a, b, c, w)
    n = _unit(n[0], n[1], n[2])
    view = _unit(stage.eye_m[0] - p[0], stage.eye_m[1] - p[1], stage.eye_m[2] - p[2])
    if _dot(n, view) < -0.05:
        n = (-n[0], -n[1], -n[2])  # the inside of a garment
    edge = w[0] * g.detail[a, 0] + w[1] * g.detail[b, 0] + w[2] * g.detail[c, 0]
    m = g.material[f]
    if materials.scalar[m, BUMP] > 0.0:
        crease = w[0] * g.detail[a, 1] + w[1] * g.detail[b, 1] + w[2] * g.detail[c, 1]
        n = _wrinkled(n, q, materials, m, crease, lattice)
    pixel_m = 1.0 / (inverse_depth * stage.focal_px)
    colour = albedo(materials, m, q, edge, pixel_m, stage.paint, lattice)
    sun = stage.light.sun_direction
    lit = 0.0
    if n[0] * sun[0] + n[1] * sun[1] + n[2] * sun[2] > -0.35:
        lit = lit_share(stage.shadow, p[0], p[1], p[2], stage.shadow.blur_px, SHADOW_BIAS_M)
    return _radiance(colour, n, view, lit, ambient, materials, m, stage.light)


@njit(cache=True, nogil=True)
def shade(face_id, inverse_depth, stage, occlusion, out):  # type: ignore[no-untyped-def]
    """Radiance and coverage of a picture of half the visibility buffer's size.

    Each output pixel gathers four samples; those of one material at one depth are shaded once, in the middle.

    Args:
        face_id: triangle seen, -1 where empty. Shape: (2 height, 2 width), int32.
        inverse_depth: 1/depth. Shape: (2 height, 2 width), float32.
        stage: what is seen, and in which light.
        occlusion: share of the environment that is seen. Shape: (height, width), float32.
        out: output, linear and premultiplied, and share of the pixel covered. Shape: (height, width, 4),
            float32.
    """
    out[:] = 0.0
    material = stage.geometry.material
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            done = 0
            for k in range(4):
                v, u = 2 * y + (k >> 1), 2 * x + (k & 1)
                f, depth = face_id[v, u], inverse_depth[v, u]
                if done >> k & 1 or f < 0:
                    continue
                share, sum_x, sum_y = 0, 0, 0
                for j in range(k, 4):
                    vj, uj = 2 * y + (j >> 1), 2 * x + (j & 1)
                    g = face_id[vj, uj]
                    if done >> j & 1 or g < 0 or material[g] != material[f]:
                        continue
                    if abs(inverse_depth[vj, uj] - depth) > 0.02 * depth:
                        continue
                    done |= 1 << j
                    share, sum_x, sum_y = share + 1, sum_x + uj, sum_y + vj
                r = _shade_point(stage, f, sum_x / share + 0.5, sum_y / share + 0.5, depth, occlusion[y, x])
                for channel in range(3):
                    out[y, x, channel] += 0.25 * share * r[channel]
                out[y, x, 3] += 0.25 * share


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
def screen_occlusion(inverse_depth, radius_m, focal_px, offsets, out):  # type: ignore[no-untyped-def]
    """Share of the environment seen, judged from nearer surfaces around each pixel.

    Args:
        inverse_depth: 1/depth, 0 where empty. Shape: (height, width), float32.
        radius_m: how far a surface darkens others.
        focal_px: of this picture.
        offsets: from `occlusion_taps`.
        out: output, 0.35 to 1. Shape: (height, width), float32.
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
