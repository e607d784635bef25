"""From the landmarks of a frame to coordinates, with what earlier frames showed of the person.

The person's size is averaged (`realtime.person.scaling`), their landmark offsets are learned in the neutral
pose (`realtime.person.offsets`), landmarks are corrected by them, and the solver fits the corrected rays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.person.leg_length import LegLengthCheck
from realtime.person.neutral_pose import NeutralPose, Refusal
from realtime.person.offsets import LandmarkOffsets, PersonModel, neutral_prior
from realtime.person.scaling import SubjectScaling
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import reachable_rays, trust, world_in_camera
from realtime.pose.ray_solver import RaySolver, Sighting
from realtime.pose.solver import Posterior, Prior, habit_prior
from realtime.sample import PersonState

Array = NDArray[np.float64]

EXPECTED_TRUST, EXPECTED_TRUST_KNOWN = 1.0, 0.15
"""Weight of the expected pose, as a share of that of its own standard deviations. Once landmarks are
corrected, they deserve far more trust against it: in the middle of a squat seen from the front, it expects
legs that are nearly straight. For somebody who is not known, 0.6 gains nothing on synthetic people."""
KNOWN_ACROSS = 0.5
"""Standard deviation of corrected landmarks, relative to landmarks of a person who is not known."""


class PosePrior(Protocol):
    """Expects a pose before the solver sees the landmarks."""

    name: str
    """Name of the estimator that has this prior."""
    stage: str
    """Name of the time from landmarks to coordinates in reports."""

    def expect(self, result: BlazePoseResult) -> Prior:
        """The pose expected in one frame."""


@dataclass(frozen=True, slots=True, eq=False)
class SolvedFrame:
    """Coordinates of one frame, and the landmarks that they fit."""

    found: Posterior
    result: BlazePoseResult
    """The landmarks, corrected by the person's offsets."""


class PersonalSolver:
    """Coordinates of one person, frame by frame.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
        camera: Intrinsics and position of the camera.
        scaling: Running estimate of the scale factors.
        prior: Source of the expected pose; None expects how people hold themselves.
        learns: Whether landmark offsets are learned when the neutral pose is seen.
        offsets: Landmark offsets measured before; None learns them.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        model: LandmarkModel,
        camera: CameraCalibration,
        scaling: SubjectScaling,
        prior: PosePrior | None = None,
        *,
        learns: bool = True,
        offsets: LandmarkOffsets | None = None,
    ) -> None:
        self._skeleton, self._model, self._camera = skeleton, model, camera
        self._scaling, self._prior, self._learns = scaling, prior, learns
        self._habit = habit_prior(model)
        self._solver = RaySolver(skeleton, model, camera)
        self._neutral_solver = RaySolver(skeleton, model, camera)
        self._neutral = NeutralPose(camera)
        self.person = PersonModel(skeleton, model, camera, offsets)
        self._legs = LegLengthCheck(model)
        self.forget_person()

    @property
    def state(self) -> PersonState:
        """Whether the person is known after the last frame."""
        if self.person.is_known:
            return PersonState.KNOWN
        is_learning = np.isfinite(self.person.learning_left_s)
        return PersonState.LEARNING if is_learning else PersonState.UNKNOWN

    @property
    def refusal(self) -> Refusal | None:
        """What kept the last frame from being a neutral pose; None if it was one, or none is looked for."""
        return self._refusal

    def forget_frame(self) -> None:
        """Start afresh, with the same person."""
        self._solver.reset()
        self._neutral.reset()
        self.person.interrupt()
        self._q: Array | None = None
        self._refusal: Refusal | None = None

    def forget_person(self) -> None:
        """Start with a person of whom only what was measured before is known."""
        self._scaling.reset()
        self.person.reset()
        self._legs.forget()
        self.forget_frame()
        self._take_scale_factors()

    def relearn(self) -> None:
        """Learn the person's landmark offsets once more, from the next neutral pose, if any are learned."""
        if self._learns:
            self.person.unlearn()
            self._legs.forget()
            self.forget_frame()

    def solve(self, t_ns: int, raw: BlazePoseResult) -> SolvedFrame:
        """Coordinates of one frame."""
        world_m, visibility = world_in_camera(raw, self._camera), trust(raw)
        if self._scaling.update(world_m, visibility):
            self._take_scale_factors()
        factors, world_scale = self._scaling.scale_factors, self._scaling.world_scale
        result, corrected_m = raw, world_m
        if self._q is not None:
            result, corrected_m = self.person.correct(raw, world_m, self._q, factors, world_scale)
        expected = None if self._prior is None else self._prior.expect(result)
        prior = self._habit if expected is None else self._tempered(expected)
        self._solver.across_factor = KNOWN_ACROSS if self.person.is_known else 1.0
        # Legs that are not known look too short or too long, and a floor makes that worse as they step.
        self._solver.follows_floor = self.person.is_known
        seen = self._sighting(result, corrected_m, visibility)
        found = self._solver.solve(t_ns, seen, prior)
        self._q = found.q
        if self._learns:
            as_seen = seen if result is raw else self._sighting(raw, world_m, visibility)
            self._learn(t_ns, raw, as_seen, prior)
        return SolvedFrame(found, result)

    def _tempered(self, expected: Prior) -> Prior:
        share = EXPECTED_TRUST_KNOWN if self.person.is_known else EXPECTED_TRUST
        return replace(expected, trust=share)

    def _sighting(self, result: BlazePoseResult, world_m: Array, visibility: Array) -> Sighting:
        used = self._model.landmark
        rays, is_reached = reachable_rays(result.landmarks_px[used, :2], self._camera.intrinsics)
        return Sighting(rays, world_m[used] * self._scaling.world_scale, visibility[used] * is_reached)

    def _learn(self, t_ns: int, raw: BlazePoseResult, seen: Sighting, prior: Prior) -> None:
        if self.person.is_known:
            if self._legs.are_longer(t_ns, seen):
                # What was taken for the neutral pose was none: those legs were bent.
                self.relearn()
            return
        self._refusal = self._neutral.step(t_ns, raw)
        if self._refusal is not None:
            self.person.interrupt()
            return
        self._neutral_solver.reset()
        found = self._neutral_solver.solve(t_ns, seen, neutral_prior(self._skeleton, prior))
        depth_m = self._neutral_solver.depth_m + seen.relative_m[:, 2]
        if self.person.learn(t_ns, found.q, self._scaling.scale_factors, seen.rays, depth_m):
            self._legs.remember(seen)
            # Legs that were taken for bent also stood at another depth.
            self._solver.reset()

    def _take_scale_factors(self) -> None:
        for solver in (self._solver, self._neutral_solver):
            solver.set_scale_factors(self._scaling.scale_factors)
