"""Where landmarks of hips and knees move on flexed legs.

A landmark network puts the hip of a standing person at the joint, and of a squatting one at the fold of the
groin; the knee moves towards the thigh. In one image that looks like a shorter thigh, which the lift network
knows. Rays that cross find these points, so the solver has to know, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import HIPS, KNEES
from realtime.person.offsets import turned_offsets
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import MIN_DEPTH_M
from realtime.pose.ray_solver import Sighting

Array = NDArray[np.float64]

HIP_SHIFT_M, KNEE_SHIFT_M = (0.044, -0.029, 0.0), (-0.05, 0.0, 0.0)
"""Shift in the frames of femur and tibia at full flexion, unscaled, as sin(flexion / 2)^2: where the rays of
four cameras met on 8 synthetic people whose joints are known, 4 of them with flexed legs."""


class FlexedLandmarks:
    """Takes back the shifts of a pose.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel) -> None:
        self._skeleton, self._model = skeleton, model
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        names = skeleton.coordinate_names
        self._shifts = [
            (row[landmark], skeleton.coordinate_index(f"{stem}_{side}"), np.array(shift_m))
            for pair, stem, shift_m in (
                (HIPS, "hip_flexion", HIP_SHIFT_M),
                (KNEES, "knee_angle", KNEE_SHIFT_M),
            )
            for landmark, side in zip(pair, "lr", strict=True)
            if landmark in row and f"{stem}_{side}" in names
        ]

    def offsets_m(self, q: Array) -> Array:
        """Shifts in the bodies' frames, unscaled. Shape: (n_stations, 3)."""
        offsets_m = np.zeros((len(self._model.landmark), 3))
        for row, coordinate, shift_m in self._shifts:
            offsets_m[row] = shift_m * np.sin(0.5 * max(float(q[coordinate]), 0.0)) ** 2
        return offsets_m

    def correct(self, seen: Sighting, q: Array, scale_factors: Array, camera: CameraCalibration) -> Sighting:
        """What a camera would see if the landmarks were at their stations.

        Args:
            seen: Landmarks of one view.
            q: Coordinates of the moment before. Shape: (n_q,).
            scale_factors: Shape: (n_bodies, 3).
            camera: Camera of the view.
        """
        n = len(seen.rays)
        p_cam_m, across_m, _ = turned_offsets(
            self._skeleton.tree,
            np.array(q, dtype=np.float64),
            np.array(scale_factors, dtype=np.float64),
            self._model.station_body,
            self._model.station_m,
            np.ascontiguousarray(camera.T_ground_cam, dtype=np.float64),
            self.offsets_m(q),
            np.zeros(n),
            np.zeros((n, 3)),
        )
        depth_m = np.maximum(p_cam_m[:, 2:], MIN_DEPTH_M)
        shifted_m = p_cam_m + across_m
        rays = seen.rays - (shifted_m / np.maximum(shifted_m[:, 2:], MIN_DEPTH_M) - p_cam_m / depth_m)
        rays[:, 2] = 1.0
        return Sighting(rays, seen.relative_m - across_m, seen.weights)
