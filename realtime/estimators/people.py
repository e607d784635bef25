"""The `lifted` and `landmarks` estimators for several people: each with an estimator of their own.

Everybody has a place, in which their numbers stay apart from those of others. Whoever is gone for long is
forgotten, and somebody new may take the place: their `person_id` is another one, and they are learned anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi, letterbox_roi
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.estimators.tracked_person import empty_frame
from realtime.sample import Frame, PoseSample
from realtime.views.own_estimator import ToldLandmarks

Image = NDArray[np.uint8]


class LandmarksOfPeople(Protocol):
    """Follows several people from image to image."""

    description: str

    @property
    def n_others(self) -> int:
        """Number of people in view besides the followed ones."""

    def reset(self) -> None:
        """Forget everybody."""

    def step_all(self, image: Image, t_capture_ns: int | None = None) -> tuple[BlazePoseResult | None, ...]:
        """Landmarks for each place; None where nobody is found."""

    def run_roi(self, image: Image, roi: Roi) -> BlazePoseResult | None:
        """Landmarks in a region, whether or not somebody is there."""

    def choose_at(self, x: float, y: float) -> None:
        """Make whoever is at a point of the next image the first."""


class PeopleEstimator:
    """Frames to samples of several people; further people are part of the first one's sample.

    Args:
        people: Finds everybody's landmarks, and tells them apart.
        estimators: What stands in for the landmark network of each estimator, and the estimator, for each
            place.
    """

    def __init__(
        self, people: LandmarksOfPeople, estimators: Sequence[tuple[ToldLandmarks, LandmarksEstimator]]
    ) -> None:
        self._people = people
        self._told = [told for told, _ in estimators]
        self.each = tuple(estimator for _, estimator in estimators)
        """Estimator of each place."""
        first = self.each[0]
        self.name, self.skeleton, self.camera = first.name, first.skeleton, first.camera

    @property
    def description(self) -> str:
        """Runtime, device and precision of the landmark network, and the number of people."""
        return f"{self._people.description}, up to {len(self.each)} people"

    @property
    def lag_s(self) -> float:
        """Mean delay that smoothing has added to the first person so far."""
        return self.each[0].lag_s

    def warm_up(self) -> None:
        """Take an empty frame through every stage; see `realtime.sample.Estimator`."""
        k, frame = self.camera.intrinsics, empty_frame(self.camera)
        self._people.step_all(frame.image)
        result = self._people.run_roi(frame.image, letterbox_roi(k.width_px, k.height_px))
        for told, estimator in zip(self._told, self.each, strict=True):
            told.result = result
            estimator.warm_up()
        self._people.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self._people.reset()
        for estimator in self.each:
            estimator.reset()

    def relearn(self) -> None:
        """Learn everybody once more; see `realtime.sample.Estimator`."""
        for estimator in self.each:
            estimator.relearn()

    def choose_at(self, x: float, y: float) -> None:
        """Make whoever is at a point of the next image the first; see `realtime.sample.ChoosesPeople`."""
        self._people.choose_at(x, y)

    def about_person(self) -> dict[str, object]:
        """What is known about the first person."""
        return self.each[0].about_person()

    def step(self, frame: Frame) -> PoseSample:
        """Estimate one frame; see `realtime.sample.Estimator`."""
        start_ns = time.perf_counter_ns()
        results = self._people.step_all(frame.image, frame.t_capture_ns)
        found_ns = time.perf_counter_ns()
        samples = []
        for told, estimator, result in zip(self._told, self.each, results, strict=True):
            told.result = result
            samples.append(replace(estimator.step(frame), others=self._people.n_others))
            if len(samples) == 1:
                first_ns = time.perf_counter_ns()
        stage_ns = samples[0].stage_ns | {
            "landmarks": found_ns - start_ns,
            "further_people": time.perf_counter_ns() - first_ns,
        }
        return replace(samples[0], stage_ns=stage_ns, further_people=tuple(samples[1:]))
