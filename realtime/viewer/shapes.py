"""Closed surfaces for bones: lofts, tubes and ellipsoids; numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-12
_ASKEW = np.array([0.3, 0.1, 0.2])

Floats = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.float64]
"""Numbers of any shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle mesh with outward normals by the right-hand rule."""

    vertices: NDArray[np.float64]
    """Vertices in m. Shape: (n_vertices, 3)."""
    triangles: NDArray[np.int32]
    """Indices of vertices. Shape: (n_triangles, 3)."""
    brightness: NDArray[np.float64]
    """Factor on the colour of each vertex, below 1 in concave parts. Shape: (n_vertices,)."""

    def mapped(self, matrix: NDArray[np.float64], offset: Floats = (0.0, 0.0, 0.0)) -> Mesh:
        """The mesh mapped by `p -> matrix @ p + offset`; normals stay outward if the matrix mirrors.

        Args:
            matrix: Linear map. Shape: (3, 3).
            offset: Translation in m. Shape: (3,).
        """
        flipped = self.triangles[:, ::-1] if np.linalg.det(matrix) < 0.0 else self.triangles
        return Mesh(self.vertices @ matrix.T + np.asarray(offset), flipped, self.brightness)

    def dimmed(self, brightness: float) -> Mesh:
        """The mesh with the same brightness for every vertex."""
        return Mesh(self.vertices, self.triangles, np.full(len(self.vertices), brightness))


EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32), np.zeros(0))
MIRROR = np.diag([1.0, 1.0, -1.0])
"""Mirror map from the right side of the body to the left: Z points right."""


def merge(meshes: Iterable[Mesh]) -> Mesh:
    """Merge meshes into one."""
    parts = [EMPTY, *meshes]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=True)]).astype(
            np.int32
        ),
        np.concatenate([part.brightness for part in parts]),
    )


def both_sides(right: Mesh) -> Mesh:
    """A mesh and its mirror image."""
    return merge([right, right.mapped(MIRROR)])


def loft(centres: Floats, across: Floats, through: Floats, sides: int = 8) -> Mesh:
    """A closed surface through ellipses, with a vertex in the middle of each end.

    Args:
        centres: Centres of the ellipses. Shape: (n, 3).
        across: First semi-axis of each ellipse. Shape: (n, 3).
        through: Second semi-axis of each; `across x through` points along the loft. Shape: (n, 3).
        sides: Number of points of an ellipse.
    """
    c, u, v = (np.asarray(values, dtype=np.float64) for values in (centres, across, through))
    n = len(c)
    angle = 2.0 * np.pi * np.arange(sides) / sides
    rings = c[:, None] + np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
    vertices = np.concatenate([rings.reshape(-1, 3), c[:1], c[-1:]])
    here = np.arange(sides)
    after = (here + 1) % sides
    low = sides * np.arange(n - 1)[:, None]
    quads = np.stack([low + here, low + after, low + sides + after, low + sides + here], axis=-1).reshape(
        -1, 4
    )
    first, last, top = n * sides, n * sides + 1, (n - 1) * sides
    ends = [
        np.stack([np.full(sides, first), after, here], axis=1),
        np.stack([np.full(sides, last), top + here, top + after], axis=1),
    ]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], *ends])
    return Mesh(vertices, triangles.astype(np.int32), np.ones(len(vertices)))


def tube(points: Floats, radii: Floats, sides: int = 8, wide: Sequence[float] = (0.0, 0.0, 1.0)) -> Mesh:
    """A tube along points.

    Args:
        points: Points in m, no two successive ones equal. Shape: (n, 3).
        radii: Radius in m at each point, or two radii, along `wide` and across. Shape: (n,) or (n, 2).
        sides: Number of points around the tube.
        wide: Direction of the first radius, projected perpendicular to the tube.
    """
    p = np.asarray(points, dtype=np.float64)
    r = np.asarray(radii, dtype=np.float64)
    r = np.stack([r, r], axis=1) if r.ndim == 1 else r
    along = np.gradient(p, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    u = np.asarray(wide, dtype=np.float64) - along * (along @ np.asarray(wide))[:, None]
    length = np.linalg.norm(u, axis=1, keepdims=True)
    # Where the tube runs along `wide`, any perpendicular will do.
    spare = np.cross(along, np.roll(along, 1, axis=1) + _ASKEW)
    u = np.where(length > 0.05, u, spare)
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), _TINY)
    return loft(p, u * r[:, :1], np.cross(along, u) * r[:, 1:], sides)


def ellipsoid(centre: Floats, radii: Floats, rings: int = 6, sides: int = 10) -> Mesh:
    """An ellipsoid along the axes.

    Args:
        centre: Centre in m. Shape: (3,).
        radii: Radii in m along x, y and z. Shape: (3,).
        rings: Number of rings between the poles, which lie along y.
        sides: Number of points of a ring.
    """
    middle = np.asarray(centre, dtype=np.float64)
    a, b, c = np.asarray(radii, dtype=np.float64).tolist()
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rings + 2)[1:-1]
    y, r = np.sin(latitude), np.cos(latitude)
    zero = np.zeros_like(r)
    body = loft(
        middle + b * np.stack([zero, y, zero], axis=1),
        np.stack([zero, zero, c * r], axis=1),
        np.stack([a * r, zero, zero], axis=1),
        sides,
    )
    vertices, pole = body.vertices, np.array([0.0, b, 0.0])
    vertices[-2], vertices[-1] = middle - pole, middle + pole
    return Mesh(vertices, body.triangles, body.brightness)


def curve(points: Floats, n: int) -> NDArray[np.float64]:
    """`n` points on a smooth curve through `points` (Catmull and Rom 1974), in any dimension.

    Args:
        points: Two or more points. Shape: (k, d).
        n: Number of points, including the ends.
    """
    p = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([2.0 * p[:1] - p[1:2], p, 2.0 * p[-1:] - p[-2:-1]])
    at = np.linspace(0.0, len(p) - 1.0, n)
    k = np.minimum(at.astype(int), len(p) - 2)
    s = (at - k)[:, None]
    a, b, c, d = padded[k], padded[k + 1], padded[k + 2], padded[k + 3]
    return 0.5 * (
        2.0 * b + (c - a) * s + (2.0 * a - 5.0 * b + 4.0 * c - d) * s**2 + (3.0 * b - a - 3.0 * c + d) * s**3
    )


def vertex_normals(vertices: NDArray[np.float64], triangles: NDArray[np.int32]) -> NDArray[np.float64]:
    """Unit normals of vertices, weighted by the triangles' areas; zero without a triangle.

    Args:
        vertices: Vertices. Shape: (n_vertices, 3).
        triangles: Indices of vertices. Shape: (n_triangles, 3).
    """
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    of_face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, k], of_face[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), _TINY)
