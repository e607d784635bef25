"""Looks at a person frame by frame to take their measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from engines.assets import fetch
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.features.body_proportions import look_at_proportions
from engines.shipped import shipped_lifter_path
from realtime.calibration.subject_meter import INTERVAL_S, SubjectMeter
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.estimators.lift_network import LiftNetwork
from realtime.estimators.lift_prior import LiftPrior
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame


class _WatchedBlazePose(BlazePose):
    """Keeps what it saw last."""

    seen: BlazePoseResult | None = None

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        self.seen = super().step(image, t_capture_ns)
        return self.seen


class SubjectObserver:
    """Tracks somebody and gives what is seen to a `SubjectMeter`.

    With kinecast's own skeleton, stature and upright pictures say how long segments are, and the lifter the
    rest (`calib.proportions`); with another one BlazePose's lengths do.

    Args:
        camera: Intrinsics and place of the camera.
        height_m: The person's stature.
        skeleton_path: An `.osim` file; None takes kinecast's own skeleton.
        is_female: None where it is not told.
        offline: Never touch the network.

    Raises:
        CalibError: the skeleton cannot be read or tracked, or nobody has this stature.
        EngineError: a network is not at hand.
    """

    def __init__(
        self,
        camera: CameraCalibration,
        height_m: float,
        *,
        skeleton_path: Path | None = None,
        is_female: bool | None = None,
        offline: bool = False,
    ) -> None:
        self.skeleton = load_skeleton(skeleton_path)
        self.meter = SubjectMeter(self.skeleton, height_m, is_own=skeleton_path is None, is_female=is_female)
        self._blazepose = _WatchedBlazePose(
            fetch("pose_landmark_full", offline=offline), fetch("pose_detection", offline=offline)
        )
        layer = SkeletalLayer(self.skeleton)
        self._lifter = None if skeleton_path else LiftNetwork(self.skeleton, camera, shipped_lifter_path())
        prior = None if self._lifter is None else LiftPrior(self._lifter)
        self._estimator = LandmarksEstimator(
            self.skeleton, camera, self._blazepose, layer, height_m, prior=prior
        )

    def look(self, frame: Frame, *, is_single: bool = False) -> bool:
        """Take one frame into account.

        Args:
            frame: The frame.
            is_single: Whether it has nothing to do with the frame before, as in a folder of pictures.

        Returns:
            Whether it was of use.
        """
        if is_single:
            self._blazepose.reset()
        sample = self._estimator.step(frame)
        seen = self._blazepose.seen
        if seen is None:
            return False
        interval_s = 0.0 if is_single else INTERVAL_S
        if self._lifter is None:
            return self.meter.add(sample, seen, sample.scale_factors, interval_s=interval_s)
        look = look_at_proportions(self._lifter.batch(seen))
        return self.meter.add(
            sample,
            seen,
            self._lifter.look(seen).scale_factors,
            upright=look.values[0] if look.is_usable[0] else None,
            interval_s=interval_s,
        )
