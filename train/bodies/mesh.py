"""Kernels on triangle meshes: normals, smoothing, and cutting parts out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Adjacency:
    """Neighbours of each vertex in compressed rows."""

    row_start: NDArray[np.int32]
    """Where each vertex's neighbours begin. Shape: (n_vertices + 1,)."""
    neighbour: NDArray[np.int32]
    """Vertex indices. Shape: (n_edges * 2,)."""

    @classmethod
    def from_faces(cls, faces: NDArray[np.int32], n_vertices: int) -> Adjacency:
        """Edges of all triangles, each once in both directions."""
        start = faces.ravel().astype(np.int64)
        end = np.roll(faces, -1, axis=1).ravel().astype(np.int64)
        key = np.unique(np.concatenate([start * n_vertices + end, end * n_vertices + start]))
        count = np.bincount(key // n_vertices, minlength=n_vertices)
        row_start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
        return cls(row_start, (key % n_vertices).astype(np.int32))


@njit(cache=True, nogil=True)
def vertex_normals(p_m: NDArray[np.float32], faces: NDArray[np.int32], normal: NDArray[np.float32]) -> None:
    """Area-weighted unit normals into `normal` (n_vertices, 3), float32; zero where no face touches."""
    normal[:] = 0.0
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = p_m[b, 0] - p_m[a, 0], p_m[b, 1] - p_m[a, 1], p_m[b, 2] - p_m[a, 2]
        vx, vy, vz = p_m[c, 0] - p_m[a, 0], p_m[c, 1] - p_m[a, 1], p_m[c, 2] - p_m[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normal[i, 0] += nx
            normal[i, 1] += ny
            normal[i, 2] += nz
    for i in range(normal.shape[0]):
        length = np.sqrt(normal[i, 0] ** 2 + normal[i, 1] ** 2 + normal[i, 2] ** 2)
        if length > 0.0:
            normal[i] /= length


@njit(cache=True, nogil=True)
def smooth(
    values: NDArray[np.float32],
    row_start: NDArray[np.int32],
    neighbour: NDArray[np.int32],
    chosen: NDArray[np.int64],
    iterations: int,
) -> NDArray[np.float32]:
    """Repeatedly replace chosen vertices' values by the mean of their neighbours' (uniform Laplacian).

    Args:
        values: Values per vertex. Shape: (n_vertices, k), float32.
        row_start: Row starts of the adjacency.
        neighbour: Neighbours of the adjacency.
        chosen: Indices of the vertices to change. Shape: (n_chosen,).
        iterations: Number of passes.

    Returns:
        New array of the same shape.
    """
    old, new = values.copy(), values.copy()
    for _ in range(iterations):
        for i in chosen:
            first, last = row_start[i], row_start[i + 1]
            if first == last:
                continue
            share = np.float32(1.0) / np.float32(last - first)
            for k in range(old.shape[1]):
                total = np.float32(0.0)
                for j in range(first, last):
                    total += old[neighbour[j], k]
                new[i, k] = total * share
        old, new = new, old
    return old


@njit(cache=True, nogil=True)
def surrounded(
    inside: NDArray[np.bool_], row_start: NDArray[np.int32], neighbour: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Vertices that are inside with all their neighbours. Shape: (n_vertices,), bool."""
    out = inside.copy()
    for i in range(inside.shape[0]):
        if inside[i]:
            for j in range(row_start[i], row_start[i + 1]):
                if not inside[neighbour[j]]:
                    out[i] = False
                    break
    return out


@njit(cache=True, nogil=True)
def faces_within(faces: NDArray[np.int32], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Faces whose vertices are all inside. Shape: (n_faces,), bool."""
    out = np.empty(faces.shape[0], np.bool_)
    for f in range(faces.shape[0]):
        out[f] = inside[faces[f, 0]] and inside[faces[f, 1]] and inside[faces[f, 2]]
    return out


@njit(cache=True, nogil=True)
def distances_m(p_m: NDArray[np.float32], point_m: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance of each vertex from a point. Shape: (n_vertices,), float32."""
    out = np.empty(p_m.shape[0], np.float32)
    for i in range(p_m.shape[0]):
        x, y, z = p_m[i, 0] - point_m[0], p_m[i, 1] - point_m[1], p_m[i, 2] - point_m[2]
        out[i] = np.sqrt(x * x + y * y + z * z)
    return out


@njit(cache=True, nogil=True)
def bounds(p_m: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest coordinates of vertices. Shapes: (3,), (3,)."""
    low, high = p_m[0].copy(), p_m[0].copy()
    for i in range(1, p_m.shape[0]):
        for k in range(3):
            low[k] = min(low[k], p_m[i, k])
            high[k] = max(high[k], p_m[i, k])
    return low, high


def cut(
    faces: NDArray[np.int32], keep_vertex: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Faces whose vertices are all kept, renumbered, and the kept vertices' old indices."""
    kept = np.flatnonzero(keep_vertex).astype(np.int32)
    renumbered = np.full(len(keep_vertex), -1, np.int32)
    renumbered[kept] = np.arange(len(kept), dtype=np.int32)
    return renumbered[faces[faces_within(faces, keep_vertex)]], kept
