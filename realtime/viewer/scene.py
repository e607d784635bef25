"""The viewer's scene without its window: figures, trails, floor and state from samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.overlay.style import Colour
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Camera, Meta
from realtime.viewer.anatomy import drawable
from realtime.viewer.body import DrawnBody, MeshMaker, parametric_bones
from realtime.viewer.posture import MAX_BODIES, Posture, posture_of
from realtime.viewer.scenery import (
    NO_LINES,
    FloorHeight,
    LineSet,
    Trails,
    camera_frustum,
    ground_grid,
    is_beside,
    joined,
    shadow,
)

Array = NDArray[np.float64]

SILENCE_S = 2.0
"""Time without a sample after which the stream counts as silent."""
UNKNOWN_FLOOR_M = -0.9
"""Height of the grid while the floor is unknown: below a pelvis at ground's origin."""
GHOST_COLOUR = np.array([0.62, 0.55, 0.95])
SHADOW_COLOUR = np.array([0.07, 0.083, 0.103])
_TRAIL_COLOURS = np.array(
    [[1.0, 0.62, 0.35], [0.45, 0.85, 1.0], [0.75, 0.95, 0.5], [1.0, 0.6, 0.85], [1.0, 0.9, 0.45]]
)
NOWHERE = (float("nan"),) * 3
DEFAULT_TRAILS = ("hand_r", "hand_l", "toes_r", "toes_l")


class ViewerScene:
    """The state behind the window.

    Args:
        trails: Names of bodies whose joint centres leave trails; None for hands and toes.
        make_meshes: Function that makes a mesh for each body.
        tint: Colour of the person among several, BGR; None: bones have the tints of their sides.
    """

    def __init__(
        self,
        trails: Sequence[str] | None = None,
        make_meshes: MeshMaker = parametric_bones,
        tint: Colour | None = None,
    ) -> None:
        self.body = DrawnBody(make_meshes, tint)
        self.ghost = DrawnBody()
        self.sample: AngleSample | None = None
        """Newest sample; None before the first."""
        self.floor = FloorHeight()
        self.is_ghost_on_figure = True
        """Whether the ghost is moved to the figure's pelvis and turned to its heading."""
        self._names = DEFAULT_TRAILS if trails is None else tuple(trails)
        self._meta: Meta | None = None
        self._trail_bodies: list[int] = []
        self._trails = Trails(np.zeros((0, 3)))
        self._taken_s = -np.inf
        self._last_place = np.zeros(2)

    def take(self, sample: AngleSample, now_s: float) -> None:
        """Show the next sample of the stream.

        Args:
            sample: Sample of any session and model.
            now_s: Time on any monotonic clock.
        """
        self.trace(sample)
        elapsed_s = min(max(now_s - self._taken_s, 0.0), 1.0)
        self.sample, self._taken_s = sample, now_s
        posture = posture_of(sample)
        self.body.show(posture)
        self.floor.see(self.camera, self.body.lowest_m, elapsed_s)

    def trace(self, sample: AngleSample) -> None:
        """Add a sample to the trails only, for samples that arrive faster than they are drawn."""
        if self._meta is None or sample.meta.model != self._meta.model:
            self._meet(sample.meta)
        self._meta = sample.meta
        centres = [] if sample.pose is None else sample.pose.joint_centre_m
        points = [centres[k] for k in self._trail_bodies] if centres else [NOWHERE] * len(self._trail_bodies)
        self._trails.add(sample.t_capture_ns, np.array(points, dtype=np.float64).reshape(-1, 3))

    def take_ghost(self, posture: Posture | None) -> None:
        """Show the second figure; None hides it."""
        if posture is None or not drawable(posture.T_ground_body).any():
            self.ghost.hide()
            return
        own = self.body.posture
        if self.is_ghost_on_figure and own is not None:
            posture = posture.put_on(own)
        self.ghost.show(posture)

    def wait(self, now_s: float) -> bool:
        """Whether the stream is silent; then the figure is hidden."""
        if now_s - self._taken_s <= SILENCE_S:
            return False
        self.body.hide()
        self._trails.clear()
        return True

    @property
    def camera(self) -> Camera | None:
        """Camera of the newest sample's stream, if any."""
        return None if self._meta is None else self._meta.camera

    @property
    def status(self) -> Status | None:
        """Status of the newest sample."""
        return None if self.sample is None else self.sample.status

    @property
    def has_bodies(self) -> bool:
        """Whether the newest sample came with a pose."""
        return self.sample is not None and self.sample.pose is not None

    def centre_m(self) -> Array | None:
        """Middle of the figure; None if it is hidden. Shape: (3,)."""
        if not self.body.is_visible:
            return None
        low, high = self.body.vertices.min(axis=0), self.body.vertices.max(axis=0)
        return np.asarray(0.5 * (low + high))

    def ground(self) -> LineSet:
        """The floor's grid, near the figure."""
        height = self.floor.height_m if np.isfinite(self.floor.height_m) else UNKNOWN_FLOOR_M
        centre = self.centre_m()
        if centre is not None:
            self._last_place = centre[[0, 2]]
        return ground_grid(self._last_place, height)

    def frustums(self, eye_m: Array) -> LineSet:
        """The frustums of all cameras but those beside the eye, which would lie across the figure.

        Args:
            eye_m: Viewpoint of the window, in ground. Shape: (3,).
        """
        if self._meta is None or self.camera is None:
            return NO_LINES
        cameras = self._meta.cameras or [self.camera]
        drawn = [camera_frustum(camera) for camera in cameras if not is_beside(camera, eye_m)]
        return joined([NO_LINES, *drawn])

    def trails(self) -> LineSet:
        """Trails of the chosen joints."""
        return self._trails.lines()

    def shadow(self) -> tuple[Array, NDArray[np.int32]]:
        """Vertices and triangles of the figure's shadow. Shapes: (n, 3) each."""
        body = self.body
        if body.figure is None or not body.is_visible or not np.isfinite(self.floor.height_m):
            return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
        return shadow(body.vertices, body.normals, body.figure.triangles, self.floor.height_m)

    def _meet(self, meta: Meta) -> None:
        """Find the trails' bodies in a new model."""
        names = meta.model.body_names[:MAX_BODIES]
        self._trail_bodies = [names.index(name) for name in self._names if name in names]
        colours = np.resize(_TRAIL_COLOURS, (len(self._trail_bodies), 3))
        self._trails = Trails(colours)
