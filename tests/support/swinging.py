"""An estimator on the real skeleton that needs no network: joints swing with the frame's own time.

Run as a program, it is `kinecast` with this estimator in place of the real ones.
"""

from __future__ import annotations

import sys

import numpy as np

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from realtime import cli
from realtime.app import command
from realtime.commands import session
from realtime.options import EstimatorOptions
from realtime.pose.estimate import Estimate
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status


class SwingingEstimator:
    """Every coordinate is a sine of the time since the first frame; every tenth frame is lost."""

    name = "swinging"
    description = "nothing"

    def __init__(self, camera: CameraCalibration) -> None:
        self.skeleton = load_skeleton()
        self.camera = camera
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
        if frame.frame_id % 10 == 9:
            return self._layer.lost(frame, {})
        n_q = self.skeleton.n_q
        seconds = (frame.t_capture_ns - self._first_ns) * 1e-9
        estimate = Estimate(
            q=self.skeleton.q_default + 0.3 * np.sin(seconds + np.arange(n_q) + float(frame.image.mean())),
            confidence=np.full(n_q, 0.5),
            scale_factors=np.ones((self.skeleton.n_bodies, 3)),
            status=Status.TRACKING,
            box_px=np.array([0.0, 0.0, 1.0, 1.0]),
        )
        return self._layer.step(frame, estimate, {})


def build(options: EstimatorOptions, camera: CameraCalibration) -> SwingingEstimator:
    """Stands in for `make_estimator`."""
    return SwingingEstimator(camera)


if __name__ == "__main__":
    session.make_estimator = build
    command.PROGRAM = (sys.executable, "-m", "tests.support.swinging")
    sys.exit(cli.main())
