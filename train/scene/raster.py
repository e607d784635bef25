"""Z-buffer rasteriser on the CPU: which triangle is seen at each pixel.

Coverage is decided in integers (vertices snapped to 1/256 px, pixel centres, top-left fill rule) and depth in
float64 with a fixed order of operations, so that every machine gives the same pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from train.clothing.noise import Vector

SUBPIXEL_BITS = 8
SUBPIXELS = 1 << SUBPIXEL_BITS
"""Steps per pixel to which vertices are snapped."""
COORDINATE_LIMIT_PX = 16384.0
"""Triangles with a vertex farther out are dropped: edge functions must fit in 64 bits, exactly in float64."""

NO_CLIP = np.empty(0, np.float32)
"""Passed as `clip` where no vertex carries a clipping field."""

_HALF = SUBPIXELS // 2


@njit(cache=True, nogil=True)
def _fill_bias(dx: int, dy: int) -> int:
    """0 for a top or left edge, which owns the pixel centres on it, else -1."""
    return 0 if dy < 0 or (dy == 0 and dx > 0) else -1


@njit(cache=True, nogil=True)
def _scan(
    v: tuple[int, int, int, int, int, int],
    iw: Vector,
    clip: Vector,
    has_clip: bool,
    face: int,
    box: tuple[int, int, int, int],
    inverse_depth: NDArray[np.float32],
    face_id: NDArray[np.int32],
) -> None:
    """Fill one triangle of positive area. `v`: six snapped coordinates; `box`: x0, x1, y0, y1."""
    ax, ay, bx, by, cx, cy = v
    abx, aby, bcx, bcy, cax, cay = bx - ax, by - ay, cx - bx, cy - by, ax - cx, ay - cy
    per_area = 1.0 / float(abx * (cy - ay) - aby * (cx - ax))
    bias_a, bias_b, bias_c = _fill_bias(bcx, bcy), _fill_bias(cax, cay), _fill_bias(abx, aby)
    px = box[0] * SUBPIXELS + _HALF
    for y in range(box[2], box[3] + 1):
        py = y * SUBPIXELS + _HALF
        # Edge functions, stepped along the row: integers, so exact.
        ea = bcx * (py - by) - bcy * (px - bx) + bcy * SUBPIXELS
        eb = cax * (py - cy) - cay * (px - cx) + cay * SUBPIXELS
        ec = abx * (py - ay) - aby * (px - ax) + aby * SUBPIXELS
        for x in range(box[0], box[1] + 1):
            ea -= bcy * SUBPIXELS
            eb -= cay * SUBPIXELS
            ec -= aby * SUBPIXELS
            if (ea + bias_a) | (eb + bias_b) | (ec + bias_c) < 0:  # the sign of any
                continue
            wa, wb, wc = float(ea) * iw[0], float(eb) * iw[1], float(ec) * iw[2]
            depth = np.float32((wa + wb + wc) * per_area)
            if depth <= inverse_depth[y, x]:
                continue
            if has_clip and wa * clip[0] + wb * clip[1] + wc * clip[2] < 0.0:
                continue
            inverse_depth[y, x] = depth
            face_id[y, x] = face


@njit(cache=True, nogil=True)
def _snap(value: float) -> int:
    return math.floor(float(value) * SUBPIXELS + 0.5)


@njit(cache=True, nogil=True)
def _may_show(p_px: NDArray[np.float32], a: int, b: int, c: int, width: int, height: int) -> bool:
    """Whether a triangle is finite, on the image and wide enough to touch a pixel's centre."""
    x_min, x_max = min(p_px[a, 0], p_px[b, 0], p_px[c, 0]), max(p_px[a, 0], p_px[b, 0], p_px[c, 0])
    y_min, y_max = min(p_px[a, 1], p_px[b, 1], p_px[c, 1]), max(p_px[a, 1], p_px[b, 1], p_px[c, 1])
    if x_max < 0.0 or y_max < 0.0 or x_min > width or y_min > height:
        return False
    # Most triangles are smaller than a pixel. Snapping moves vertices by less than 0.002 px.
    if math.floor(x_max - 0.498) < math.ceil(x_min - 0.502):
        return False
    if math.floor(y_max - 0.498) < math.ceil(y_min - 0.502):
        return False
    limit = COORDINATE_LIMIT_PX
    if not (x_min > -limit and y_min > -limit and x_max < limit and y_max < limit):
        return False
    # min and max skip NaN
    return not np.isnan(p_px[a, 0] + p_px[b, 0] + p_px[c, 0] + p_px[a, 1] + p_px[b, 1] + p_px[c, 1])


@njit(cache=True, nogil=True)
def rasterise(
    p_px: NDArray[np.float32],
    faces: NDArray[np.int32],
    clip: NDArray[np.float32],
    inverse_depth: NDArray[np.float32],
    face_id: NDArray[np.int32],
) -> None:
    """Draw all triangles, both sides; the nearest wins, at equal depth the one with the lower index.

    Args:
        p_px: X, y in pixels and 1/depth of each vertex; a vertex with 1/depth <= 0 (behind the camera) drops
            its triangles. Shape: (n_vertices, 3), float32.
        faces: Vertex indices. Shape: (n_faces, 3), int32.
        clip: Field per vertex; pixels where its perspective-correct interpolation is negative are left out.
            Shape: (n_vertices,), float32, or `NO_CLIP`.
        inverse_depth: Output, 1/depth, 0 where empty. Shape: (height, width), float32.
        face_id: Output, index of the triangle seen, -1 where empty. Shape: (height, width), int32.
    """
    height, width = face_id.shape
    inverse_depth[:] = 0.0
    face_id[:] = -1
    has_clip = clip.shape[0] > 0
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        if not (p_px[a, 2] > 0.0 and p_px[b, 2] > 0.0 and p_px[c, 2] > 0.0):
            continue
        if not _may_show(p_px, a, b, c, width, height):
            continue
        ax, ay = _snap(p_px[a, 0]), _snap(p_px[a, 1])
        bx, by = _snap(p_px[b, 0]), _snap(p_px[b, 1])
        cx, cy = _snap(p_px[c, 0]), _snap(p_px[c, 1])
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        if area < 0:  # same winding for both sides
            b, c, bx, by, cx, cy = c, b, cx, cy, bx, by
        # First and last pixel whose centre can be inside.
        x0 = max(0, (min(ax, bx, cx) + _HALF - 1) >> SUBPIXEL_BITS)
        x1 = min(width - 1, (max(ax, bx, cx) - _HALF) >> SUBPIXEL_BITS)
        y0 = max(0, (min(ay, by, cy) + _HALF - 1) >> SUBPIXEL_BITS)
        y1 = min(height - 1, (max(ay, by, cy) - _HALF) >> SUBPIXEL_BITS)
        if x1 < x0 or y1 < y0:
            continue
        iw = (float(p_px[a, 2]), float(p_px[b, 2]), float(p_px[c, 2]))
        k = (0.0, 0.0, 0.0)
        if has_clip:
            k = (float(clip[a]), float(clip[b]), float(clip[c]))
        _scan((ax, ay, bx, by, cx, cy), iw, k, has_clip, face, (x0, x1, y0, y1), inverse_depth, face_id)


def visibility(
    p_px: NDArray[np.float32],
    faces: NDArray[np.int32],
    height_px: int,
    width_px: int,
    clip: NDArray[np.float32] = NO_CLIP,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """`rasterise` into new buffers: (1/depth, face index), each of shape (height_px, width_px)."""
    inverse_depth = np.empty((height_px, width_px), np.float32)
    face_id = np.empty((height_px, width_px), np.int32)
    rasterise(p_px, faces, clip, inverse_depth, face_id)
    return inverse_depth, face_id
