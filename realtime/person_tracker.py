"""What estimators on BlazePose's landmarks share: following the person, losing them, meeting another."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose import BlazePose, BlazePoseResult
from engines.preprocess import letterbox_roi
from realtime.skeletal_layer import Estimate, SkeletalLayer
from realtime.types import Frame, PoseSample

Array = NDArray[np.float64]

LOST_RESET_NS = 2_000_000_000
"""After 2 s without anybody the next person is taken for another one."""


class LandmarkFollower(ABC):
    """An estimator that follows one person with BlazePose and makes coordinates of the landmarks.

    Args:
        skeleton: Whose coordinates are estimated.
        camera: Intrinsics and place of the camera.
        blazepose: The landmark networks.
        layer: Smooths and places the bodies.
    """

    name: str
    stage: str
    """What the time from landmarks to coordinates is called in reports."""

    def __init__(
        self, skeleton: Skeleton, camera: CameraCalibration, blazepose: BlazePose, layer: SkeletalLayer
    ) -> None:
        self.skeleton = skeleton
        self.camera = camera
        self._blazepose = blazepose
        self._layer = layer
        self._last_seen_ns: int | None = None

    @abstractmethod
    def _solve(self, result: BlazePoseResult) -> Estimate:
        """Coordinates of one frame."""

    @abstractmethod
    def _lose_sight(self) -> None:
        """Nobody was found: nothing of the frame before may be used for the next."""

    @abstractmethod
    def _forget_subject(self) -> None:
        """The next person is another one."""

    @property
    def description(self) -> str:
        """What the landmark network runs on."""
        return self._blazepose.description

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""
        return self._layer.lag_s

    def warm_up(self) -> None:
        """Take an empty picture through every stage; see `realtime.types.Estimator`."""
        k = self.camera.intrinsics
        image = np.zeros((k.height_px, k.width_px, 3), dtype=np.uint8)
        image.flags.writeable = False  # as frames are: numba compiles for either
        self._blazepose.step(image)
        result = self._blazepose.run_roi(image, letterbox_roi(k.width_px, k.height_px))
        if result is not None:
            # A layer of its own, so that the reported lag is that of real frames.
            SkeletalLayer(self.skeleton).step(Frame(0, 0, image), self._solve(result), {})
        self.reset()

    def reset(self) -> None:
        """Forget the person and the region they were in."""
        self._blazepose.reset()
        self._forget_person()

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; see `realtime.types.Estimator`."""
        start_ns = time.perf_counter_ns()
        result = self._blazepose.step(frame.image, frame.t_capture_ns)
        stage_ns = {"landmarks": time.perf_counter_ns() - start_ns}
        if result is None:
            self._lose_sight()
            if self._last_seen_ns is not None and frame.t_capture_ns - self._last_seen_ns > LOST_RESET_NS:
                self._forget_person()
            return self._layer.lost(frame, stage_ns)
        self._last_seen_ns = frame.t_capture_ns
        start_ns = time.perf_counter_ns()
        estimate = self._solve(result)
        stage_ns[self.stage] = time.perf_counter_ns() - start_ns
        return self._layer.step(frame, estimate, stage_ns)

    def _forget_person(self) -> None:
        self._forget_subject()
        self._layer.reset()
        self._last_seen_ns = None


def bounding_box(points_px: Array) -> Array:
    """Left, top, right, bottom of points. Shape: (4,)."""
    return np.concatenate([points_px.min(0), points_px.max(0)])
