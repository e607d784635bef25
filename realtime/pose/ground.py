"""The ground that samples are published in: it belongs to the person, not to the camera.

Estimators work in the ground of the camera: a level one below the lens, or that of a calibrated floor. The
published ground is turned from it about the vertical to where the person faces, and moved so that its origin
lies on the floor under the person. It is found once, while the person stands still in the first seconds, and
then stays for the run: later turns, jumps and people are measured in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS, stem_of
from calib.kinematics import body_transforms
from calib.pelvis_move import Move, PelvisMover
from calib.root import find_root
from calib.skeleton import Skeleton
from realtime.pose.foot_contact import ANKLE_HEIGHT_M
from realtime.pose.gap import MAX_GAP_S
from realtime.sample import SampleGround

Array = NDArray[np.float64]

STANDING_S = 0.5
"""Standing time after which the ground is found."""
MOVING_S, LONGEST_S = 1.0, 3.0
"""Time after which it is found all the same: from people who do not stand, and who show no feet."""
STILL_M_S = 0.25
"""Vertical speed of the lowest sole, below which the person stands."""
OPENSIM_PELVIS_AXES = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Axes of tilt, list and rotation in OpenSim's gait models, as columns: Z, X, Y."""


def has_opensim_pelvis(skeleton: Skeleton) -> bool:
    """Whether the root joint of a skeleton is that of OpenSim's gait models."""
    root, names = find_root(skeleton), skeleton.coordinate_names
    return (
        root is not None
        and tuple(names[k] for k in root.rotation) == PELVIS_ROTATIONS
        and tuple(names[k] for k in root.translation) == PELVIS_TRANSLATIONS
        and np.allclose(root.turn_axes, OPENSIM_PELVIS_AXES)
        and np.allclose(root.shift_axes, np.eye(3))
        and np.allclose(root.R_ground_joint, np.eye(3))
        and not root.t_ground_joint.any()
    )


class PersonGround:
    """Finds the ground of the first person, and moves estimates into it.

    Args:
        skeleton: Skeleton with `has_opensim_pelvis`.
        camera: Camera in whose ground the estimates are.
        heading: `person`: X points where the person faces; `camera`: as in the camera's ground; otherwise
            an angle in degrees that the person is said to face, to their left from straight at the camera.
    """

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration, heading: str = "person") -> None:
        self._camera, self._heading = camera, heading
        self._pelvis = PelvisMover(skeleton.coordinate_names)
        self._soles = _Soles(skeleton)
        self._stays = camera.has_floor and heading == "camera"
        self.reset()

    def reset(self) -> None:
        """Forget the ground."""
        self.published: SampleGround | None = None
        """The ground of the newest sample; None before the first."""
        self._move = Move(0.0, np.zeros(3))
        self.forget_person()

    def forget_person(self) -> None:
        """Forget the person; a ground that was found stays."""
        self._smoothed_rad: float | None = None
        self._views: list[_View] = []
        self._standing_s, self._shown_s, self._seen_ns = 0.0, 0.0, 0

    def face(self, q: Array, qdot: Array | None = None, *, back: bool = False) -> Array:
        """Coordinates turned to where the person faced at first, in which they are smoothed.

        Tilt and list mix when they are smoothed in a ground that the person is turned in.

        Args:
            q: Coordinates. Shape: (n_q,).
            qdot: Their speeds, which are turned in place. Shape: (n_q,).
            back: Whether to turn from there to the camera's ground instead.
        """
        if self._smoothed_rad is None:
            self._smoothed_rad = self._pelvis.heading_rad(q)
        q, qdot = q.copy(), np.zeros_like(q) if qdot is None else qdot
        turn_rad = self._smoothed_rad if back else -self._smoothed_rad
        self._pelvis.move(q, qdot, Move(turn_rad, np.zeros(3)))
        return q

    def publish(self, q: Array, qdot: Array, T: Array, markers_m: Array) -> None:
        """Move a sample from the camera's ground to the published one, in place.

        Args:
            q: Coordinates. Shape: (n_q,).
            qdot: Their speeds. Shape: (n_q,).
            T: Poses of the bodies. Shape: (n_bodies, 4, 4).
            markers_m: Markers. Shape: (n_markers, 3).
        """
        self._pelvis.move(q, qdot, self._move)
        M = self._move.matrix
        T[:] = M @ T
        markers_m[:] = markers_m @ M[:3, :3].T + M[:3, 3]

    def see(self, t_ns: int, q: Array, T: Array, size: float, *, is_known: bool, shows_feet: bool) -> None:
        """Look at a sample that is still in the camera's ground, until the ground is found.

        Args:
            t_ns: Capture time.
            q: Coordinates. Shape: (n_q,).
            T: Poses of the bodies. Shape: (n_bodies, 4, 4).
            size: Mean scale factor.
            is_known: Whether the measures of the person are known.
            shows_feet: Whether a foot is in the image.
        """
        if self.published is not None and self.published.is_settled:
            return
        view = _View(
            t_ns, self._pelvis.heading_rad(q), self._pelvis.position_m(q), self._soles.lowest_m(T, size)
        )
        if not self._views:
            self._publish(view.heading_rad, view.pelvis_m, view.sole_m, is_settled=False)
        if not self._views or is_known:
            self._add(view, is_known=is_known, shows_feet=shows_feet)

    def _add(self, view: _View, *, is_known: bool, shows_feet: bool) -> None:
        if self._views and not self._views[-1].is_known:
            self._views = []
        last = self._views[-1] if self._views else None
        dt_ns = 0 if last is None else view.t_ns - last.t_ns
        dt_s = 1e-9 * dt_ns
        view.is_known = is_known
        # During a gap nobody was seen standing, or at all.
        self._seen_ns = 0 if last is None else self._seen_ns + min(dt_ns, round(1e9 * MAX_GAP_S))
        if last is not None and 0.0 < dt_s <= MAX_GAP_S and shows_feet:
            view.is_standing = abs(view.sole_m - last.sole_m) < STILL_M_S * dt_s
            self._standing_s += dt_s * view.is_standing
            self._shown_s += dt_s
        self._views.append(view)
        seen_s = 1e-9 * self._seen_ns
        is_enough = self._standing_s >= STANDING_S or self._shown_s >= MOVING_S or seen_s >= LONGEST_S
        if is_known and (is_enough or self._stays):
            self._settle()

    def _settle(self) -> None:
        """Take the mean heading and the median position of the standing frames."""
        views = [view for view in self._views if view.is_standing] or self._views
        headings = np.array([view.heading_rad for view in views])
        heading_rad = math.atan2(np.sin(headings).sum(), np.cos(headings).sum())
        pelvis_m = np.median([view.pelvis_m for view in views], axis=0)
        sole_m = float(np.median([view.sole_m for view in views]))
        self._publish(heading_rad, pelvis_m, sole_m, is_settled=True)
        self._views = []

    def _publish(self, heading_rad: float, pelvis_m: Array, sole_m: float, *, is_settled: bool) -> None:
        named = {"person": heading_rad, "camera": 0.0}
        turn_rad = -named[self._heading] if self._heading in named else -math.radians(float(self._heading))
        turned_m = Move(turn_rad, np.zeros(3)).matrix[:3, :3] @ pelvis_m
        has_floor = self._camera.has_floor
        origin_m = np.array([turned_m[0], 0.0 if has_floor else sole_m, turned_m[2]])
        self._move = Move(turn_rad, np.zeros(3) if self._stays else -origin_m)
        self.published = SampleGround(
            T_ground_cam=self._move.matrix @ self._camera.T_ground_cam,
            heading=self._heading,
            origin="camera" if self._stays else "person",
            floor="calibrated" if has_floor else "feet",
            is_settled=is_settled,
        )


@dataclass(slots=True, eq=False)
class _View:
    """The person in one frame, in the camera's ground."""

    t_ns: int
    heading_rad: float
    pelvis_m: Array
    sole_m: float
    """Height of the lowest sole."""
    is_known: bool = False
    is_standing: bool = False


class _Soles:
    """Heights of the soles, by the joints of heel and toes, which stand on them."""

    def __init__(self, skeleton: Skeleton) -> None:
        names = skeleton.body_names
        feet = [k for k, name in enumerate(names) if stem_of(name) in ("calcn", "toes")]
        self._bodies = feet or list(range(len(names)))
        self._clearance_m = np.zeros(len(self._bodies))
        if feet and "talus_r" in names:
            heights_m = body_transforms(skeleton, skeleton.q_default)[:, 1, 3]
            self._clearance_m = heights_m[feet] - heights_m[names.index("talus_r")] + ANKLE_HEIGHT_M

    def lowest_m(self, T: Array, size: float) -> float:
        """Height of the lowest sole."""
        return float((T[self._bodies, 1, 3] - size * self._clearance_m).min())
