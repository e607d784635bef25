"""Arcs at the joints: each chosen angle as the sweep from where it would be zero to where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.kinematics import forward_kinematics
from realtime.geometry import joint_centres
from realtime.overlay_skeleton import to_picture
from realtime.overlay_style import FAINT, INK, WHITE, Colour, Image, blend, fixed, polyline, side_colour
from realtime.types import PoseSample

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

RADIUS_M = 0.13
OPACITY = 0.4
LEAST_RAD = 0.03
"""Smaller angles have no arc that one could see."""
SHORTEST_M = 0.09
"""A joint nearer than this does not show where a body points."""
LEAST_ACROSS = 0.35
"""Sine of the angle between segment and axis from which a turn shows as a sweep, not as a twist."""
_STEP_RAD = 1e-4
_POINTS_PER_RAD = 9.0


@dataclass(frozen=True, slots=True)
class _Joint:
    """A coordinate with an arc."""

    coordinate: int
    body: int
    """The first body that the coordinate moves."""
    pointer: int
    """The arc is swept by the line to this body's joint, or to the marker -1 - pointer."""
    colour: Colour


class JointArcs:
    """Draws the arcs of chosen coordinates. Twists about a segment's own axis have none.

    Args:
        skeleton: which bodies coordinates move.
        camera: projects.
        coordinates: indices of angles in q.
    """

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration, coordinates: list[int]) -> None:
        self._skeleton = skeleton
        self._camera = camera
        self._joints = [joint for k in coordinates if (joint := _joint_of(skeleton, k)) is not None]
        self._T = np.empty((2, skeleton.n_bodies, 4, 4))

    def draw(self, image: Image, sample: PoseSample, unit_px: float, *, mirrored: bool) -> None:
        """Draw onto `image`, which is already mirrored if `mirrored`; nothing where the pose is undefined."""
        if not np.isfinite(sample.q).all() or not np.isfinite(sample.scale_factors).all():
            return
        centres = joint_centres(self._skeleton, sample.T_ground_body, sample.scale_factors)
        for joint in self._joints:
            arc = self._arc(joint, sample, centres)
            if arc is not None:
                uv_px = to_picture(self._camera, arc, image, mirrored=mirrored)
                if np.isfinite(uv_px).all():
                    _draw_arc(image, uv_px, joint.colour, float(sample.confidence[joint.coordinate]), unit_px)

    def _arc(
        self, joint: _Joint, sample: PoseSample, centres: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """The joint, then points from the zero direction to the present one, in ground. Shape: (n, 3)."""
        angle = float(sample.q[joint.coordinate])
        centre = centres[joint.body]
        tip = centres[joint.pointer] if joint.pointer >= 0 else sample.markers_m[-1 - joint.pointer]
        axis = self._axis(joint, sample)
        away = tip - centre
        length = float(np.linalg.norm(away))
        if axis is None or not (abs(angle) >= LEAST_RAD and length > 1e-6):
            return None
        if np.linalg.norm(np.cross(axis, away)) < LEAST_ACROSS * length:
            return None
        n = 2 + int(_POINTS_PER_RAD * abs(angle))
        swept = turned(away / length * min(RADIUS_M, 0.45 * length), axis, np.linspace(-angle, 0.0, n))
        return np.concatenate([centre[None], centre + swept])

    def _axis(self, joint: _Joint, sample: PoseSample) -> NDArray[np.float64] | None:
        """Axis about which the coordinate turns the body now, in ground, from a small turn of it."""
        tree, scale = self._skeleton.tree, np.ascontiguousarray(sample.scale_factors)
        for T, step in zip(self._T, (-_STEP_RAD, _STEP_RAD), strict=True):
            q = sample.q.copy()
            q[joint.coordinate] += step
            forward_kinematics(tree, q, scale, T)
        turn = self._T[1, joint.body, :3, :3] @ self._T[0, joint.body, :3, :3].T
        axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
        length = float(np.linalg.norm(axis))
        return axis / length if length > _STEP_RAD else None


def turned(
    v: NDArray[np.float64], axis: NDArray[np.float64], angles_rad: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A vector turned about a unit axis by each angle (Rodrigues). Shape: (n, 3)."""
    c, s = np.cos(angles_rad)[:, None], np.sin(angles_rad)[:, None]
    return np.asarray(c * v + s * np.cross(axis, v) + (1.0 - c) * (axis @ v) * axis)


def _joint_of(skeleton: Skeleton, coordinate: int) -> _Joint | None:
    """The body that a coordinate turns first, and what shows where it points; None for lengths."""
    if not skeleton.is_rotational[coordinate]:
        return None
    tree = skeleton.tree
    for body, record in enumerate(tree.bodies):
        if coordinate in tree.column_coordinate[record["first_column"] : record["end_column"]]:
            pointer = _pointer(skeleton, body)
            name = skeleton.coordinate_names[coordinate]
            side = name[-1] if name.endswith(("_r", "_l")) else ""
            colour = side_colour(side) if side else WHITE
            return None if pointer is None else _Joint(coordinate, body, pointer, colour)
    return None


def _pointer(skeleton: Skeleton, body: int) -> int | None:
    """The nearest joint along the midline or limb that is far enough away, else the farthest marker."""
    parents, M = skeleton.tree.parent, skeleton.tree.M_parent_joint
    reach, here = np.zeros(3), body
    while True:
        children = np.flatnonzero(parents == here).tolist()
        if not children:
            break
        names = [skeleton.body_names[child] for child in children]
        # The trunk points to the neck, not to a shoulder.
        child = next(
            (c for c, n in zip(children, names, strict=True) if not n.endswith(("_r", "_l"))), children[0]
        )
        reach = reach + M[child].sum(axis=1)
        if np.linalg.norm(reach) >= SHORTEST_M:
            return int(child)
        here = child
    markers = np.flatnonzero(skeleton.tree.marker_body == here)
    if not len(markers):
        return None
    far = np.linalg.norm(skeleton.tree.M_marker[markers].sum(axis=2), axis=1)
    return -1 - int(markers[np.argmax(far)])


def _draw_arc(image: Image, uv_px: NDArray[np.float64], colour: Colour, trust: float, unit_px: float) -> None:
    """A translucent sector with a line along its edge, and a fainter one where the angle would be zero."""
    trust = trust if trust > 0.0 else 0.0
    corner = np.floor(uv_px.min(axis=0) - 4.0 * unit_px)
    size = uv_px.max(axis=0) + 4.0 * unit_px - corner
    height, width = image.shape[:2]
    if not (np.abs(size) < 4.0 * max(height, width)).all():
        return
    x0, y0 = (int(v) for v in np.maximum(corner, 0))
    x1, y1 = (int(v) for v in np.minimum(corner + size + 1, (width, height)))
    if x1 <= x0 or y1 <= y0:
        return
    part = image[y0:y1, x0:x1]
    shape = fixed(uv_px - (x0, y0))
    filled = part.copy()
    cv2.fillPoly(filled, [shape], colour, cv2.LINE_AA, 4)
    share = OPACITY * (0.3 + 0.7 * trust)
    cv2.addWeighted(filled, share, part, 1.0 - share, 0.0, dst=part)
    near = uv_px - (x0, y0)
    shade = blend(colour, FAINT, 0.6 * (1.0 - trust))
    polyline(part, near[1:], INK, 3.4 * unit_px)
    polyline(part, near[1:], shade, 1.8 * unit_px)
    polyline(part, near[:2], shade, 1.0 * unit_px)
