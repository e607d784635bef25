"""Inverse kinematics after the direct network: its points pull its coordinates, if both are trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.ik import InverseKinematics
from calib.skeleton import Skeleton
from realtime.direct_network import DirectAnswer
from realtime.observation import observe
from realtime.skeletal_layer import is_root

Array = NDArray[np.float64]

JOINT_SIGMA_M, JOINT_DEPTH_SIGMA_M = 0.03, 0.15
"""Of joint centres, across and along the line of sight."""
MARKER_SIGMA_M = 0.15
"""The network's markers err together, by its idea of the pose: many count as few."""
OUTSIDE_WEIGHT = 0.02
"""Of what lies outside the crop."""
MIN_SIGMA_RAD = np.radians(1.0)


class PoseRefiner:
    """Pulls coordinates towards the joint centres in the picture and the markers in space.

    Args:
        skeleton: The skeleton.
        camera: Intrinsics and place.
    """

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration) -> None:
        tree = skeleton.tree
        body = np.concatenate([np.arange(skeleton.n_bodies), tree.marker_body])
        station_m = np.concatenate([tree.bodies["M_body_joint"].sum(-1), tree.M_marker.sum(-1)])
        self._camera, self._n_joints = camera, skeleton.n_bodies
        self._ik = InverseKinematics(
            skeleton, body, station_m, bounded=skeleton.is_clamped & ~is_root(skeleton)
        )
        self._targets = np.empty((len(body), 3))
        self._information = np.zeros((len(body), 3, 3))

    def set_scale_factors(self, scale_factors: Array) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3)."""
        self._ik.set_scale_factors(scale_factors)

    def refine(self, answer: DirectAnswer, q: Array, pelvis_m: Array) -> Array:
        """Coordinates that agree better with the points.

        Args:
            answer: Of the network.
            q: The network's coordinates, the root's included. Shape: (n_q,).
            pelvis_m: Where the pelvis is, in ground. Shape: (3,).
        """
        weight = np.where(answer.is_in_crop, 1.0, OUTSIDE_WEIGHT)
        n = self._n_joints
        seen = observe(
            answer.joints_px, answer.joints_cam_m, np.full(n, JOINT_SIGMA_M),
            np.full(n, JOINT_DEPTH_SIGMA_M), weight, self._camera,
        )  # fmt: skip
        self._targets[:n], self._information[:n] = seen.points_m, seen.information
        self._targets[n:] = answer.markers_cam_m @ self._camera.T_ground_cam[:3, :3].T + pelvis_m
        self._information[n:] = np.eye(3) / MARKER_SIGMA_M**2
        sigma = np.maximum(answer.sigma, MIN_SIGMA_RAD)
        prior_weight = np.where(np.isfinite(sigma), sigma**-2.0, 0.0)
        return self._ik.solve(self._targets, self._information, q, q_prior=q, prior_weight=prior_weight).q
