"""Observation of a person frame by frame to measure them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import load_skeleton
from calib.subject import LandmarkOffset, Subject
from engines.assets import fetch
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.features.body_proportions import look_at_proportions
from engines.shipped import shipped_lifter_path, shipped_patches_path
from realtime.calibration.subject_meter import INTERVAL_S, SubjectMeter
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.estimators.lift_network import LiftNetwork
from realtime.estimators.lift_prior import LiftPrior
from realtime.estimators.patch_network import PatchNetwork
from realtime.person.personal_solver import PersonalSolver
from realtime.person.scaling import SubjectScaling
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PersonState


class _WatchedBlazePose(BlazePose):
    """Stores its last result."""

    seen: BlazePoseResult | None = None

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        self.seen = super().step(image, t_capture_ns)
        return self.seen


class SubjectObserver:
    """Tracks a person and passes the observations to a `SubjectMeter`.

    With kinecast's own skeleton, segment lengths come from stature and upright frames, and the rest from the
    lift network (`calib.proportions`), and the points of patches get offsets, too; with another skeleton,
    lengths come from BlazePose's landmarks.

    Args:
        camera: Camera calibration.
        height_m: The person's stature.
        skeleton_path: An `.osim` file; None takes kinecast's own skeleton.
        is_female: Whether the person is female; None if unknown.
        offline: Whether to forbid access to the network.

    Raises:
        CalibError: the skeleton cannot be read or tracked, or nobody has this stature.
        EngineError: a network is missing.
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
        self._camera = camera
        self._is_known = False
        self._until_known: list[tuple[int, BlazePoseResult | None]] = []
        self._blazepose = _WatchedBlazePose(
            fetch("pose_landmark_full", offline=offline), fetch("pose_detection", offline=offline)
        )
        layer = SkeletalLayer(self.skeleton)
        self._lifter = None if skeleton_path else LiftNetwork(self.skeleton, camera, shipped_lifter_path())
        self._prior = None if self._lifter is None else LiftPrior(self._lifter)
        patches = None if skeleton_path else PatchNetwork(self.skeleton, shipped_patches_path())
        self._has_points = patches is not None
        self._estimator = LandmarksEstimator(
            self.skeleton, camera, self._blazepose, layer, height_m, prior=self._prior, patches=patches
        )

    def result(self, source: str) -> Subject:
        """The measurements, with landmark offsets if the person stood in the neutral pose.

        Args:
            source: Description of the source.

        Raises:
            SubjectError: too few frames could be used.
        """
        subject = self.meter.result(source)
        return replace(subject, landmark_offsets=self._landmark_offsets(subject.scale_factors))

    def _landmark_offsets(self, scale_factors: NDArray[np.float64]) -> dict[str, LandmarkOffset]:
        """Offsets from a model of this size, learned from the frames seen until the person was known."""
        model = build_landmark_model(self.skeleton, with_points=self._has_points)
        scaling = SubjectScaling(self.skeleton, model, known=scale_factors)
        solver = PersonalSolver(self.skeleton, model, self._camera, scaling, self._prior)
        for t_ns, looked in self._until_known:
            if looked is None:
                solver.forget_frame()
            else:
                solver.solve(t_ns, looked)
        offsets = solver.person.offsets
        return {} if offsets is None else offsets.by_landmark(model)

    def look(self, frame: Frame, *, is_single: bool = False) -> bool:
        """Process one frame.

        Args:
            frame: The frame.
            is_single: Whether the frame is unrelated to the one before, as in a folder of images.

        Returns:
            Whether the frame was used.
        """
        if is_single:
            self._blazepose.reset()
        sample = self._estimator.step(frame)
        seen = self._blazepose.seen
        if not is_single and not self._is_known:
            self._until_known.append((frame.t_capture_ns, self._estimator.looked))
            self._is_known = sample.person is PersonState.KNOWN
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
