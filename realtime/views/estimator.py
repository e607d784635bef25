"""The `lifted` and `landmarks` estimators for several views of one person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.rig import Rig
from calib.skeleton import Skeleton
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import letterbox_roi
from realtime.person.personal_solver import PosePrior
from realtime.pose.certainty import Certainty
from realtime.pose.estimate import Estimate
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.leg_sides import LegSides
from realtime.pose.observation import bounding_box
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status
from realtime.views.own_estimator import OwnEstimator
from realtime.views.personal_solver import ViewsPersonalSolver
from realtime.views.tiles import Tiles
from realtime.views.trackers import ViewsLandmarks

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

LOST_RESET_NS = 2_000_000_000
"""After 2 s without anybody in any view, the next person is taken for another one."""


class Patches(Protocol):
    """Looks a second time at parts of an image."""

    description: str
    """Runtime, device and precision of the network."""

    def look(self, image: Image, seen: BlazePoseResult) -> BlazePoseResult:
        """The landmarks of an image, followed by the points of its patches."""


class ViewsEstimator:
    """Moments to pose samples: landmarks in every view, one skeleton that fits all.

    Frames hold the images side by side (`realtime.views.tiles`). Where a view is missing, or shows nobody,
    or somebody else, the others go on. Positions come from where rays meet, so that no floor is needed.

    Args:
        skeleton: Any skeleton that a person can be tracked with.
        rig: The cameras, calibrated at the size of the images.
        landmarks: Source of the person's landmarks in each view.
        layer: Last stage: smoothing, limits and forward kinematics.
        priors: Source of the expected pose of each view; None takes the prior of human posture.
        patches: Network that looks at patches around the landmarks; for kinecast's own skeleton.
        height_m: Stature of the person, if known.
        scale_factors: Scale factors of the person, if measured. Shape: (n_bodies, 3).
        learns_person: Whether landmark offsets are learned when the person stands in the neutral pose.
        own: Estimators of each view alone, to compare; empty without.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        landmarks: ViewsLandmarks,
        layer: SkeletalLayer,
        *,
        priors: Sequence[PosePrior] | None = None,
        patches: Patches | None = None,
        height_m: float | None = None,
        scale_factors: Array | None = None,
        learns_person: bool = True,
        own: Sequence[OwnEstimator] = (),
    ) -> None:
        self.name = "landmarks" if priors is None else priors[0].name
        self.skeleton = skeleton
        self.rig, self.camera = rig, rig.cameras[0]
        self._landmarks, self._layer = landmarks, layer
        intrinsics = [camera.intrinsics for camera in rig.cameras]
        self._tiles = Tiles(tuple((k.width_px, k.height_px) for k in intrinsics))
        self._patches = patches
        self._sides = [LegSides() for _ in rig.cameras]
        self._model = build_landmark_model(skeleton, with_points=patches is not None)
        self._solver = ViewsPersonalSolver(
            skeleton,
            self._model,
            rig.cameras,
            priors,
            height_m=height_m,
            known=scale_factors,
            learns=learns_person,
        )
        self._certainty = Certainty(skeleton, self._model, self.camera)
        self._own = list(own)
        self._last_seen_ns: int | None = None
        self.reset()

    @property
    def description(self) -> str:
        """Runtime, device and precision of the networks of landmarks and patches, and the number of views."""
        patches = "" if self._patches is None else f"; {self._patches.description}"
        return f"{self._landmarks.trackers[0].description}, {len(self.rig.cameras)} views{patches}"

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added so far."""
        return self._layer.lag_s

    def warm_up(self) -> None:
        """Take an empty frame through every stage; see `realtime.sample.Estimator`."""
        image = self._tiles.join([None] * len(self.rig.cameras))
        images: list[Image | None] = []
        results: list[BlazePoseResult | None] = []
        for tracker, (width, height) in zip(self._landmarks.trackers, self._tiles.sizes_px, strict=True):
            one = np.ascontiguousarray(image[:height, :width])
            tracker.step(one)
            images.append(one)
            results.append(tracker.run_roi(one, letterbox_roi(width, height)))
        if any(result is not None for result in results):
            estimate, _ = self._solve(0, self._look(0, images, results))
            # A layer of its own, so that the reported lag is that of real frames.
            SkeletalLayer(self.skeleton).step(Frame(0, 0, image), estimate, {})
        for own, result in zip(self._own, results, strict=False):
            own.warm_up(result)
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._landmarks.reset()
        self._person_id = 0
        for own in self._own:
            own.reset()
        self._forget_person()
        self._layer.forget_ground()
        self._n_moments = [0] * len(self.rig.cameras)
        self._n_shared = self._n_agreed = 0

    def relearn(self) -> None:
        """Learn the person once more; see `realtime.sample.Estimator`."""
        self._solver.forget_person()

    def about_person(self) -> dict[str, object]:
        """State of what is known, and in how many moments each view took part."""
        return {"state": self._solver.state.value, "moments_of_views": list(self._n_moments)}

    @property
    def agreement(self) -> float:
        """Share of the moments with somebody in several views in which these agreed; NaN without any."""
        return self._n_agreed / self._n_shared if self._n_shared else float("nan")

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one moment; see `realtime.sample.Estimator`."""
        start_ns = time.perf_counter_ns()
        images = self._tiles.split(frame.image)
        results = self._landmarks.step(images, frame.t_capture_ns)
        self._meet(self._landmarks.person_id)
        stage_ns = {"landmarks": time.perf_counter_ns() - start_ns}
        start_ns = time.perf_counter_ns()
        looked = self._look(frame.t_capture_ns, images, results)
        if self._patches is not None:
            stage_ns["patches"] = time.perf_counter_ns() - start_ns
        sample = replace(
            self._estimate(frame, looked, stage_ns),
            view_t_ns=frame.view_t_ns,
            person_id=self._person_id,
            others=self._landmarks.n_others,
        )
        if not self._own:
            return sample
        own = [
            one.step(frame, image, result)
            for one, image, result in zip(self._own, images, results, strict=True)
        ]
        return replace(sample, own_estimates=tuple(own))

    def _estimate(
        self, frame: Frame, results: Sequence[BlazePoseResult | None], stage_ns: dict[str, int]
    ) -> PoseSample:
        if all(result is None for result in results):
            return self._lost(frame, stage_ns)
        self._last_seen_ns = frame.t_capture_ns
        start_ns = time.perf_counter_ns()
        estimate, used = self._solve(frame.t_capture_ns, results)
        stage_ns["views"] = time.perf_counter_ns() - start_ns
        sample = self._layer.step(frame, estimate, stage_ns)
        sample = replace(sample, person=self._solver.state, used_views=used)
        first = results[0]
        # The sample's ground states where the first camera is, so only its image can judge.
        return sample if first is None or 0 not in used else self._certainty.judge(sample, first)

    def _meet(self, person_id: int) -> None:
        """Start afresh with another person."""
        if self._person_id and person_id != self._person_id:
            self._forget_person()
        self._person_id = person_id

    def _look(
        self, t_ns: int, images: Sequence[Image | None], results: Sequence[BlazePoseResult | None]
    ) -> list[BlazePoseResult | None]:
        """The landmarks of each view with legs on their own sides, and the points of patches."""
        looked: list[BlazePoseResult | None] = []
        for image, result, sides in zip(images, results, self._sides, strict=True):
            if result is None:
                sides.reset()
                looked.append(None)
                continue
            kept = sides.keep(t_ns, result)
            looked.append(kept if self._patches is None or image is None else self._patches.look(image, kept))
        return looked

    def _lost(self, frame: Frame, stage_ns: dict[str, int]) -> PoseSample:
        self._solver.forget_moment()
        self._certainty.reset()
        last_ns = self._last_seen_ns
        if last_ns is not None and frame.t_capture_ns - last_ns > LOST_RESET_NS:
            self._forget_person()
        return self._layer.lost(frame, stage_ns)

    def _forget_person(self) -> None:
        for sides in self._sides:
            sides.reset()
        self._solver.forget_person()
        self._certainty.reset()
        self._layer.reset()
        self._last_seen_ns = None

    def _solve(
        self, t_ns: int, results: Sequence[BlazePoseResult | None]
    ) -> tuple[Estimate, tuple[int, ...]]:
        solved = self._solver.solve(t_ns, results)
        used = [result for view in solved.used if (result := results[view]) is not None]
        for view in solved.used:
            self._n_moments[view] += 1
        n_seen = sum(result is not None for result in results)
        self._n_shared += n_seen > 1
        self._n_agreed += n_seen == len(solved.used) > 1
        scaling = self._solver.scaling
        left_px = self._tiles.lefts_px[solved.used[0]]
        return (
            Estimate(
                q=solved.found.q,
                confidence=solved.found.confidence,
                sigma=solved.found.sigma,
                in_picture=np.max([self._model.in_picture(result.presence) for result in used], axis=0),
                scale_factors=scaling.scale_factors,
                status=Status.WARM_UP if scaling.is_warming_up else Status.TRACKING,
                box_px=bounding_box(used[0].roi.corners_px() + np.array([left_px, 0.0])),
            ),
            solved.used,
        )
