"""Surroundings of the figure: floor, camera, trails and shadow, as lines and triangles; numpy only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.stream.messages import Camera
from realtime.viewer.anatomy import FARTHEST_M

Array = NDArray[np.float64]

GRID_HALF_M, GRID_STEP_M = 2.5, 0.5
GRID_COLOUR, GRID_AXIS_COLOUR = (0.24, 0.27, 0.31), (0.36, 0.4, 0.45)
X_COLOUR, Y_COLOUR, Z_COLOUR = (0.9, 0.36, 0.33), (0.42, 0.78, 0.4), (0.38, 0.56, 0.96)
CAMERA_COLOUR = (0.95, 0.78, 0.36)
FRUSTUM_M = 0.45
"""Distance from the camera at which its image plane is drawn."""
BESIDE_M = 1.2
"""Distance from the eye below which a camera would lie across the figure."""
AXIS_M = 0.25
TRAIL_S = 2.0
_MAX_TRAIL = 600
_LEAST_ORTHONORMAL = 1e-2
_LIGHT_FALL = np.array([-0.18, -1.0, 0.12])
"""Direction of the light: displacement along X and Z per metre of fall."""


@dataclass(frozen=True, slots=True, eq=False)
class LineSet:
    """Straight lines in ground."""

    points: Array
    """End points in m. Shape: (n_points, 3)."""
    pairs: NDArray[np.int32]
    """Indices of the two points of each line. Shape: (n_lines, 2)."""
    colours: Array
    """Colour of each line, from 0 to 1. Shape: (n_lines, 3)."""


NO_LINES = LineSet(np.zeros((0, 3)), np.zeros((0, 2), np.int32), np.zeros((0, 3)))


def _lines(ends: Array, colours: Array) -> LineSet:
    """Lines between points of their own. Shapes: (n, 2, 3) and (n, 3)."""
    n = len(ends)
    return LineSet(ends.reshape(-1, 3), np.arange(2 * n, dtype=np.int32).reshape(n, 2), colours)


def ground_grid(centre_m: Array, height_m: float) -> LineSet:
    """Lines half a metre apart around a position, and ground's axes: X red, Y green, Z blue.

    Args:
        centre_m: X and Z of the middle, rounded to whole steps. Shape: (2,).
        height_m: Height of the floor.
    """
    middle = np.round(np.asarray(centre_m) / GRID_STEP_M) * GRID_STEP_M
    at = np.arange(-GRID_HALF_M, GRID_HALF_M + 1e-9, GRID_STEP_M)
    n = len(at)
    ends = np.zeros((2 * n + 3, 2, 3))
    ends[:, :, 1] = height_m
    ends[:n, :, 0] = middle[0] + at[:, None]
    ends[:n, :, 2] = middle[1] + [-GRID_HALF_M, GRID_HALF_M]
    ends[n : 2 * n, :, 2] = middle[1] + at[:, None]
    ends[n : 2 * n, :, 0] = middle[0] + [-GRID_HALF_M, GRID_HALF_M]
    colours = np.tile(GRID_COLOUR, (2 * n + 3, 1))
    is_axis = np.concatenate([np.abs(middle[0] + at) < 1e-9, np.abs(middle[1] + at) < 1e-9])
    colours[: 2 * n][is_axis] = GRID_AXIS_COLOUR
    corner = np.array([middle[0] - GRID_HALF_M, height_m, middle[1] - GRID_HALF_M])
    ends[2 * n :] = corner
    ends[2 * n :, 1] += AXIS_M * np.eye(3)
    colours[2 * n :] = (X_COLOUR, Y_COLOUR, Z_COLOUR)
    return _lines(ends, colours)


def camera_frustum(camera: Camera) -> LineSet:
    """The camera as a pyramid from its centre to the edges of its image, with the top marked.

    Distortion is ignored. A camera with invalid parameters is not drawn.
    """
    T = np.array(camera.T_ground_cam)
    R = T[:3, :3]
    focal = (camera.fx, camera.fy)
    with np.errstate(all="ignore"):
        is_rotation = np.abs(R @ R.T - np.eye(3)).max() < _LEAST_ORTHONORMAL
    if not is_rotation or np.abs(T[:3, 3]).max() > FARTHEST_M or min(focal) <= 0.0:
        return NO_LINES
    w, h = camera.width_px, camera.height_px
    uv = np.array([[0, 0], [w, 0], [w, h], [0, h], [0.42 * w, 0], [0.5 * w, -0.1 * h], [0.58 * w, 0]])
    with np.errstate(all="ignore"):
        rays = np.concatenate([(uv - (camera.cx, camera.cy)) / focal, np.ones((len(uv), 1))], axis=1)
    if not np.isfinite(rays).all() or np.abs(rays).max() > 1e3:
        return NO_LINES
    points = np.concatenate([np.zeros((1, 3)), FRUSTUM_M * rays]) @ R.T + T[:3, 3]
    pairs = np.array(
        [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1], [5, 6], [6, 7]], np.int32
    )
    return LineSet(points, pairs, np.tile(CAMERA_COLOUR, (len(pairs), 1)))


def is_beside(camera: Camera, eye_m: Array) -> bool:
    """Whether a camera is so near a viewpoint that its frustum fills the window. Shape of the eye: (3,)."""
    with np.errstate(all="ignore"):
        return bool(np.linalg.norm(np.array(camera.T_ground_cam)[:3, 3] - eye_m) < BESIDE_M)


def joined(line_sets: Sequence[LineSet]) -> LineSet:
    """Several sets of lines as one."""
    starts = np.cumsum([0, *[len(lines.points) for lines in line_sets[:-1]]])
    return LineSet(
        np.concatenate([lines.points for lines in line_sets]),
        np.concatenate([lines.pairs + start for lines, start in zip(line_sets, starts, strict=True)]).astype(
            np.int32
        ),
        np.concatenate([lines.colours for lines in line_sets]),
    )


class Trails:
    """Paths of chosen points during the last seconds; older parts are dimmer.

    Args:
        colours: Colour of each point. Shape: (n, 3).
    """

    def __init__(self, colours: Array) -> None:
        self._colours = colours
        self._kept: deque[tuple[int, Array]] = deque(maxlen=_MAX_TRAIL)

    def add(self, t_ns: int, points: Array) -> None:
        """Add the points of one sample; a time stamp that goes back clears the trails.

        Args:
            t_ns: Time of the sample.
            points: Points; NaN where undefined. Shape: (n, 3).
        """
        if self._kept and t_ns <= self._kept[-1][0]:
            self._kept.clear()
        with np.errstate(invalid="ignore"):
            self._kept.append((t_ns, np.where(np.abs(points) < FARTHEST_M, points, np.nan)))
        while t_ns - self._kept[0][0] > TRAIL_S * 1e9:
            self._kept.popleft()

    def clear(self) -> None:
        """Remove all points."""
        self._kept.clear()

    def lines(self) -> LineSet:
        """Lines from sample to sample, with gaps where a point was undefined."""
        if len(self._kept) < 2 or not len(self._colours):
            return NO_LINES
        t = np.array([t_ns - self._kept[-1][0] for t_ns, _ in self._kept]) * 1e-9
        places = np.stack([points for _, points in self._kept])
        ends = np.stack([places[:-1], places[1:]], axis=2)
        strength = np.clip(1.0 + t[1:] / TRAIL_S, 0.08, 1.0)[:, None, None]
        colours = np.broadcast_to(strength * self._colours, (*ends.shape[:2], 3))
        known = np.isfinite(ends).all(axis=(2, 3))
        return _lines(ends[known], colours[known])


class FloorHeight:
    """Height of the floor: zero for a camera with a calibrated pose, else below the lowest foot.

    Without calibration, ground's origin is in the camera, so the floor is assumed at the lowest point that
    the figure has reached; if the figure then stays higher, the floor rises slowly.
    """

    def __init__(self) -> None:
        self.height_m = float("nan")
        """Height in ground; NaN while unknown."""

    def see(self, camera: Camera | None, lowest_m: float, elapsed_s: float) -> None:
        """Update the height with one sample.

        Args:
            camera: Camera of the stream.
            lowest_m: Height of the figure's lowest point.
            elapsed_s: Time since the sample before.
        """
        if camera is not None and camera.T_ground_cam[1][3] != 0.0:
            self.height_m = 0.0
        elif np.isfinite(lowest_m):
            if not np.isfinite(self.height_m) or lowest_m < self.height_m:
                self.height_m = lowest_m
            else:
                self.height_m += (lowest_m - self.height_m) * min(1.0, elapsed_s / 10.0)


def shadow(
    vertices: Array, normals: Array, triangles: NDArray[np.int32], height_m: float
) -> tuple[Array, NDArray[np.int32]]:
    """A figure's shadow on the floor.

    Args:
        vertices: Vertices of the figure, in ground. Shape: (n, 3).
        normals: Normals of the vertices. Shape: (n, 3).
        triangles: Indices of vertices. Shape: (n_triangles, 3).
        height_m: Height of the floor.

    Returns:
        The vertices projected to the floor, and the triangles that face the light; the others cover the same
        area.
    """
    above = np.maximum(vertices[:, 1:2] - height_m, 0.0)
    flat = vertices + above * _LIGHT_FALL
    flat[:, 1] = height_m - 0.002
    lit = normals @ _LIGHT_FALL
    return flat, triangles[lit[triangles].sum(axis=1) < 0.0]
