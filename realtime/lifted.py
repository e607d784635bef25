"""The `lifted` estimator: a network trained on synthetic people expects a pose, the landmarks adjust it.

The network knows what inverse kinematics cannot: where BlazePose's landmarks lie on bodies, how its depth
errs, and which poses people take. The solver makes its answer agree with where the landmarks are in the
picture, each as far as it can be trusted, and finds the pelvis's place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose import BlazePose, BlazePoseResult
from realtime.landmark_model import build_landmark_model
from realtime.landmarks import observe_model, trust, world_in_camera
from realtime.lifter import Lifted, Lifter
from realtime.person_tracker import LandmarkFollower, bounding_box
from realtime.pose_solver import PoseSolver, Prior
from realtime.skeletal_layer import Estimate, SkeletalLayer
from realtime.subject_scaling import SubjectScaling
from realtime.types import Status

Array = NDArray[np.float64]

MIN_DOUBT = 0.02
"""Least share of the variance among people that stays open after the network's word."""


class LiftedEstimator(LandmarkFollower):
    """Frames to pose samples through landmarks, the lifter and a short inverse kinematics.

    Args:
        skeleton: The one that the lifter was trained with.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
        model_path: The lifter.
        height_m: The person's stature, if known.

    Raises:
        EngineError: the lifter cannot be read, or belongs to another skeleton.
    """

    name = "lifted"
    stage = "lift"

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        blazepose: BlazePose,
        layer: SkeletalLayer,
        model_path: Path,
        height_m: float | None = None,
    ) -> None:
        super().__init__(skeleton, camera, blazepose, layer)
        self._lifter = Lifter(skeleton, camera, model_path)
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
        lifted = self._lifter.lift(result)
        world_m = world_in_camera(result, self.camera)
        visibility = trust(result)
        if self._scaling.update(world_m, visibility):
            self._solver.set_scale_factors(self._scaling.scale_factors)
        seen = observe_model(
            result, world_m * self._scaling.world_scale, visibility, self._model, self.camera
        )
        q, confidence = self._solver.solve(seen, prior_of(lifted))
        return Estimate(
            q=q,
            confidence=confidence,
            scale_factors=self._scaling.scale_factors,
            status=Status.WARM_UP if self._scaling.is_warming_up else Status.TRACKING,
            box_px=bounding_box(result.roi.corners_px()),
        )


def prior_of(lifted: Lifted) -> Prior:
    """The network's answer as the solver's prior."""
    given = np.isfinite(lifted.sigma)
    variance = np.where(given, lifted.sigma**2, 1.0)
    spread = np.sqrt(variance / np.maximum(1.0 - lifted.confidence, MIN_DOUBT))
    return Prior(lifted.q, np.where(given, 1.0 / variance, 0.0), spread)
