"""A figure on the screen: keeps its meshes while the subject stays the same, and moves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of
from realtime.overlay.style import Colour
from realtime.viewer.anatomy import Anatomy, drawable
from realtime.viewer.bones import bones_of
from realtime.viewer.figure import FigureMesh, body_colours
from realtime.viewer.posture import Posture
from realtime.viewer.shapes import Mesh

Array = NDArray[np.float64]
MeshMaker = Callable[[Posture, Anatomy], Sequence[Mesh]]

TOLERANCE_M = 0.004
"""Displacement of a joint within its body above which meshes are rebuilt."""
_REST_NS = 500_000_000


def parametric_bones(posture: Posture, anatomy: Anatomy) -> Sequence[Mesh]:
    """Bones of the viewer itself, scaled to the subject."""
    return bones_of(anatomy)


class DrawnBody:
    """The figure of one stream, of any model and size.

    Args:
        make_meshes: Function that makes a mesh for each body of a posture.
        tint: Colour of a person among several, BGR as in the overlay; None: bones have the tints of their
            sides.
    """

    def __init__(self, make_meshes: MeshMaker = parametric_bones, tint: Colour | None = None) -> None:
        self._make_meshes, self._tint = make_meshes, tint
        self._anatomy: Anatomy | None = None
        self._made_ns = 0
        self._generation = 0
        self.figure: FigureMesh | None = None
        self.posture: Posture | None = None
        self.vertices: Array = np.zeros((0, 3))
        """In ground, in m. Shape: (n_vertices, 3)."""
        self.normals: Array = np.zeros((0, 3))
        """In ground, in m. Shape: (n_vertices, 3)."""

    @property
    def generation(self) -> int:
        """Number of times that the meshes were built."""
        return self._generation

    @property
    def is_visible(self) -> bool:
        """Whether there is anything to draw."""
        return self.posture is not None and len(self.vertices) > 0

    def show(self, posture: Posture) -> None:
        """Show the next posture; one without any defined body hides the figure."""
        if not drawable(posture.T_ground_body).any():
            self.hide()
            return
        anatomy = posture.anatomy()
        if self._is_due(anatomy, posture.t_ns):
            meshes = self._make_meshes(posture, anatomy)
            colours = body_colours([side_of(name) for name in posture.body_names], self._tint)
            self.figure = FigureMesh(meshes, colours)
            self._anatomy, self._made_ns = anatomy, posture.t_ns
            self._generation += 1
        assert self.figure is not None
        self.posture = posture
        self.vertices, self.normals = self.figure.place(posture.T_ground_body)

    def hide(self) -> None:
        """Hide the figure until the next posture."""
        self.posture = None
        self.vertices = self.normals = np.zeros((0, 3))

    def colours(self, R_view: Array) -> Array:
        """Shaded colours of the vertices, paler at low confidence. Shape: (n_vertices, 3)."""
        if self.figure is None or self.posture is None:
            return np.zeros((0, 3))
        return self.figure.shade(self.normals, R_view, self.posture.confidence)

    def dots(self) -> Array:
        """Points on the surface. Shape: (n, 3)."""
        return (
            self.figure.dots(self.vertices)
            if self.figure is not None and self.is_visible
            else np.zeros((0, 3))
        )

    @property
    def lowest_m(self) -> float:
        """Height of the lowest vertex; NaN without vertices."""
        return float(self.vertices[:, 1].min()) if len(self.vertices) else float("nan")

    def _is_due(self, anatomy: Anatomy, t_ns: int) -> bool:
        if self._anatomy is None or self.figure is None:
            return True
        if anatomy.body_names != self._anatomy.body_names or anatomy.parents != self._anatomy.parents:
            return True
        rested = not 0 <= t_ns - self._made_ns < _REST_NS
        return rested and anatomy.differs_from(self._anatomy, TOLERANCE_M)
