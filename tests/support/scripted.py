"""An estimator that says what a test wrote down, whatever is on the images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from realtime.sample import Frame, PersonState, PoseSample, Status

Script = Callable[[str, float], float]
"""Angle in degrees of a coordinate at a time in s."""


class ScriptedEstimator:
    """Angles of a script; the first frames warm up, and some are lost."""

    name = "scripted"
    description = "nothing"
    lag_s = 0.0

    def __init__(self, script: Script, *, warm_up: int = 0, lost: tuple[int, ...] = ()) -> None:
        self.skeleton = load_skeleton()
        self.camera = CameraCalibration.assumed(64, 48)
        self._script, self._warm_up, self._lost = script, warm_up, lost
        self._first_ns: int | None = None

    def warm_up(self) -> None:
        pass

    def relearn(self) -> None:
        pass

    def about_person(self) -> dict[str, object]:
        return {}

    def reset(self) -> None:
        self._first_ns = None

    def step(self, frame: Frame) -> PoseSample:
        self._first_ns = frame.t_capture_ns if self._first_ns is None else self._first_ns
        time_s = (frame.t_capture_ns - self._first_ns) * 1e-9
        names, n_q, n_bodies = self.skeleton.coordinate_names, self.skeleton.n_q, self.skeleton.n_bodies
        status = Status.WARM_UP if frame.frame_id < self._warm_up else Status.TRACKING
        return PoseSample(
            frame_id=frame.frame_id,
            t_capture_ns=frame.t_capture_ns,
            status=Status.LOST if frame.frame_id in self._lost else status,
            q=np.radians([self._script(name, time_s) for name in names]),
            qdot=np.zeros(n_q),
            confidence=np.ones(n_q),
            scale_factors=np.ones((n_bodies, 3)),
            T_ground_body=np.tile(np.eye(4), (n_bodies, 1, 1)),
            markers_m=np.zeros((self.skeleton.n_markers, 3)),
            box_px=np.array([0.0, 0.0, 1.0, 1.0]),
            person=PersonState.KNOWN if status is Status.TRACKING else PersonState.UNKNOWN,
        )
