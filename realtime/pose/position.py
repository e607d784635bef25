"""Position of the pelvis in ground, once the pose is known: by size in the image, the floor, and time.

The solver that finds the angles also places the skeleton, at the depth that the landmark network gives. This
stage places it again: rays and the skeleton's lengths give the position in closed form; feet on a known floor
give it without relying on lengths; a filter reduces its jitter. The angles stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import forward_kinematics, station_positions
from calib.root import find_root
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.pose.foot_contact import MIN_CONTACT, FootContacts, Stance, StationView
from realtime.pose.gap import MAX_GAP_S
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import solve_translation
from realtime.pose.position_filter import PositionFilter

Array = NDArray[np.float64]

MIN_TRUST = 0.05
ACROSS_M = 0.015
"""Standard deviation of the skeleton's position across the line of sight."""
DEPTH_NOISE = 0.02
"""Standard deviation of its depth from frame to frame, as a share; the lasting part is
`position_filter.DEPTH_BIAS`."""
IMAGE_GATE, FLOOR_GATE = 6.0, 9.0
FOOT_M = (0.04, 0.025)
"""Standard deviation of a foot against the pelvis, by the angles: horizontally and vertically."""
SUNK_M = 0.02
"""Standard deviation of the lowest sole's height, where the angles put it under the floor."""
FOOT_ACROSS_M = 0.02
"""Standard deviation of a foot's landmarks across the line of sight."""
UP = np.array([0.0, 1.0, 0.0])


class PelvisPosition:
    """Places a skeleton whose angles are known.

    Args:
        skeleton: Skeleton whose root joint has three translations; others stay where the solver put them.
        model: Its landmark stations.
        camera: Intrinsics and pose of the camera; with `has_floor`, standing feet keep to the floor.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel, camera: CameraCalibration) -> None:
        self._skeleton, self._model, self._camera = skeleton, model, camera
        self._root = find_root(skeleton)
        self._contacts = FootContacts(skeleton, model) if camera.has_floor else None
        self._R, self._camera_m = camera.T_ground_cam[:3, :3].copy(), camera.T_ground_cam[:3, 3].copy()
        if (root := self._root) is not None:
            self._root_per_ground = np.linalg.solve(root.shift_axes, root.R_ground_joint.T)
        self._T = np.empty((skeleton.n_bodies, 4, 4))
        self._points_m = np.empty((len(model.landmark), 3))
        self._filter = PositionFilter()
        self.stances: list[Stance] = []
        """Feet that stood in the last frame; none without a floor."""
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._filter.reset()
        self._t_ns: int | None = None
        self.stances = []
        if self._contacts is not None:
            self._contacts.reset()

    def step(self, t_ns: int, seen: BlazePoseResult, q: Array, scale_factors: Array) -> Array:
        """Move the skeleton of one frame to where it is.

        Args:
            t_ns: Capture time of the frame.
            seen: Landmarks of the frame.
            q: Coordinates from the solver. Shape: (n_q,).
            scale_factors: Scale factors of the person. Shape: (n_bodies, 3).

        Returns:
            The coordinates, with new translations of the root joint. Shape: (n_q,).
        """
        if self._root is None:
            return q
        origin_m = self._place_stations(q, scale_factors)
        offsets_m = self._points_m - origin_m
        trust = np.maximum(seen.visibility * seen.presence, MIN_TRUST)[self._model.landmark]
        rays = self._camera.intrinsics.rays(seen.landmarks_px[self._model.landmark, :2])
        usable = np.isfinite(rays).all(1)
        if not usable.any():
            return q
        t_cam = solve_translation(
            offsets_m[usable] @ self._R, rays[usable], (np.sqrt(trust) / self._model.sigma_m)[usable]
        )
        dt_s = self._advance(t_ns, t_cam)
        self._add_picture(t_cam)
        if self._contacts is not None:
            view = StationView(
                rays_cam=rays,
                R_ground_cam=self._R,
                camera_m=self._camera_m,
                offsets_m=offsets_m,
                trust=trust,
                size=float(scale_factors.mean()),
                depth_m=t_cam[2],
                dt_s=dt_s,
                speed_m_s=self._filter.speed_m_s,
            )
            self.stances = self._contacts.step(view)
            for stance in self.stances:
                if stance.contact > MIN_CONTACT:
                    self._add_stance(stance)
            self._keep_above_floor(self._contacts.lowest_m)
        return self._shifted(q, self._filter.position_m - origin_m)

    def _place_stations(self, q: Array, scale_factors: Array) -> Array:
        """Fill `_points_m`.

        Returns:
            Position of the root body. Shape: (3,).
        """
        assert self._root is not None
        factors, body = np.array(scale_factors, dtype=np.float64), self._model.station_body
        forward_kinematics(self._skeleton.tree, np.array(q, dtype=np.float64), factors, self._T)
        station_positions(self._T, body, self._model.station_m * factors[body], self._points_m)
        return self._T[self._root.body, :3, 3].copy()

    def _advance(self, t_ns: int, t_cam: Array) -> float:
        """Bring the filter to this frame.

        Returns:
            Time since the frame before; 0 if the filter starts.
        """
        dt_s = 0.0 if self._t_ns is None else (t_ns - self._t_ns) * 1e-9
        self._t_ns = t_ns
        if self._filter.is_started and 0.0 < dt_s <= MAX_GAP_S:
            self._filter.predict(dt_s)
            return dt_s
        spread = np.diag([ACROSS_M, ACROSS_M, DEPTH_NOISE * t_cam[2]]) ** 2
        self._filter.start(self._R @ t_cam + self._camera_m, self._R @ spread @ self._R.T)
        if self._contacts is not None:
            self._contacts.reset()
        return 0.0

    def _add_picture(self, t_cam: Array) -> None:
        """Update with the fitted position: its ray, and its depth up to a lasting share."""
        ahead, depth_m = self._R[:, 2], t_cam[2]
        rows = np.empty((3, 4))
        rows[:2, :3] = self._R.T[:2] - t_cam[:2, None] / depth_m * ahead
        rows[2, :3] = ahead
        rows[:, 3] = 0.0, 0.0, -depth_m
        values = rows[:, :3] @ self._camera_m
        values[2] += depth_m
        variance = np.array([ACROSS_M, ACROSS_M, DEPTH_NOISE * depth_m]) ** 2
        # Apart: a wrong depth says nothing against the ray.
        self._filter.update(rows[:2], values[:2], variance[:2], IMAGE_GATE)
        self._filter.update(rows[2:], values[2:], variance[2:], IMAGE_GATE)

    def _add_stance(self, stance: Stance) -> None:
        """Update with a foot that stands."""
        directions = np.stack([stance.ahead, np.cross(UP, stance.ahead), UP])
        rows = np.concatenate([directions, np.zeros((3, 1))], axis=1)
        values = directions @ (stance.floor_m - stance.offset_m)
        across, vertical = FOOT_M
        variance = np.array([across**2 + (FOOT_ACROSS_M / stance.fall) ** 2, across**2, vertical**2])
        self._filter.update(rows, values, variance / stance.contact, FLOOR_GATE)

    def _keep_above_floor(self, lowest_m: float) -> None:
        """Keep the lowest sole from sinking into the floor, whichever foot it is and however it moves.

        Args:
            lowest_m: Height of the lowest sole over the pelvis.
        """
        if self._filter.position_m[1] + lowest_m < 0.0:
            row = np.array([[0.0, 1.0, 0.0, 0.0]])
            self._filter.update(row, np.array([-lowest_m]), np.array([SUNK_M**2]), FLOOR_GATE)

    def _shifted(self, q: Array, shift_m: Array) -> Array:
        root = self._root
        assert root is not None
        q = q.copy()
        q[root.translation] += self._root_per_ground @ shift_m
        return q
