"""The `lifted` estimator: a network trained on synthetic people expects a pose, the landmarks adjust it.

The network knows what inverse kinematics cannot: where BlazePose's landmarks lie on bodies, how its depth
errs, and which poses people take. The solver makes its answer agree with where the landmarks are in the
picture, each as far as it can be trusted, and finds the pelvis's place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.features.temporal import UNDERRATED
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.estimators.lift_network import Lifted, Lifter
from realtime.pose.scaling import KnownSubject
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.pose.solver import Prior

DISAGREEMENT = 1.0
"""On 350 pictures of synthetic people that nothing was learnt from, angles that the landmarks pulled away
from the network by more than a standard deviation erred by twice what is reckoned without this."""
MIN_DOUBT = 0.02
"""Least share of the variance among people that stays open after the network's word."""


class LiftedEstimator(LandmarksEstimator):
    """Frames to pose samples through landmarks, the lifter and a short inverse kinematics.

    Args:
        skeleton: The one that the lifter was trained with.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
        model_path: The lifter.
        height_m: The person's stature, if known.
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
        subject: KnownSubject | None = None,
    ) -> None:
        self._lifter = Lifter(skeleton, camera, model_path)
        super().__init__(skeleton, camera, blazepose, layer, height_m, subject)

    def _prior(self, result: BlazePoseResult) -> Prior:
        return prior_of(self._lifter.lift(result))


def prior_of(lifted: Lifted) -> Prior:
    """The network's answer as the solver's prior."""
    given = np.isfinite(lifted.sigma)
    variance = np.where(given, lifted.sigma**2, 1.0)
    spread = np.sqrt(variance / np.maximum(1.0 - lifted.confidence, MIN_DOUBT))
    return Prior(lifted.q, np.where(given, 1.0 / variance, 0.0), spread, UNDERRATED, DISAGREEMENT)
