"""The z-buffer of :mod:`train.raster` for batches of views in torch, on any device, with the same pixels.

Every candidate pixel of every triangle becomes one 64-bit key (bits of 1/depth, then the triangle's index
counted from the end), and `scatter_reduce("amax")` keeps the winner: nearest first, lower index on ties, in
any order.
"""

from __future__ import annotations

import torch

from train.raster import COORDINATE_LIMIT_PX, SUBPIXELS

_BOX_SIZES_PX = (1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_CANDIDATES_PER_PASS = 4_000_000
_FACE_LIMIT = 2**31 - 1
_HALF = SUBPIXELS // 2


def _fill_bias(dx: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
    """0 for a top or left edge, else -1, as in the CPU rasteriser."""
    return ((dy < 0) | ((dy == 0) & (dx > 0))).long() - 1


def _snapped_triangles(p_px: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Snapped corners (views, faces, 3, 2) of one winding, their vertex order, signed area and validity."""
    corners = p_px[:, faces]
    xy = corners[..., :2]
    size_ok = (xy.abs() < COORDINATE_LIMIT_PX).all(-1).all(-1)
    snapped = torch.floor(torch.nan_to_num(xy).double() * SUBPIXELS + 0.5).long()
    ab, ac = snapped[..., 1, :] - snapped[..., 0, :], snapped[..., 2, :] - snapped[..., 0, :]
    area = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    valid = size_ok & (corners[..., 2] > 0).all(-1) & (area != 0)
    identity = torch.tensor([0, 1, 2], device=p_px.device)
    swapped = torch.tensor([0, 2, 1], device=p_px.device)
    order = torch.where((area < 0)[..., None], swapped, identity)
    snapped = torch.gather(snapped, 2, order[..., None].expand(-1, -1, -1, 2))
    return snapped, order, area.abs(), valid


def _covered(
    x: torch.Tensor, y: torch.Tensor, corners: torch.Tensor, on_picture: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Candidate pixels that triangles cover.

    Args:
        x: columns. Shape: (n, 1, k), int64.
        y: rows. Shape: (n, k, 1), int64.
        corners: snapped. Shape: (n, 3, 2), int64.
        on_picture: shape (n, k, k), bool.

    Returns:
        Indices into (n, k, k), shape (m, 3), and the three edge functions there, shape (m, 3), int64.
    """
    px, py = x * SUBPIXELS + _HALF, y * SUBPIXELS + _HALF
    edges, inside = [], on_picture
    for i, j in ((1, 2), (2, 0), (0, 1)):
        start, step = corners[:, i, None, None], (corners[:, j] - corners[:, i])[:, None, None]
        edge = step[..., 0] * (py - start[..., 1]) - step[..., 1] * (px - start[..., 0])
        inside = inside & (edge + _fill_bias(step[..., 0], step[..., 1]) >= 0)
        edges.append(edge)
    return inside.nonzero(), torch.stack([edge[inside] for edge in edges], -1)


def _keys(
    edges: torch.Tensor,
    inverse_depth: torch.Tensor,
    area: torch.Tensor,
    clip: torch.Tensor | None,
    face: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys of covered pixels, and which of them are kept; all arguments one row for each pixel."""
    wa, wb, wc = (edges[:, k].double() * inverse_depth[:, k].double() for k in range(3))
    depth = ((wa + wb + wc) * (1.0 / area.double())).float()
    kept = depth > 0
    if clip is not None:
        a, b, c = (clip[:, k].double() for k in range(3))
        kept = kept & ~(wa * a + wb * b + wc * c < 0.0)
    bits = depth.contiguous().view(torch.int32).long()
    return (bits << 32) | (_FACE_LIMIT - face), kept


def rasterise_batch(
    p_px: torch.Tensor,
    faces: torch.Tensor,
    height_px: int,
    width_px: int,
    clip: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one mesh in many views.

    Args:
        p_px: x, y in pixels and 1/depth. Shape: (n_views, n_vertices, 3), float32.
        faces: vertex indices. Shape: (n_faces, 3), int64.
        height_px: of the pictures.
        width_px: of the pictures.
        clip: clipping field per vertex, or None. Shape: (n_vertices,), float32.

    Returns:
        1/depth (0 where empty), float32, and index of the triangle seen (-1 where empty), int32, both of
        shape (n_views, height_px, width_px) and equal to what `train.raster.rasterise` gives for each view.
    """
    n_views, device = p_px.shape[0], p_px.device
    corners, order, area, valid = _snapped_triangles(p_px, faces)
    low, high = corners.amin(2), corners.amax(2)
    first = torch.div(low + _HALF - 1, SUBPIXELS, rounding_mode="floor").clamp_min(0)
    last = torch.div(high - _HALF, SUBPIXELS, rounding_mode="floor")
    last = torch.minimum(last, torch.tensor([width_px - 1, height_px - 1], device=device))
    extent = (last - first + 1).amax(-1)
    valid = valid & (last >= first).all(-1)
    buffer = torch.zeros(n_views * height_px * width_px, dtype=torch.int64, device=device)
    smaller = 0
    for size in _BOX_SIZES_PX:
        chosen = (valid & (extent > smaller) & (extent <= size)).nonzero()
        smaller = size
        steps = torch.arange(size, device=device)
        for part in chosen.split(max(1, _CANDIDATES_PER_PASS // (size * size))):
            view, face = part[:, 0], part[:, 1]
            x = first[view, face, 0, None, None] + steps[None, None, :]
            y = first[view, face, 1, None, None] + steps[None, :, None]
            on_picture = (x < width_px) & (y < height_px)
            pixel, edges = _covered(x, y, corners[view, face], on_picture)
            row = pixel[:, 0]
            view, face = view[row], face[row]
            vertices = torch.gather(faces[face], 1, order[view, face])
            key, kept = _keys(
                edges,
                p_px[view[:, None], vertices, 2],
                area[view, face],
                None if clip is None else clip[vertices],
                face,
            )
            column, line = x[row, 0, pixel[:, 2]], y[row, pixel[:, 1], 0]
            index = (view * height_px + line) * width_px + column
            buffer.scatter_reduce_(0, index[kept], key[kept], "amax")
    buffer = buffer.view(n_views, height_px, width_px)
    face_id = torch.where(buffer > 0, _FACE_LIMIT - (buffer & 0xFFFFFFFF), -1).int()
    return (buffer >> 32).int().view(torch.float32), face_id
