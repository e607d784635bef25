"""Moves recorded samples into the ground that their session ended with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from realtime.geometry import quaternions, rotation_matrices
from realtime.stream.messages import Angles, Meta, Pose

if TYPE_CHECKING:
    from calib.pelvis_move import Move, PelvisMover

Array = NDArray[np.float64]


def is_same_ground(a: Meta, b: Meta) -> bool:
    """Whether samples described by one can follow those described by the other as they are."""
    return a.session == b.session and a.camera == b.camera and a.ground == b.ground


def ground_move(before: Meta, after: Meta) -> GroundMove | None:
    """The move from one ground of a session to another; None where there is none."""
    if before.camera is None or after.camera is None or before.camera == after.camera:
        return None
    from calib.pelvis_move import Move, PelvisMover  # with numba, which takes a while to load

    T_before, T_after = np.array(before.camera.T_ground_cam), np.array(after.camera.T_ground_cam)
    names = after.model.coordinate_names
    has_pelvis = {*PELVIS_ROTATIONS, *PELVIS_TRANSLATIONS} <= set(names)
    return GroundMove(Move.of(T_after @ np.linalg.inv(T_before)), PelvisMover(names) if has_pelvis else None)


@dataclass(frozen=True, slots=True, eq=False)
class GroundMove:
    """A move of samples from one ground to another."""

    move: Move
    pelvis: PelvisMover | None
    """Mover of the pelvis coordinates, where the model has OpenSim's."""

    def apply(self, angles: Angles, pose: Pose | None) -> tuple[Angles, Pose | None]:
        """The same sample in the new ground."""
        q, qdot = np.array(angles.q), np.array(angles.qdot)
        if self.pelvis is not None:
            self.pelvis.move(q, qdot, self.move)
        rotation, obliquity, tilt = angles.pelvic_angles
        turned = math.remainder(rotation + self.move.turn_rad, 2.0 * math.pi)
        (position_m,) = self._points([angles.pelvis_position_m])
        moved = structs.replace(
            angles,
            q=q.tolist(),
            qdot=qdot.tolist(),
            pelvis_position_m=position_m,
            pelvic_angles=(turned, obliquity, tilt),
        )
        return moved, None if pose is None else self._pose(pose)

    def _pose(self, pose: Pose) -> Pose:
        R = rotation_matrices(np.array(pose.body_rotation_wxyz).reshape(-1, 4))
        return structs.replace(
            pose,
            body_position_m=self._points(pose.body_position_m),
            body_rotation_wxyz=[_four(row) for row in quaternions(self.move.matrix[:3, :3] @ R)],
            joint_centre_m=self._points(pose.joint_centre_m),
            marker_m=self._points(pose.marker_m),
        )

    def _points(self, points_m: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
        matrix = self.move.matrix
        moved_m = np.array(points_m).reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
        return [(x, y, z) for x, y, z in moved_m.tolist()]


def _four(values: Array) -> tuple[float, float, float, float]:
    w, x, y, z = values.tolist()
    return w, x, y, z
