"""The most probable coordinates given where landmarks are in the image, with the person's depth free.

A landmark fixes a station across its line of sight. Along it, the network tells only how far it is from the
mid hips, so the depth of the whole person follows from sizes in the image, from the pose that is expected,
and from feet that rest (`realtime.pose.planted_feet`).

With the common depth d, the cost of coordinates q is

    sum_k w_k (|across(p_k(q) - ray_k)|^2 / s_k^2 + (z_k(q) - d - r_k)^2 / a_k^2)
    + sum_feet (z_f(q) - z_f)^2 / v_f + prior(q),

where p_k are stations, z_k their depths in the camera, r_k the depths that the network gives, and z_f the
remembered depths of the feet. It is minimised over q and d in turn: the point on each ray at the depth that
is believed is the target of an inverse kinematics, whose solution gives the next d. How much of a wrong depth
a turn leaves hardly changes from frame to frame, so one turn shows where the depths converge, and a second
solves there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.kinematics import forward_kinematics, station_positions
from calib.skeleton import Skeleton
from calib.tree import KinematicTree
from realtime.pose.gap import MAX_GAP_S
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import MIN_DEPTH_M, LandmarkObservation, solve_translation
from realtime.pose.planted_feet import PlantedFeet
from realtime.pose.solver import PoseSolver, Posterior, Prior

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MAX_LEAP_M = 0.5
"""Of the extrapolated depth from the last one that was computed."""
MEMORY = 0.3
"""Share of what earlier frames showed of the rate that counts in the next."""
FASTEST, SLOWEST = 0.0, 0.95
"""Limits of the share of a wrong depth that a turn leaves: it is 0.3 to 0.9 with recorded people."""


class ConvergenceRate:
    """How much of a wrong depth a turn leaves, by least squares over the turns of the last frames."""

    def __init__(self) -> None:
        self._moved_m2, self._left_m2 = 0.0, 0.0

    @property
    def is_known(self) -> bool:
        """Whether any turns have been seen."""
        return self._moved_m2 > 0.0

    def see(self, apart_m: float, turned_apart_m: float) -> None:
        """Take in how far apart two depths were before and after a turn."""
        self._moved_m2 = MEMORY * self._moved_m2 + apart_m**2
        self._left_m2 = MEMORY * self._left_m2 + apart_m * turned_apart_m

    def limit_of(self, start_m: float, turned_m: float) -> float:
        """Where depths lead if all turns leave the same share: start + (turned - start) / (1 - share)."""
        share = min(max(self._left_m2 / max(self._moved_m2, 1e-12), FASTEST), SLOWEST)
        limit_m = start_m + (turned_m - start_m) / (1.0 - share)
        return max(min(max(limit_m, turned_m - MAX_LEAP_M), turned_m + MAX_LEAP_M), MIN_DEPTH_M)


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The landmarks of one frame that stations exist for."""

    rays: Array
    """In the camera, at depth 1. Shape: (n, 3)."""
    relative_m: Array
    """Points about the mid hips in camera axes, as the network gives them. Shape: (n, 3)."""
    weights: Array
    """From 0 (ignored) to 1. Shape: (n,)."""


class RaySolver:
    """Coordinates of each frame, warm-started from the frame before.

    Args:
        skeleton: The skeleton.
        model: Landmark stations and posture prior of the skeleton.
        camera: Intrinsics and position of the camera.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel, camera: CameraCalibration) -> None:
        self._skeleton, self._model = skeleton, model
        self._solver = PoseSolver(skeleton, model)
        self._feet = PlantedFeet(model, camera.T_ground_cam)
        self._T_ground_cam = np.ascontiguousarray(camera.T_ground_cam, dtype=np.float64)
        self.across_factor = 1.0
        """Factor on the standard deviations across the line of sight."""
        self.follows_floor = False
        """Whether feet that moved are taken to be on the same level floor."""
        self.set_scale_factors(np.ones((skeleton.n_bodies, 3)))
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._solver.reset()
        self._feet.reset()
        self._depth_m: float | None = None
        self._t_ns: int | None = None
        self._rate = ConvergenceRate()

    @property
    def depth_m(self) -> float:
        """Depth of the mid hips in the last frame; NaN before the first."""
        return np.nan if self._depth_m is None else self._depth_m

    def set_scale_factors(self, scale_factors: Array) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3)."""
        self._solver.set_scale_factors(scale_factors)
        self._scale_factors = np.array(scale_factors, dtype=np.float64)
        self._station_m = self._model.station_m * self._scale_factors[self._model.station_body]

    def solve(self, t_ns: int, seen: Sighting, prior: Prior) -> Posterior:
        """Coordinates of one frame, and how well they are known.

        Args:
            t_ns: Capture time; after a gap, frames before are forgotten.
            seen: One ray for each station of the model.
            prior: Expected pose of this frame.
        """
        if self._t_ns is not None and t_ns - self._t_ns > 1e9 * MAX_GAP_S:
            # Depth and pose of somebody who has walked meanwhile would lead to bent knees.
            self.reset()
        self._t_ns = t_ns
        feet_information = self._feet.begin(t_ns, seen.rays, follows_floor=self.follows_floor)
        start_m = self._depth_m
        if start_m is None:
            start_m = float(solve_translation(seen.relative_m, seen.rays, seen.weights + 1e-3)[2])

        def turn(from_m: float) -> float:
            q = self._solver.find(self._targets(seen, from_m, feet_information), prior)
            return self._common_depth(seen, self._station_depths(q))

        turned_m = turn(start_m)
        if not self._rate.is_known:
            first_m, start_m, turned_m = start_m, turned_m, turn(turned_m)
            self._rate.see(start_m - first_m, turned_m - start_m)
        depth_m = self._rate.limit_of(start_m, turned_m)
        targets = self._targets(seen, depth_m, feet_information)
        q = self._solver.refine(targets, prior)
        depths_m = self._station_depths(q)
        self._rate.see(depth_m - start_m, self._common_depth(seen, depths_m) - turned_m)
        self._depth_m = depth_m
        self._feet.end(t_ns, seen.rays, depths_m)
        return self._solver.judge(q, targets, prior)

    def _common_depth(self, seen: Sighting, depths_m: Array) -> float:
        """The depth of the mid hips that suits depths of all stations best."""
        trust = seen.weights / self._model.sigma_depth_m**2 + 1e-6
        return float(trust @ (depths_m - seen.relative_m[:, 2]) / trust.sum())

    def _targets(self, seen: Sighting, depth_m: float, feet_information: Array) -> LandmarkObservation:
        """The point on each ray at the depth that is believed, and how surely in which direction."""
        n, model, feet = len(seen.rays), self._model, self._feet
        targets = LandmarkObservation(np.empty((n, 3)), np.empty((n, 3, 3)))
        fill_targets(
            seen.rays,
            seen.relative_m,
            seen.weights,
            self.across_factor * model.sigma_m,
            model.sigma_depth_m,
            depth_m,
            feet.rows,
            feet_information,
            feet_information if feet.depth_m is None else feet.depth_m,
            self._T_ground_cam,
            targets.points_m,
            targets.information,
        )
        return targets

    def _station_depths(self, q: Array) -> Array:
        """Depths of all stations in the camera. Shape: (n,)."""
        return station_depths(
            self._skeleton.tree,
            q,
            self._scale_factors,
            self._model.station_body,
            self._station_m,
            self._T_ground_cam,
        )


@njit(cache=True, nogil=True)
def fill_targets(
    rays: Array, relative_m: Array, weights: Array, sigma_m: Array, sigma_depth_m: Array, depth_m: float,
    foot_rows: Indices, foot_information: Array, foot_depth_m: Array, T_ground_cam: Array,
    points_m: Array, information: Array,
) -> None:  # fmt: skip
    """Points on rays, p = R (z ray) + t, with W = w / s^2 (I - d d') + along d d', where d = R ray / |ray|.

    The depth is z = depth + r with along = w / a^2. On feet it is averaged with the remembered depth z_f:
    z = (along (depth + r) + i_f z_f) / (along + i_f), and along + i_f is how well it is known.

    Args:
        rays: Rays in the camera, at depth 1. Shape: (n, 3).
        relative_m: Points about the mid hips in camera axes, whose z is r. Shape: (n, 3).
        weights: Weights w, from 0 to 1. Shape: (n,).
        sigma_m: Standard deviations s across the line of sight. Shape: (n,).
        sigma_depth_m: Standard deviations a along it. Shape: (n,).
        depth_m: Depth of the mid hips.
        foot_rows: Stations of the feet. Shape: (n_foot,).
        foot_information: Inverse variances i_f of remembered depths, 0 without one. Shape: (n_foot,).
        foot_depth_m: Remembered depths z_f. Shape: (n_foot,).
        T_ground_cam: Pose of the camera. Shape: (4, 4).
        points_m: Receives the points in ground, at least `MIN_DEPTH_M` from the camera. Shape: (n, 3).
        information: Receives the inverse covariances. Shape: (n, 3, 3).
    """
    along, believed_m = weights / sigma_depth_m**2, depth_m + relative_m[:, 2]
    for f in range(foot_rows.shape[0]):
        k = foot_rows[f]
        known = along[k] + foot_information[f]
        pulled_m = along[k] * believed_m[k] + foot_information[f] * foot_depth_m[f]
        if foot_information[f] > 0.0:
            believed_m[k], along[k] = pulled_m / max(known, 1e-9), known
    d = np.empty(3)
    for k in range(rays.shape[0]):
        length, z = np.sqrt((rays[k] ** 2).sum()), max(believed_m[k], MIN_DEPTH_M)
        for i in range(3):
            turned = 0.0
            for j in range(3):
                turned += T_ground_cam[i, j] * rays[k, j]
            points_m[k, i] = z * turned + T_ground_cam[i, 3]
            d[i] = turned / length
        across = weights[k] / sigma_m[k] ** 2
        for i in range(3):
            for j in range(3):
                information[k, i, j] = (along[k] - across) * d[i] * d[j]
            information[k, i, i] += across


@njit(cache=True, nogil=True)
def station_depths(
    tree: KinematicTree, q: Array, scale_factors: Array, station_body: Indices, station_m: Array,
    T_ground_cam: Array,
) -> Array:  # fmt: skip
    """Depths of stations in the camera, z = R[:, 2]' (p - t).

    Args:
        tree: The skeleton's arrays.
        q: Coordinates. Shape: (n_q,).
        scale_factors: Shape: (n_bodies, 3).
        station_body: Body of each station. Shape: (n,).
        station_m: Stations in their bodies, scaled. Shape: (n, 3).
        T_ground_cam: Pose of the camera. Shape: (4, 4).

    Returns:
        Shape: (n,).
    """
    T_ground_body = np.empty((tree.bodies.shape[0], 4, 4))
    points_m = np.empty(station_m.shape)
    forward_kinematics(tree, q, scale_factors, T_ground_body)
    station_positions(T_ground_body, station_body, station_m, points_m)
    depths_m = np.zeros(station_m.shape[0])
    for k in range(station_m.shape[0]):
        for i in range(3):
            depths_m[k] += T_ground_cam[i, 2] * (points_m[k, i] - T_ground_cam[i, 3])
    return depths_m
