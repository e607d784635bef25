"""From the landmarks of several views to coordinates, with what earlier moments showed of the person.

What `realtime.person.personal_solver` does with one view: sizes are averaged, landmark offsets are learned in
the neutral pose, and landmarks are corrected by them. Offsets differ by view and are kept for each; the
scale factors are the person's, and are measured where rays of two views meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.person.neutral_pose import NeutralPose
from realtime.person.offsets import PersonModel, neutral_prior
from realtime.person.personal_solver import EXPECTED_TRUST, EXPECTED_TRUST_KNOWN, KNOWN_ACROSS, PosePrior
from realtime.person.scaling import SubjectScaling
from realtime.pose.gap import MAX_GAP_S
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import reachable_rays, trust, world_in_camera
from realtime.pose.ray_solver import Sighting
from realtime.pose.solver import Posterior, Prior, habit_prior
from realtime.sample import PersonState
from realtime.views.agreement import COMPARED, ViewedPerson, agreeing, triangulate
from realtime.views.expectation import CrossedExpectation, shared_prior
from realtime.views.flexed_landmarks import FlexedLandmarks
from realtime.views.solver import ViewsSolver

Array = NDArray[np.float64]

LONGEST_GAP_NS = 250_000_000
"""A moment longer ago than this says little about where somebody is now."""
CROSSED_ACROSS = 0.65
"""Standard deviation of landmarks of somebody who is not known, where rays cross, relative to one view."""
MIN_SIZE_WEIGHT = 0.5
"""Weight of a landmark from which its position counts for the person's size."""


@dataclass(frozen=True, slots=True, eq=False)
class SolvedMoment:
    """Coordinates of one moment."""

    found: Posterior
    used: tuple[int, ...]
    """The views that they rest on; others saw nobody, or somebody else."""


class _View:
    """What is known of the person in one view."""

    def __init__(
        self,
        skeleton: Skeleton,
        model: LandmarkModel,
        camera: CameraCalibration,
        prior: PosePrior | None,
        height_m: float | None,
        known: Array | None,
    ) -> None:
        self.camera, self.prior, self._model = camera, prior, model
        self.scaling = SubjectScaling(skeleton, model, height_m, known=known)
        self.person = PersonModel(skeleton, model, camera)
        self.neutral = NeutralPose(camera)

    def world_scale(self, scale_factors: Array) -> float:
        """Factor from the network's metres to the person's."""
        own = float(self.scaling.scale_factors.mean())
        return self.scaling.world_scale * float(scale_factors.mean()) / own

    def sighting(self, result: BlazePoseResult, world_m: Array, scale_factors: Array) -> Sighting:
        """The landmarks that stations exist for."""
        used = self._model.landmark
        rays, is_reached = reachable_rays(result.landmarks_px[used, :2], self.camera.intrinsics)
        relative_m = world_m[used] * self.world_scale(scale_factors)
        return Sighting(rays, relative_m, trust(result)[used] * is_reached)


class ViewsPersonalSolver:
    """Coordinates of one person, moment by moment.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
        cameras: Cameras in one ground, whose Y is up.
        priors: Source of the expected pose of each view; None expects how people hold themselves.
        height_m: Stature of the person, if known.
        known: Scale factors measured before; None measures them. Shape: (n_bodies, 3).
        learns: Whether landmark offsets are learned when the neutral pose is seen.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        model: LandmarkModel,
        cameras: Sequence[CameraCalibration],
        priors: Sequence[PosePrior] | None = None,
        *,
        height_m: float | None = None,
        known: Array | None = None,
        learns: bool = True,
    ) -> None:
        self._skeleton, self._learns = skeleton, learns
        expected = [None] * len(cameras) if priors is None else list(priors)
        self._views = [
            _View(skeleton, model, camera, prior, height_m, known)
            for camera, prior in zip(cameras, expected, strict=True)
        ]
        self._scaling = SubjectScaling(skeleton, model, height_m, known=known, is_metric=True)
        self._habit = habit_prior(model)
        self._crossed = CrossedExpectation(skeleton)
        self._flexed = FlexedLandmarks(skeleton, model)
        self._solver = ViewsSolver(skeleton, model, cameras)
        self._neutral_solver = ViewsSolver(skeleton, model, cameras)
        self.forget_person()

    @property
    def scaling(self) -> SubjectScaling:
        """The person's size: measured by rays that meet, or by the network as long as none have."""
        if self._is_measured:
            return self._scaling
        return max((view.scaling for view in self._views), key=lambda scaling: scaling.n_frames)

    @property
    def state(self) -> PersonState:
        """Whether the person is known in any view."""
        is_known = any(view.person.is_known for view in self._views)
        return PersonState.KNOWN if is_known else PersonState.UNKNOWN

    def forget_moment(self) -> None:
        """Start afresh, with the same person."""
        self._solver.reset()
        self._q: Array | None = None
        self._landmarks_m: Array | None = None
        self._last_ns = 0
        for view in self._views:
            view.neutral.reset()
            view.person.interrupt()

    def forget_person(self) -> None:
        """Start with a person of whom nothing is known."""
        self._scaling.reset()
        self._is_measured = False
        for view in self._views:
            view.scaling.reset()
            view.person.reset()
        self.forget_moment()

    def solve(self, t_ns: int, raw: Sequence[BlazePoseResult | None]) -> SolvedMoment:
        """Coordinates of one moment.

        Args:
            t_ns: Time of the moment.
            raw: Landmarks of each view; None where nobody is seen. At least one is given.
        """
        if self._q is not None and t_ns - self._last_ns > 1e9 * MAX_GAP_S:
            self._solver.reset()  # nothing shows where the person went meanwhile
            self._q = None
        used, people = self._believed(t_ns, raw)
        results = {view: result for view in used if (result := raw[view]) is not None}
        self._measure(results, people)
        factors = self.scaling.scale_factors
        for solver in (self._solver, self._neutral_solver):
            solver.set_scale_factors(factors)
        seen, prior = self._look(results, factors)
        is_known = any(self._views[view].person.is_known for view in used)
        is_crossed = len(used) > 1
        unknown_across = CROSSED_ACROSS if is_crossed else 1.0
        self._solver.across_factor = KNOWN_ACROSS if is_known else unknown_across
        if is_crossed and self._views[0].prior is not None:
            prior = self._crossed.temper(prior, is_known=is_known)
        else:
            prior = replace(prior, trust=EXPECTED_TRUST_KNOWN if is_known else EXPECTED_TRUST)
        found = self._solver.solve(seen, prior)
        if self._learns and not is_known:
            self._learn(t_ns, results, factors, prior)
        self._q, self._last_ns = found.q, t_ns
        return SolvedMoment(found, tuple(used))

    def _believed(
        self, t_ns: int, raw: Sequence[BlazePoseResult | None]
    ) -> tuple[list[int], dict[int, ViewedPerson]]:
        """The views that show one person, and what they show; remembers where that person is."""
        people = {
            k: ViewedPerson.of(result, view.camera)
            for k, (view, result) in enumerate(zip(self._views, raw, strict=True))
            if result is not None
        }
        is_recent = self._landmarks_m is not None and t_ns - self._last_ns <= LONGEST_GAP_NS
        used = agreeing([people.get(k) for k in range(len(raw))], self._landmarks_m if is_recent else None)
        if len(used) > 1:
            self._landmarks_m = triangulate([people[k] for k in used])[0][COMPARED]
        elif not is_recent:
            self._landmarks_m = None
        return used, people

    def _measure(self, results: dict[int, BlazePoseResult], people: dict[int, ViewedPerson]) -> None:
        """Average the person's size."""
        for view, result in results.items():
            one = self._views[view]
            one.scaling.update(world_in_camera(result, one.camera), trust(result))
        if len(results) > 1:
            points_m, weights = triangulate([people[view] for view in results])
            if weights[COMPARED].min() > MIN_SIZE_WEIGHT:
                self._scaling.update(points_m, weights)
                self._is_measured = True

    def _look(
        self, results: dict[int, BlazePoseResult], factors: Array
    ) -> tuple[list[Sighting | None], Prior]:
        """What each view sees, corrected by the person's offsets, and what all expect together."""
        seen: list[Sighting | None] = [None] * len(self._views)
        priors = []
        for number, result in results.items():
            view = self._views[number]
            world_m = world_in_camera(result, view.camera)
            if self._q is not None:
                scale = view.world_scale(factors)
                result, world_m = view.person.correct(result, world_m, self._q, factors, scale)
            sighting = view.sighting(result, world_m, factors)
            if self._q is not None and len(results) > 1:
                sighting = self._flexed.correct(sighting, self._q, factors, view.camera)
            seen[number] = sighting
            priors.append(self._habit if view.prior is None else view.prior.expect(result))
        if self._views[0].prior is None:
            return seen, self._habit
        return seen, shared_prior(priors, self._skeleton.is_rotational)

    def _learn(self, t_ns: int, results: dict[int, BlazePoseResult], factors: Array, prior: Prior) -> None:
        """Learn the offsets of all views while any of them shows the neutral pose."""
        views = {number: self._views[number] for number in results}
        refusals = [view.neutral.step(t_ns, results[k]) for k, view in views.items()]
        if all(refusal is not None for refusal in refusals):
            for view in self._views:
                view.person.interrupt()
            return
        seen: list[Sighting | None] = [None] * len(self._views)
        for k, view in views.items():
            seen[k] = view.sighting(results[k], world_in_camera(results[k], view.camera), factors)
        self._neutral_solver.reset()
        found = self._neutral_solver.solve(seen, neutral_prior(self._skeleton, prior))
        is_new = False
        for k, view in views.items():
            sighting, depth_m = seen[k], self._neutral_solver.depth_m[k]
            assert sighting is not None and depth_m is not None
            depths_m = depth_m + sighting.relative_m[:, 2]
            is_new |= view.person.learn(t_ns, found.q, factors, sighting.rays, depths_m)
        if is_new:
            self._solver.reset()
