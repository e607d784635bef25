"""The `landmarks` estimator: BlazePose, this person's scale factors, inverse kinematics.

Landmarks are precise across the line of sight and vague along it, segment lengths are fixed by the
skeleton, and what the picture leaves open (how pelvis and lumbar joint share a bend, turns about a limb's
own axis) follows how people hold themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose import BlazePose, BlazePoseResult
from realtime.landmark_model import LandmarkModel, build_landmark_model
from realtime.observation import LandmarkObservation, observe, rotation_to_ray
from realtime.person_tracker import LandmarkFollower, bounding_box
from realtime.pose_solver import PoseSolver
from realtime.skeletal_layer import Estimate, SkeletalLayer
from realtime.subject_scaling import SubjectScaling
from realtime.types import Status

Array = NDArray[np.float64]

MIN_VISIBILITY = 0.1
"""Hidden landmarks still count a little: the network's guess beats none."""


class LandmarksEstimator(LandmarkFollower):
    """Frames to pose samples through landmarks and inverse kinematics.

    Args:
        skeleton: Any skeleton with a pelvis, legs and a torso in OpenSim's usual names.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
        height_m: The person's stature, if known.

    Raises:
        SkeletonError: the skeleton lacks a body that a person cannot be tracked without.
    """

    name = "landmarks"
    stage = "inverse_kinematics"

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        blazepose: BlazePose,
        layer: SkeletalLayer,
        height_m: float | None = None,
    ) -> None:
        super().__init__(skeleton, camera, blazepose, layer)
        self._model = build_landmark_model(skeleton)
        self._scaling = SubjectScaling(skeleton, self._model, height_m)
        self._solver = PoseSolver(skeleton, self._model)
        self.reset()

    def _lose_sight(self) -> None:
        self._solver.reset()

    def _forget_subject(self) -> None:
        self._scaling.reset()
        self._solver.reset()
        self._solver.set_scale_factors(self._scaling.scale_factors)

    def _solve(self, result: BlazePoseResult) -> Estimate:
        world_m = world_in_camera(result, self.camera)
        visibility = trust(result)
        if self._scaling.update(world_m, visibility):
            self._solver.set_scale_factors(self._scaling.scale_factors)
        seen = observe_model(
            result, world_m * self._scaling.world_scale, visibility, self._model, self.camera
        )
        q, confidence = self._solver.solve(seen)
        return Estimate(
            q=q,
            confidence=confidence,
            scale_factors=self._scaling.scale_factors,
            status=Status.WARM_UP if self._scaling.is_warming_up else Status.TRACKING,
            box_px=bounding_box(result.roi.corners_px()),
        )


def world_in_camera(result: BlazePoseResult, camera: CameraCalibration) -> Array:
    """Metric landmarks in the camera's directions instead of the region's. Shape: (33, 3)."""
    roi_centre_px = np.array([result.roi.centre_x_px, result.roi.centre_y_px])
    return np.asarray(result.world_m @ rotation_to_ray(roi_centre_px, camera.intrinsics).T)


def trust(result: BlazePoseResult) -> Array:
    """How much each landmark counts, 0 to 1. Shape: (33,)."""
    return np.asarray(np.clip(result.visibility, MIN_VISIBILITY, 1.0) * result.presence)


def observe_model(
    result: BlazePoseResult,
    world_m: Array,
    visibility: Array,
    model: LandmarkModel,
    camera: CameraCalibration,
) -> LandmarkObservation:
    """The landmarks that a model has stations for, placed in ground."""
    used = model.landmark
    return observe(
        result.landmarks_px[used, :2],
        world_m[used],
        model.sigma_m,
        model.sigma_depth_m,
        visibility[used],
        camera,
    )
