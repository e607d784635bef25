"""The most probable coordinates given where several cameras see the landmarks.

Each view v fixes a station across its own line of sight, and along it tells its depth about the mid hips, as
in `realtime.pose.ray_solver`:

    sum_v sum_k w_vk (|across_v(p_k(q) - ray_vk)|^2 / s_k^2 + (z_vk(q) - d_v - r_vk)^2 / a_k^2) + prior(q)

with one free depth d_v for each view. For given depths, every view believes a landmark at a point with an
inverse covariance; the sum of such terms over views is again one point with one inverse covariance, so the
inverse kinematics is that of one camera. Where two rays cross, they outweigh the depths that networks guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import MIN_DEPTH_M, LandmarkObservation, solve_translation
from realtime.pose.ray_solver import Sighting, fill_targets, station_depths
from realtime.pose.solver import PoseSolver, Posterior, Prior

Array = NDArray[np.float64]

N_TURNS = 2
"""Of finding coordinates for depths and depths for coordinates; rays that cross settle depths at once."""
OUTLIER_M = 0.03
"""Distance of a ray from its station at which its weight is halved: a view that guesses a hidden limb, or
mistakes something for it, is outvoted by the others and by the rest of the body."""


class ViewsSolver:
    """Coordinates of each moment, warm-started from the moment before.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
        cameras: Intrinsics and positions of the cameras in one ground, whose Y is up.
    """

    def __init__(
        self, skeleton: Skeleton, model: LandmarkModel, cameras: Sequence[CameraCalibration]
    ) -> None:
        self._skeleton, self._model = skeleton, model
        self._solver = PoseSolver(skeleton, model)
        self._T_ground_cam = [
            np.ascontiguousarray(camera.T_ground_cam, dtype=np.float64) for camera in cameras
        ]
        self.across_factor = 1.0
        """Factor on the standard deviations across the line of sight."""
        self.set_scale_factors(np.ones((skeleton.n_bodies, 3)))
        self.reset()

    def reset(self) -> None:
        """Forget the moments before."""
        self._solver.reset()
        self.depth_m: list[float | None] = [None] * len(self._T_ground_cam)
        """Depth of the mid hips in each view; None in views that have not seen them since the reset."""

    def set_scale_factors(self, scale_factors: Array) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3)."""
        self._solver.set_scale_factors(scale_factors)
        self._scale_factors = np.array(scale_factors, dtype=np.float64)

    def solve(self, seen: Sequence[Sighting | None], prior: Prior) -> Posterior:
        """Coordinates of one moment, and how well they are known.

        Args:
            seen: What each camera sees; None for views without the person. At least one is given.
            prior: Expected pose.
        """
        given = {view: sighting for view, sighting in enumerate(seen) if sighting is not None}
        for view, sighting in given.items():
            if self.depth_m[view] is None:
                t_m = solve_translation(sighting.relative_m, sighting.rays, sighting.weights + 1e-3)
                self.depth_m[view] = float(t_m[2])
        trusted = given
        for _ in range(N_TURNS):
            q = self._solver.find(self._targets(trusted), prior)
            self._take_depths(given, q)
            trusted = given if len(given) < 2 else self._outvoted(given, q)
        targets = self._targets(trusted)
        return self._solver.judge(self._solver.find(targets, prior), targets, prior)

    def _outvoted(self, given: dict[int, Sighting], q: Array) -> dict[int, Sighting]:
        """What is seen, with less weight on rays that pass far from their stations."""
        body = self._model.station_body
        T = body_transforms(self._skeleton, q, self._scale_factors)[body]
        station_m = self._model.station_m * self._scale_factors[body]
        points_m = np.einsum("nij,nj->ni", T[:, :3, :3], station_m) + T[:, :3, 3]
        trusted = {}
        for view, seen in given.items():
            R, eye_m = self._T_ground_cam[view][:3, :3], self._T_ground_cam[view][:3, 3]
            direction = seen.rays / np.linalg.norm(seen.rays, axis=1, keepdims=True) @ R.T
            away_m = np.linalg.norm(np.cross(points_m - eye_m, direction), axis=1)
            trusted[view] = replace(seen, weights=seen.weights / (1.0 + (away_m / OUTLIER_M) ** 2))
        return trusted

    def _take_depths(self, given: dict[int, Sighting], q: Array) -> None:
        body = self._model.station_body
        station_m = self._model.station_m * self._scale_factors[body]
        for view, seen in given.items():
            z_m = station_depths(
                self._skeleton.tree, q, self._scale_factors, body, station_m, self._T_ground_cam[view]
            )
            trust = seen.weights / self._model.sigma_depth_m**2 + 1e-6
            depth_m = float(trust @ (z_m - seen.relative_m[:, 2]) / trust.sum())
            self.depth_m[view] = max(depth_m, MIN_DEPTH_M)

    def _targets(self, given: dict[int, Sighting]) -> LandmarkObservation:
        """The point where all views together believe each landmark."""
        n = len(self._model.landmark)
        information, pull = np.zeros((n, 3, 3)), np.zeros((n, 3))
        for view, seen in given.items():
            one = self._target(view, seen)
            information += one.information
            pull += np.einsum("nij,nj->ni", one.information, one.points_m)
        # A landmark that no view gives weight has no position: any will do.
        points_m = np.linalg.solve(information + 1e-9 * np.eye(3), pull[..., None])[..., 0]
        return LandmarkObservation(np.asarray(points_m, dtype=np.float64), information)

    def _target(self, view: int, seen: Sighting) -> LandmarkObservation:
        """The point on each ray of a view at the depth that is believed, and how sure it is."""
        depth_m = self.depth_m[view]
        assert depth_m is not None
        n = len(seen.weights)
        target = LandmarkObservation(np.empty((n, 3)), np.empty((n, 3, 3)))
        # Rays that cross tell where feet are; their remembered depths are not needed.
        fill_targets(
            seen.rays,
            seen.relative_m,
            seen.weights,
            self.across_factor * self._model.sigma_m,
            self._model.sigma_depth_m,
            depth_m,
            np.empty(0, dtype=np.int64),
            np.empty(0),
            np.empty(0),
            self._T_ground_cam[view],
            target.points_m,
            target.information,
        )
        return target
