"""The drawn figure: meshes that move with their bodies, with shading computed here, not by the window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.overlay.style import Colour
from realtime.viewer.anatomy import drawable
from realtime.viewer.shapes import Mesh, merge, vertex_normals

Array = NDArray[np.float64]

AMBIENT, FROM_ABOVE, FROM_VIEWER = 0.34, 0.26, 0.46
"""Shares of ambient light, light from above, and light from beside the viewer."""
_KEY = np.array([-0.45, 0.5, 0.74])
"""Direction of the viewer's lamp: left, above and behind."""
DOTS = 7000
DOUBTFUL = np.array([0.33, 0.36, 0.4])
"""Colour at confidence 0."""


class FigureMesh:
    """Meshes of bodies merged into one mesh, which is posed repeatedly.

    Args:
        meshes: Mesh of each body, in its frame.
        colours: Colour of each body, from 0 to 1. Shape: (n_bodies, 3).
    """

    def __init__(self, meshes: Sequence[Mesh], colours: Array) -> None:
        whole = merge(meshes)
        counts = np.array([len(mesh.vertices) for mesh in meshes], dtype=np.int64)
        self.triangles = whole.triangles
        """Shape: (n_triangles, 3)."""
        self.n_vertices = len(whole.vertices)
        self._ends = np.cumsum(counts)
        self._body = np.repeat(np.arange(len(meshes)), counts)
        self._vertices = whole.vertices
        normals = [vertex_normals(mesh.vertices, mesh.triangles) for mesh in meshes]
        self._normals = np.concatenate([np.zeros((0, 3)), *normals])
        self._colours = colours
        self._brightness = whole.brightness[:, None]
        self._dots = _scattered(whole)

    def place(self, T_ground_body: Array) -> tuple[Array, Array]:
        """Vertices and normals in ground; those of undefined bodies collapse to one invisible point.

        Args:
            T_ground_body: Poses of the bodies. Shape: (n_bodies, 4, 4).

        Returns:
            Vertices and normals. Shapes: (n_vertices, 3) each.
        """
        shown = drawable(T_ground_body)
        R = np.where(shown[:, None, None], T_ground_body[:, :3, :3], 0.0)
        t = T_ground_body[:, :3, 3]
        # Hidden bodies collapse near the others, because a distant point would enlarge the scene.
        t = np.where(shown[:, None], t, t[shown].mean(axis=0) if shown.any() else 0.0)
        vertices, normals = np.empty_like(self._vertices), np.empty_like(self._normals)
        start = 0
        for k, end in enumerate(self._ends.tolist()):
            np.matmul(self._vertices[start:end], R[k].T, out=vertices[start:end])
            vertices[start:end] += t[k]
            np.matmul(self._normals[start:end], R[k].T, out=normals[start:end])
            start = end
        return vertices, normals

    def dots(self, vertices: Array) -> Array:
        """Points spread evenly over the posed surface, for a see-through figure. Shape: (DOTS, 3)."""
        triangle, weights = self._dots
        return np.einsum("nk,nkd->nd", weights, vertices[triangle])

    def shade(self, normals: Array, R_view: Array, confidence: Array | None = None) -> Array:
        """Shaded colours of the vertices, from 0 to 1: colour * (ambient + diffuse light).

        Args:
            normals: Normals in ground. Shape: (n_vertices, 3).
            R_view: Rotation whose rows are the viewer's right, up and backward directions in ground.
                Shape: (3, 3).
            confidence: Confidence of each body, from 0 to 1; None for full confidence. Shape: (n_bodies,).

        Returns:
            Colours. Shape: (n_vertices, 3).
        """
        lamp = _KEY @ R_view
        lamp /= np.linalg.norm(lamp)
        light = AMBIENT + FROM_ABOVE * (0.5 + 0.5 * normals[:, 1])
        light += FROM_VIEWER * np.clip(normals @ lamp, 0.0, 1.0)
        of_body = self._colours
        if confidence is not None:
            of_body = faded(of_body, confidence)
        return np.clip(of_body[self._body] * (light[:, None] * self._brightness), 0.0, 1.0)


def _scattered(mesh: Mesh) -> tuple[NDArray[np.int32], Array]:
    """Random triangles, chosen in proportion to area, and random barycentric coordinates in them."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0.0:
        return np.zeros((0, 3), np.int32), np.zeros((0, 3))
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(area), DOTS, p=area / area.sum())
    weights = rng.dirichlet((1.0, 1.0, 1.0), DOTS)
    return mesh.triangles[chosen], weights


def faded(colours: Array, confidence: Array) -> Array:
    """Colours that turn grey as confidence falls. Shapes: (n, 3) and (n,)."""
    trust = np.clip(np.nan_to_num(confidence), 0.0, 1.0)[:, None]
    return DOUBTFUL + (colours - DOUBTFUL) * trust


IVORY = np.array([0.93, 0.89, 0.8])
RIGHT_TINT, LEFT_TINT = np.array([1.0, 0.55, 0.4]), np.array([0.35, 0.78, 0.95])
TINT_SHARE, PERSON_SHARE = 0.38, 0.7


def body_colours(sides: Sequence[str], tint: Colour | None = None) -> Array:
    """Ivory, warmer on the right and cooler on the left, as in the overlay, or all in one tint.

    Args:
        sides: Side of each body.
        tint: Colour of the person, BGR; None takes those of the sides.

    Returns:
        RGB from 0 to 1. Shape: (n_bodies, 3).
    """
    if tint is not None:
        return np.tile(IVORY + PERSON_SHARE * (np.array(tint[::-1]) / 255.0 - IVORY), (len(sides), 1))
    tints = {"r": RIGHT_TINT, "l": LEFT_TINT}
    return np.array(
        [IVORY + TINT_SHARE * (tints[side] - IVORY) if side in tints else IVORY for side in sides]
    ).reshape(-1, 3)
