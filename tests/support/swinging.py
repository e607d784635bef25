"""An estimator on the real skeleton that needs no network: joints swing with the frame's own time.

Run as a program, it is `kinecast` with this estimator in place of the real ones; with `--people N`, each of N
people swings otherwise, and only the first is lost at times.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from engines.preprocess import Roi
from realtime import cli
from realtime.app import command
from realtime.commands import session
from realtime.estimators.people import PeopleEstimator
from realtime.options import EstimatorOptions
from realtime.pose.estimate import Estimate
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status
from realtime.views.own_estimator import ToldLandmarks


class SwingingEstimator:
    """Every coordinate is a sine of the time since the first frame; every tenth frame is lost."""

    name = "swinging"
    description = "nothing"

    def __init__(self, camera: CameraCalibration, number: int = 1) -> None:
        self.skeleton = load_skeleton()
        self.camera = camera
        self._number = number
        self._layer = SkeletalLayer(self.skeleton)
        self._first_ns: int | None = None

    @property
    def lag_s(self) -> float:
        return self._layer.lag_s

    def warm_up(self) -> None:
        k = self.camera.intrinsics
        self.step(Frame(0, 0, np.zeros((k.height_px, k.width_px, 3), dtype=np.uint8)))
        self.reset()

    def relearn(self) -> None:
        pass

    def about_person(self) -> dict[str, object]:
        return {}

    def reset(self) -> None:
        self._layer.reset()
        self._first_ns = None

    def step(self, frame: Frame) -> PoseSample:
        if self._first_ns is None:
            self._first_ns = frame.t_capture_ns
        if frame.frame_id % 10 == 9 and self._number == 1:
            return self._layer.lost(frame, {})
        n_q = self.skeleton.n_q
        seconds = (frame.t_capture_ns - self._first_ns) * 1e-9
        estimate = Estimate(
            q=self.skeleton.q_default
            + 0.3 * np.sin(self._number * seconds + np.arange(n_q) + float(frame.image.mean())),
            confidence=np.full(n_q, 0.5),
            scale_factors=np.ones((self.skeleton.n_bodies, 3)),
            status=Status.TRACKING,
            box_px=np.array([0.0, 0.0, 1.0, 1.0]),
        )
        return self._layer.step(frame, estimate, {})


class Nobody:
    """Stands in for the network that finds people: the estimators look at no landmarks."""

    description = "nothing"
    n_others = 0

    def __init__(self, n: int) -> None:
        self._n = n

    def reset(self) -> None:
        pass

    def step_all(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> tuple[None, ...]:
        return (None,) * self._n

    def run_roi(self, image: NDArray[np.uint8], roi: Roi) -> None:
        return None

    def choose_at(self, x: float, y: float) -> None:
        pass


def build(options: EstimatorOptions, camera: CameraCalibration) -> SwingingEstimator | PeopleEstimator:
    """Stands in for `make_estimator`."""
    if options.n_people == 1:
        return SwingingEstimator(camera)
    each = [(ToldLandmarks(), SwingingEstimator(camera, k)) for k in range(1, options.n_people + 1)]
    return PeopleEstimator(Nobody(options.n_people), each)  # type: ignore[arg-type]


if __name__ == "__main__":
    session.make_estimator = build
    command.PROGRAM = (sys.executable, "-m", "tests.support.swinging")
    sys.exit(cli.main())
