"""The `landmarks` estimator: BlazePose, this person's scale factors, inverse kinematics.

Landmarks are precise across the line of sight and imprecise along it, segment lengths are fixed by the
skeleton, and what the image leaves open (how pelvis and lumbar joint share a bend, rotations about a limb's
own axis) follows a prior of human posture.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi, letterbox_roi
from realtime.estimators.patch_network import PatchNetwork
from realtime.estimators.tracked_person import TrackedPerson, empty_frame, spare_layer, status_of
from realtime.person.offsets import LandmarkOffsets
from realtime.person.personal_solver import PersonalSolver, PosePrior
from realtime.person.scaling import KnownSubject, SubjectScaling
from realtime.pose.certainty import Certainty
from realtime.pose.estimate import Estimate
from realtime.pose.foot_lock import FootLock
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.leg_sides import LegSides
from realtime.pose.observation import bounding_box
from realtime.pose.position import PelvisPosition
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import ChoosesPeople, Frame, PoseSample

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

SAME_REGION, REGIONS_PER_S = 0.5, 4.0
"""Distance, in sides of the region, at which a person is found again after they were lost, and how it grows:
they may have run at 10 m/s."""


class LandmarkTracker(Protocol):
    """Follows one person from image to image."""

    description: str

    @property
    def n_others(self) -> int:
        """Number of people in view besides the followed one."""

    def reset(self) -> None:
        """Forget the person."""

    def step(self, image: Image, t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """The person's landmarks; None while nobody is found."""

    def run_roi(self, image: Image, roi: Roi) -> BlazePoseResult | None:
        """Landmarks in a region, whether or not somebody is there."""


class LandmarksEstimator:
    """Frames to pose samples through landmarks and inverse kinematics.

    Args:
        skeleton: Any skeleton with a pelvis, legs and a torso in OpenSim's usual names.
        camera: Intrinsics and pose of the camera.
        blazepose: Landmark networks.
        layer: Last stage: smoothing, limits and forward kinematics.
        height_m: Stature of the person, if known.
        subject: Scale factors and offsets of the person, if measured; they replace the stature.
        prior: Source of the expected pose; None takes the prior of human posture.
        patches: Network that looks at patches around the landmarks; for kinecast's own skeleton.
        learns_person: Whether landmark offsets are learned when the person stands in the neutral pose.

    Raises:
        SkeletonError: the skeleton lacks a body that a person cannot be tracked without.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        blazepose: LandmarkTracker,
        layer: SkeletalLayer,
        height_m: float | None = None,
        subject: KnownSubject | None = None,
        *,
        prior: PosePrior | None = None,
        patches: PatchNetwork | None = None,
        learns_person: bool = True,
    ) -> None:
        self.name = "landmarks" if prior is None else prior.name
        self._learns_person = learns_person
        self._stage = "inverse_kinematics" if prior is None else prior.stage
        self.skeleton = skeleton
        self.camera = camera
        self._blazepose = blazepose
        self._layer = layer
        self._person = TrackedPerson()
        self._last_roi: Roi | None = None
        self.looked: BlazePoseResult | None = None
        """Landmarks and points of the last frame as the solver gets them; None where nobody was found."""
        self._patches = patches
        self._model = build_landmark_model(skeleton, with_points=patches is not None)
        self._subject = subject or KnownSubject()
        self._scaling = SubjectScaling(skeleton, self._model, height_m, known=self._subject.scale_factors)
        measured = self._subject.landmark_offsets
        self._solver = PersonalSolver(
            skeleton,
            self._model,
            camera,
            self._scaling,
            prior,
            learns=learns_person,
            offsets=LandmarkOffsets.of(measured, self._model) if measured else None,
        )
        self._sides = LegSides()
        self._certainty = Certainty(skeleton, self._model, camera)
        self._position = PelvisPosition(skeleton, self._model, camera)
        self._lock = FootLock(skeleton, self._model, camera.T_ground_cam[:3, 3]) if camera.has_floor else None
        self.reset()

    @property
    def description(self) -> str:
        """Runtime, device and precision of the landmark network and of that of patches."""
        patches = "" if self._patches is None else f"; {self._patches.description}"
        return f"{self._blazepose.description}{patches}"

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""
        return self._layer.lag_s

    def warm_up(self) -> None:
        """Take an empty frame through every stage; see `realtime.sample.Estimator`."""
        k, frame = self.camera.intrinsics, empty_frame(self.camera)
        self._blazepose.step(frame.image)
        result = self._blazepose.run_roi(frame.image, letterbox_roi(k.width_px, k.height_px))
        if result is not None:
            result = result if self._patches is None else self._patches.look(frame.image, result)
            estimate = self._place(0, *self._solve(0, result))
            spare_layer(self._layer).step(frame, estimate, {})
        self.reset()

    def reset(self) -> None:
        """Forget the person and the region they were in."""
        self._blazepose.reset()
        self._first_ns: int | None = None
        self._last_number: int | None = None
        self._known_after_s: float | None = None
        self._forget_person()
        self._layer.forget_ground()

    def relearn(self) -> None:
        """Learn the person once more; see `realtime.sample.Estimator`."""
        self._solver.relearn()

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the next image; see `realtime.sample.ChoosesPeople`."""
        if isinstance(self._blazepose, ChoosesPeople):
            self._blazepose.choose_at(x, y)

    def about_person(self) -> dict[str, object]:
        """State, the second in which the person became known, and offsets in cm."""
        state, offsets = self._solver.state, self._solver.person.offsets
        if not self._learns_person and offsets is None:
            return {}
        if offsets is None:
            return {"state": state.value}
        return {
            "state": state.value,
            "known_after_s": round(self._known_after_s or 0.0, 3),
            "landmark_offsets_cm": offsets.in_cm(self._model, self._scaling.scale_factors),
        }

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; see `realtime.sample.Estimator`."""
        was_known = self._solver.person.is_known
        self._first_ns = frame.t_capture_ns if self._first_ns is None else self._first_ns
        sample = self._step(frame)
        if self._solver.person.is_known and not was_known:
            self._known_after_s = 1e-9 * (frame.t_capture_ns - self._first_ns)
        refusal = self._solver.refusal
        return replace(
            sample,
            person=self._solver.state,
            advice="" if refusal is None else refusal.value,
            learning_left_s=self._solver.person.learning_left_s,
            others=self._blazepose.n_others,
            person_id=0 if self._last_number is None else self._last_number + 1,
        )

    def _step(self, frame: Frame) -> PoseSample:
        start_ns = time.perf_counter_ns()
        result = self._blazepose.step(frame.image, frame.t_capture_ns)
        stage_ns = {"landmarks": time.perf_counter_ns() - start_ns}
        self.looked = None
        if result is None:
            # Nothing of the frame before may be used for the next.
            self._forget_frame()
            if self._person.is_gone(frame):
                self._forget_person()
            return self._layer.lost(frame, stage_ns)
        is_other = self._last_number is not None and result.person != self._last_number
        self._last_number = result.person
        if is_other or (result.detected and self._is_somebody_else(frame.t_capture_ns, result.roi)):
            self._forget_person()
        self._person.see(frame)
        self._last_roi = result.roi
        result = self._sides.keep(frame.t_capture_ns, result)
        start_ns = time.perf_counter_ns()
        if self._patches is not None:
            result = self._patches.look(frame.image, result)
            stage_ns["patches"] = time.perf_counter_ns() - start_ns
            start_ns = time.perf_counter_ns()
        self.looked = result
        fitted, estimate = self._solve(frame.t_capture_ns, result)
        stage_ns[self._stage] = time.perf_counter_ns() - start_ns
        start_ns = time.perf_counter_ns()
        estimate = self._place(frame.t_capture_ns, fitted, estimate)
        stage_ns["pelvis_position"] = time.perf_counter_ns() - start_ns
        hold_feet = self._hold_feet(frame.t_capture_ns, estimate)
        return self._certainty.judge(self._layer.step(frame, estimate, stage_ns, hold_feet), result)

    def _forget_frame(self) -> None:
        self._solver.forget_frame()
        self._position.reset()
        self._certainty.reset()
        self._sides.reset()
        if self._lock is not None:
            self._lock.reset()

    def _forget_person(self) -> None:
        self._solver.forget_person()
        self._forget_frame()
        self._layer.reset()
        self._person.reset()
        self._last_roi = None

    def _is_somebody_else(self, t_ns: int, roi: Roi) -> bool:
        """Whether the person who was lost cannot have moved this far."""
        last, last_seen_ns = self._last_roi, self._person.last_seen_ns
        if last is None or last_seen_ns is None:
            return False
        way_px = np.hypot(roi.centre_x_px - last.centre_x_px, roi.centre_y_px - last.centre_y_px)
        reach = SAME_REGION + REGIONS_PER_S * 1e-9 * (t_ns - last_seen_ns)
        return bool(way_px > reach * max(roi.size_px, last.size_px))

    def _place(self, t_ns: int, result: BlazePoseResult, estimate: Estimate) -> Estimate:
        q = self._subject.without_offsets(estimate.q)
        return replace(estimate, q=self._position.step(t_ns, result, q, estimate.scale_factors))

    def _hold_feet(self, t_ns: int, estimate: Estimate) -> Callable[[Array, Array], None] | None:
        """Correction that keeps planted feet in position; None without a floor."""
        if self._lock is None:
            return None
        return partial(self._lock.step, t_ns, self._position.stances, estimate.scale_factors)

    def _solve(self, t_ns: int, result: BlazePoseResult) -> tuple[BlazePoseResult, Estimate]:
        """The landmarks that the estimate fits, and the estimate."""
        solved = self._solver.solve(t_ns, result)
        found = solved.found
        estimate = Estimate(
            q=found.q,
            confidence=found.confidence,
            sigma=found.sigma,
            in_picture=self._model.in_picture(result.presence),
            scale_factors=self._scaling.scale_factors,
            status=status_of(self._scaling),
            box_px=bounding_box(result.roi.corners_px()),
        )
        return solved.result, estimate
