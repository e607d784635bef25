"""Arcs at the joints: each chosen angle as a sector from its zero direction to its present one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of
from calib.kinematics import forward_kinematics
from realtime.geometry import camera_in_ground, joint_centres
from realtime.overlay.skeleton import to_picture
from realtime.overlay.style import FAINT, INK, SHIFT, WHITE, Colour, Image, blend, fixed, side_colour
from realtime.sample import PoseSample

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

RADIUS_M = 0.16
OPACITY = 0.4
LEAST_RAD = 0.03
"""Smaller angles have no visible arc."""
SHORTEST_M = 0.09
"""Shortest distance to a joint that shows the direction of a body."""
LEAST_ACROSS = 0.35
"""Smallest sine of the angle between segment and axis at which a rotation shows as a sector, not a twist."""
POINTS = 16
"""Number of points of an arc."""
_SWEEP = np.linspace(1.0, 0.0, POINTS)


@dataclass(frozen=True, slots=True)
class _Joint:
    """A coordinate that is drawn as an arc."""

    coordinate: int
    body: int
    """First body that the coordinate moves."""
    pointer: int
    """Body to whose joint the rotating line points; n_bodies + k for marker k."""
    colour: Colour


class JointArcs:
    """Draws the arcs of chosen coordinates, except twists about a segment's own axis.

    Args:
        skeleton: Skeleton of the samples.
        camera: Camera that projects onto the image.
        coordinates: Indices of the coordinates in q.
    """

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration, coordinates: list[int]) -> None:
        self._skeleton = skeleton
        self._camera = camera
        joints = [joint for k in coordinates if (joint := _joint_of(skeleton, k)) is not None]
        self._colours = [joint.colour for joint in joints]
        self._coordinate = np.array([joint.coordinate for joint in joints], dtype=np.intp)
        self._body = np.array([joint.body for joint in joints], dtype=np.intp)
        self._pointer = np.array([joint.pointer for joint in joints], dtype=np.intp)
        self._T = np.empty((len(joints), skeleton.n_bodies, 4, 4))

    def draw(self, image: Image, sample: PoseSample, unit_px: float, *, mirrored: bool) -> None:
        """Draw onto `image`, which is already mirrored if `mirrored`; nothing if the pose is undefined."""
        if not len(self._colours) or not np.isfinite(sample.q).all():
            return
        if not np.isfinite(sample.scale_factors).all():
            return
        points, shown = self.arcs(sample)
        camera = camera_in_ground(self._camera, sample)
        uv_px = to_picture(camera, points.reshape(-1, 3), image, mirrored=mirrored)
        uv_px = uv_px.reshape(*points.shape[:2], 2)
        shown &= np.isfinite(uv_px).all(axis=(1, 2))
        for k in np.flatnonzero(shown).tolist():
            trust = float(sample.confidence[self._coordinate[k]])
            _draw_arc(image, uv_px[k], self._colours[k], trust, unit_px)

    def arcs(self, sample: PoseSample) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Each joint with its arc from the zero direction to the present one, and whether it is visible.

        Args:
            sample: Sample without undefined values.

        Returns:
            Points in ground, shape (n_joints, 1 + POINTS, 3), and visibility, shape (n_joints,).
        """
        centres = joint_centres(self._skeleton, sample.T_ground_body, sample.scale_factors)
        axis, angle = self._turns(sample)
        centre = centres[self._body]
        away = np.concatenate([centres, sample.markers_m])[self._pointer] - centre
        length = np.maximum(np.sqrt((away**2).sum(axis=1)), 1e-9)
        across = _cross(axis, away)
        shown = (angle >= LEAST_RAD) & (np.sqrt((across**2).sum(axis=1)) >= LEAST_ACROSS * length)
        radius = (np.minimum(RADIUS_M, 0.45 * length) / length)[:, None, None]
        # Rodrigues: R(a) v = cos a (v - (k.v) k) + sin a (k x v) + (k.v) k, from a = -angle to 0.
        turn = -angle[:, None, None] * _SWEEP[None, :, None]
        along = (axis * away).sum(axis=1)[:, None, None] * axis[:, None]
        swept = np.cos(turn) * (away[:, None] - along) + np.sin(turn) * across[:, None] + along
        return np.concatenate([centre[:, None], centre[:, None] + radius * swept], axis=1), shown

    def _turns(self, sample: PoseSample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rotation of each coordinate's body relative to the same pose with that coordinate at zero.

        Returns:
            Unit axes in ground, zero for a coordinate without effect, such as a dependent one, shape
            (n_joints, 3), and angles from 0 to pi, shape (n_joints,).
        """
        tree, scale = self._skeleton.tree, np.ascontiguousarray(sample.scale_factors)
        q = sample.q.copy()
        for T, coordinate in zip(self._T, self._coordinate.tolist(), strict=True):
            q[coordinate] = 0.0
            forward_kinematics(tree, q, scale, T)
            q[coordinate] = sample.q[coordinate]
        R_zero = self._T[np.arange(len(self._body)), self._body, :3, :3]
        R = sample.T_ground_body[self._body, :3, :3] @ R_zero.transpose(0, 2, 1)
        axis = (R - R.transpose(0, 2, 1))[:, (2, 0, 1), (1, 2, 0)]
        length = np.sqrt((axis**2).sum(axis=1))
        angle = np.arctan2(length, np.trace(R, axis1=1, axis2=2) - 1.0)
        return axis / np.maximum(length, 1e-12)[:, None], angle


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross products of rows; `np.cross` takes ten times as long for a few rows. Shape: (n, 3)."""
    return a[:, (1, 2, 0)] * b[:, (2, 0, 1)] - a[:, (2, 0, 1)] * b[:, (1, 2, 0)]


def _joint_of(skeleton: Skeleton, coordinate: int) -> _Joint | None:
    """First body that a coordinate rotates and the point that shows its direction; None for lengths."""
    if not skeleton.is_rotational[coordinate]:
        return None
    tree = skeleton.tree
    for body, record in enumerate(tree.bodies):
        if coordinate in tree.column_coordinate[record["first_column"] : record["end_column"]]:
            pointer = _pointer(skeleton, body)
            name = skeleton.coordinate_names[coordinate]
            side = side_of(name)
            colour = side_colour(side) if side else WHITE
            return None if pointer is None else _Joint(coordinate, body, pointer, colour)
    return None


def _pointer(skeleton: Skeleton, body: int) -> int | None:
    """Nearest joint along the midline or limb that is far enough away, else the farthest marker."""
    parents, M = skeleton.tree.parent, skeleton.tree.M_parent_joint
    reach, here = np.zeros(3), body
    while True:
        children = np.flatnonzero(parents == here).tolist()
        if not children:
            break
        names = [skeleton.body_names[child] for child in children]
        # The direction of the trunk is that of the neck, not of a shoulder.
        child = next((c for c, n in zip(children, names, strict=True) if not side_of(n)), children[0])
        reach = reach + M[child].sum(axis=1)
        if np.linalg.norm(reach) >= SHORTEST_M:
            return int(child)
        here = child
    markers = np.flatnonzero(skeleton.tree.marker_body == here)
    if not len(markers):
        return None
    far = np.linalg.norm(skeleton.tree.M_marker[markers].sum(axis=2), axis=1)
    return skeleton.n_bodies + int(markers[np.argmax(far)])


def _draw_arc(image: Image, uv_px: NDArray[np.float64], colour: Colour, trust: float, unit_px: float) -> None:
    """Draw a translucent sector with a line along its edge and a thinner one in the zero direction."""
    trust = trust if trust > 0.0 else 0.0
    height, width = image.shape[:2]
    margin = 4.0 * unit_px
    (left, top), (right, bottom) = uv_px.min(axis=0).tolist(), uv_px.max(axis=0).tolist()
    if right - left > width or bottom - top > height:
        return  # larger than the image: not a plausible person
    x0, y0 = max(0, int(left - margin)), max(0, int(top - margin))
    part = image[y0 : max(0, int(bottom + margin)), x0 : max(0, int(right + margin))]
    if not part.size:
        return
    shape = fixed(uv_px - (x0, y0))
    filled = part.copy()
    cv2.fillPoly(filled, [shape], colour, cv2.LINE_AA, SHIFT)
    share = OPACITY * (0.3 + 0.7 * trust)
    cv2.addWeighted(filled, share, part, 1.0 - share, 0.0, dst=part)
    shade = blend(colour, FAINT, 0.6 * (1.0 - trust))
    for points, edge, thickness in ((shape[1:], INK, 3.4), (shape[1:], shade, 1.8), (shape[:2], shade, 1.0)):
        cv2.polylines(part, [points], False, edge, max(1, round(thickness * unit_px)), cv2.LINE_AA, SHIFT)
