"""Runs the lift network: from landmarks to coordinates, trained on synthetic people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_ROTATIONS, mirror_index, mirror_signs
from calib.pelvis_move import turned_angles, turned_rates
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult
from engines.features.landmarks import LandmarkBatch
from engines.runtimes.openvino_engine import OpenvinoEngine
from engines.spec import load_spec
from realtime.estimators.lift_features import fill_lift_features
from realtime.pose.observation import undistorted_px

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Facing:
    """Output of the network for one image, in the frame that the person faces."""

    q: Array
    """The network's coordinates in rad. Shape: (n_coordinates,)."""
    sigma: Array
    """Standard deviations in rad. Shape: (n_coordinates,)."""
    confidence: Array
    """1 - variance / variance among people. Shape: (n_coordinates,)."""
    heading_rad: float
    """Rotation about the vertical from ground to the person's frame."""
    scale_factors: Array
    """Scale factors: proportions by the network, size by the landmarks. Shape: (n_bodies, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class LiftedPose:
    """Coordinates of one frame in ground, with their uncertainty."""

    q: Array
    """Coordinates in rad; the pelvis's translations are 0. Shape: (n_q,)."""
    sigma: Array
    """Standard deviations in rad; infinite for coordinates without output. Shape: (n_q,)."""
    confidence: Array
    """1 - variance / variance among people. Shape: (n_q,)."""
    information: Array | None = None
    """Inverse covariance, 0 for coordinates without output; None if errors are taken for independent. Shape:
    (n_q, n_q)."""


class LiftNetwork:
    """The network with its features; each frame is also lifted mirrored, and both results are averaged.

    Args:
        skeleton: Skeleton that the network was trained with.
        camera: Intrinsics and orientation of the camera.
        model_path: ONNX file of the network, with its spec beside it.

    Raises:
        EngineError: the network cannot be read, or belongs to another skeleton.
    """

    def __init__(self, skeleton: Skeleton, camera: CameraCalibration, model_path: Path) -> None:
        spec = load_spec(model_path)
        spec.check_skeleton(skeleton.coordinate_names, skeleton.sha)
        # The time goes into reading 12 MB of weights. In 8 bits, angles of recorded people differ by 0.05
        # degrees (mean; 99th percentile 0.25).
        self._engine = OpenvinoEngine(model_path, n_threads=1, int8_weights=True)
        self._n_q = skeleton.n_q
        self._index = np.array([skeleton.coordinate_index(n) for n in spec.coordinate_names])
        self._mirror_index = mirror_index(spec.coordinate_names)
        self._mirror_sign = mirror_signs(spec.coordinate_names)
        self._mirror_body = mirror_index(skeleton.body_names)
        R = np.array(spec.error_correlation)
        self._coupling = np.linalg.inv(R) if R.size else None
        self._pelvis = np.array([spec.coordinate_names.index(n) for n in PELVIS_ROTATIONS])
        self._intrinsics = k = camera.intrinsics
        self._camera = np.array([[0.5 * (k.fx + k.fy), k.cx, k.cy]])
        self._R_ground_cam = np.array(camera.T_ground_cam[None, :3, :3], dtype=np.float64)

    def lift(self, seen: BlazePoseResult) -> LiftedPose:
        """Coordinates of one frame."""
        return self.to_ground(self.look(seen))

    def look(self, seen: BlazePoseResult) -> Facing:
        """Coordinates of one frame as the network gives them."""
        batch = self.batch(seen)
        heading_rad, size_m = fill_lift_features(
            # Compiled once: other layouts in memory would be other functions.
            np.ascontiguousarray(batch.landmarks_px[0]),
            np.ascontiguousarray(batch.world_m[0]),
            batch.visibility[0],
            batch.roi_centre_px[0],
            self._camera[0],
            self._R_ground_cam[0],
            self._engine.inputs[0],
        )
        q, sigma, confidence, scale = (a.astype(np.float64) for a in self._engine.infer())
        q = 0.5 * (q[0] + self._mirror_sign * q[1][self._mirror_index])
        sigma, confidence = (0.5 * (a[0] + a[1][self._mirror_index]) for a in (sigma, confidence))
        scale = scale.reshape(2, -1, 3)
        return Facing(
            q=q,
            sigma=sigma,
            confidence=confidence,
            heading_rad=heading_rad,
            scale_factors=0.5 * (scale[0] + scale[1][self._mirror_body]) * size_m,
        )

    def batch(self, seen: BlazePoseResult) -> LandmarkBatch:
        """The landmarks of one frame, with the camera."""
        landmarks_px, is_reached = undistorted_px(seen.landmarks_px[:N_LANDMARKS, :2], self._intrinsics)
        trust = (seen.visibility * seen.presence)[:N_LANDMARKS]
        roi_centre_px = np.array([[seen.roi.centre_x_px, seen.roi.centre_y_px]])
        return LandmarkBatch(
            landmarks_px=landmarks_px[None],
            world_m=seen.world_m[None, :N_LANDMARKS],
            visibility=(trust * is_reached)[None],
            roi_centre_px=undistorted_px(roi_centre_px, self._intrinsics)[0],
            camera=self._camera,
            R_ground_cam=self._R_ground_cam,
        )

    def to_ground(self, facing: Facing) -> LiftedPose:
        """Rotate the pelvis back to ground, and order coordinates as in the skeleton."""
        q = facing.q.copy()
        q[self._pelvis] = turned_angles(q[self._pelvis], facing.heading_rad)
        information = None
        if self._coupling is not None:
            information = np.zeros((self._n_q, self._n_q))
            fill_ground_information(
                self._coupling, facing.sigma, self._pelvis, facing.q[self._pelvis], q[self._pelvis],
                facing.heading_rad, self._index, information,
            )  # fmt: skip
        return LiftedPose(
            self.spread(q, 0.0),
            self.spread(facing.sigma, np.inf),
            self.spread(facing.confidence, 0.0),
            information,
        )

    def spread(self, values: Array, elsewhere: float) -> Array:
        """The network's coordinates among all of the skeleton's. Shape: (n_q,)."""
        out = np.full(self._n_q, elsewhere)
        out[self._index] = values
        return out


@njit(cache=True, nogil=True)
def fill_ground_information(
    coupling: Array, sigma: Array, pelvis: Indices, facing_rad: Array, ground_rad: Array, heading_rad: float,
    index: Indices, information: Array,
) -> None:  # fmt: skip
    """Inverse covariance in ground, B' S^-1 R^-1 S^-1 B, where B turns the pelvis's rates back.

    How far a pelvis tips forward is tilt for somebody who faces along ground's X, and list for somebody who
    faces along Z.

    Args:
        coupling: Inverse R^-1 of the errors' correlation. Shape: (n_coordinates, n_coordinates).
        sigma: Standard deviations S in rad. Shape: (n_coordinates,).
        pelvis: The pelvis's angles among the coordinates. Shape: (3,).
        facing_rad: These angles in the person's frame. Shape: (3,).
        ground_rad: These angles in ground. Shape: (3,).
        heading_rad: Rotation about the vertical from ground to the person's frame.
        index: The coordinates among all of the skeleton's. Shape: (n_coordinates,).
        information: Receives it, where it is 0 so far. Shape: (n_q, n_q).
    """
    n = coupling.shape[0]
    P = coupling / sigma / sigma.reshape(n, 1)
    B = np.eye(n)
    for a in range(3):
        rates = np.zeros(3)
        rates[a] = 1.0
        turned = turned_rates(ground_rad, rates, facing_rad, -heading_rad)
        for b in range(3):
            B[pelvis[b], pelvis[a]] = turned[b]
    P = B.T @ P @ B
    for i in range(n):
        for j in range(n):
            information[index[i], index[j]] = 0.5 * (P[i, j] + P[j, i])
