"""Deferred shading: from the triangle seen at each pixel to linear radiance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.faces import FacePaint, paint_eye, paint_skin
from train.clothing.materials import (
    BUMP,
    BUMP_FREQUENCY,
    FINEST_M,
    FREQUENCY,
    GLOSS,
    GRAIN,
    HEM,
    RGB,
    SHEEN,
    SPECULAR,
    MaterialTable,
    second_share,
)
from train.clothing.noise import Vector, noise3, noise3_gradient
from train.scene.lighting import Light, ShadowMap, irradiance, lit_share

SHADOW_BIAS_M = 0.018
HEM_WIDTH_M = 0.018
_EYE, _SKIN, _HAIR = 13, 12, 14


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
    """Focal length in the image, not in the finer visibility buffer."""
    lattice: NDArray[np.float32]
    """Noise lattice."""


@njit(cache=True, nogil=True)
def barycentric(p_px: NDArray[np.float32], a: int, b: int, c: int, x: float, y: float) -> Vector:
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
def _mix(values: NDArray[np.float32], a: int, b: int, c: int, w: Vector) -> Vector:
    return (
        w[0] * values[a, 0] + w[1] * values[b, 0] + w[2] * values[c, 0],
        w[0] * values[a, 1] + w[1] * values[b, 1] + w[2] * values[c, 1],
        w[0] * values[a, 2] + w[1] * values[b, 2] + w[2] * values[c, 2],
    )


@njit(cache=True, nogil=True)
def _unit(x: float, y: float, z: float) -> Vector:
    length = math.sqrt(x * x + y * y + z * z) + 1e-12
    return x / length, y / length, z / length


@njit(cache=True, nogil=True, inline="always")
def albedo(
    materials: MaterialTable,
    m: int,
    q: Vector,
    edge: float,
    pixel_m: float,
    paint: FacePaint,
    lattice: NDArray[np.float32],
) -> RGB:
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
def _wrinkled(
    n: Vector, q: Vector, materials: MaterialTable, m: int, crease: float, lattice: NDArray[np.float32]
) -> Vector:
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
def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, inline="always")
def _channel(
    k: int,
    albedo_k: float,
    n: Vector,
    facing: float,
    shine: float,
    grazing: float,
    lit: float,
    ambient: float,
    materials: MaterialTable,
    m: int,
    light: Light,
) -> float:
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
def _radiance(
    colour: RGB,
    n: Vector,
    view: Vector,
    lit: float,
    ambient: float,
    materials: MaterialTable,
    m: int,
    light: Light,
) -> RGB:
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
def _shade_point(stage: Stage, f: int, x: float, y: float, inverse_depth: float, ambient: float) -> RGB:
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
def shade(
    face_id: NDArray[np.int32],
    inverse_depth: NDArray[np.float32],
    stage: Stage,
    occlusion: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Radiance and coverage of an image of half the visibility buffer's size.

    Each output pixel gathers four samples; those of one material at one depth are shaded once, in the middle.

    Args:
        face_id: Triangle seen, -1 where empty. Shape: (2 height, 2 width), int32.
        inverse_depth: 1/depth. Shape: (2 height, 2 width), float32.
        stage: Geometry, materials and light.
        occlusion: Visible share of the environment. Shape: (height, width), float32.
        out: Output, linear and premultiplied, and share of the pixel covered. Shape: (height, width, 4),
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
