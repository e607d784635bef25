"""The pose that the lift network expects, as the solver's prior: with it, `landmarks` becomes `lifted`.

The network, trained on synthetic people, knows what inverse kinematics cannot: where BlazePose's landmarks
lie on bodies, how its depth errs, and which poses people take. The solver makes its output agree with where
the landmarks are in the image, each as far as it can be trusted, and finds the position of the pelvis.
"""

from __future__ import annotations

import numpy as np

from engines.blazepose.tracker import BlazePoseResult
from engines.features.temporal import UNDERRATED
from realtime.estimators.lift_network import LiftedPose, LiftNetwork
from realtime.pose.solver import Prior

DISAGREEMENT = 1.0
"""On 350 images of synthetic people outside the training data, angles that the landmarks pulled away from
the network by more than a standard deviation had twice the error that is estimated without this."""
MIN_OPEN_SHARE = 0.02
"""Least share of the variance among people that remains after the network's output."""


class LiftPrior:
    """Expects in each frame what the lift network makes of the landmarks.

    Args:
        network: The network with its camera.
    """

    name = "lifted"
    stage = "lift"

    def __init__(self, network: LiftNetwork) -> None:
        self._network = network

    def expect(self, result: BlazePoseResult) -> Prior:
        """The pose expected in one frame."""
        return prior_of(self._network.lift(result))


def prior_of(pose: LiftedPose) -> Prior:
    """The network's output as the solver's prior."""
    given = np.isfinite(pose.sigma)
    variance = np.where(given, pose.sigma**2, 1.0)
    spread = np.sqrt(variance / np.maximum(1.0 - pose.confidence, MIN_OPEN_SHARE))
    weight = np.where(given, 1.0 / variance, 0.0)
    return Prior(pose.q, weight, spread, UNDERRATED, DISAGREEMENT, information=pose.information)
