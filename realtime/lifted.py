"""The `lifted` estimator: a network trained on synthetic people expects a pose, the landmarks adjust it.

The network knows what inverse kinematics cannot: where BlazePose's landmarks lie on bodies, how its depth
errs, and which poses people take. The solver makes its answer agree with where the landmarks are in the
picture, each as far as it can be trusted, and finds the pelvis's place.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose import BlazePose, BlazePoseResult
from realtime.landmarks import LandmarksEstimator
from realtime.lifter import Lifted, Lifter
from realtime.pose_solver import Prior
from realtime.skeletal_layer import Estimate, SkeletalLayer
from realtime.subject_scaling import KnownSubject
from realtime.temporal import Refined, TemporalNetwork

MIN_DOUBT = 0.02
"""Least share of the variance among people that stays open after the network's word."""
UNDERRATED = 4.0
"""On 400 pictures of synthetic people that nothing was learnt from, errors of legs, arms and trunk were twice
what the network and the solver reckoned, whether legs were in view or not."""


class LiftedEstimator(LandmarksEstimator):
    """Frames to pose samples through landmarks, the lifter and a short inverse kinematics.

    Args:
        skeleton: The one that the lifter was trained with.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
        model_path: The lifter.
        height_m: The person's stature, if known.
        temporal_path: The temporal network; None takes every frame by itself.
        subject: The person's measures, if they were taken.

    Raises:
        EngineError: a network cannot be read, or belongs to another skeleton.
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
        temporal_path: Path | None = None,
        subject: KnownSubject | None = None,
    ) -> None:
        self._lifter = Lifter(skeleton, camera, model_path)
        self._temporal = None if temporal_path is None else TemporalNetwork(skeleton, temporal_path)
        self._refined: Refined | None = None
        super().__init__(skeleton, camera, blazepose, layer, height_m, subject)

    def _forget_person(self) -> None:
        super()._forget_person()
        if self._temporal is not None:
            self._temporal.reset()

    def _prior(self, t_ns: int, result: BlazePoseResult) -> Prior:
        facing = self._lifter.look(result)
        if self._temporal is not None:
            self._refined = self._temporal.step(facing, t_ns)
            facing = self._refined.facing
        return prior_of(self._lifter.to_ground(facing))

    def _solve(self, t_ns: int, result: BlazePoseResult) -> Estimate:
        estimate = super()._solve(t_ns, result)
        if self._refined is None:
            return estimate
        qdot = self._lifter.spread(self._refined.qdot, np.nan)
        return replace(estimate, qdot=qdot, foot_contact=self._refined.foot_contact)


def prior_of(lifted: Lifted) -> Prior:
    """The network's answer as the solver's prior."""
    given = np.isfinite(lifted.sigma)
    variance = np.where(given, lifted.sigma**2, 1.0)
    spread = np.sqrt(variance / np.maximum(1.0 - lifted.confidence, MIN_DOUBT))
    return Prior(lifted.q, np.where(given, 1.0 / variance, 0.0), spread, UNDERRATED)
