"""The landmarks of one person in all views: whoever each view finds, or the one who was chosen in the first.

Who was chosen is followed through the images of the first camera as with one camera. In every other view all
people are followed, each under a number, and the rays to the chosen one's landmarks tell who of them it is:
rays of two views to one person meet. Numbers are kept through crossings, so that a view in which the chosen
one is hidden waits for them, and the other views go on while the first does not see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.views.agreement import MAX_RAY_GAP_M, MAX_SIZE_RATIO, ViewedPerson, ray_gap_m, size_ratio

Image = NDArray[np.uint8]

AVERAGED_NS = 300_000_000
"""Averaging time of how well somebody fits: for single moments, rays to two people may meet."""
MOST_MISFIT = 3.0
"""Misfits count up to this: 1 is as far as views of one person may disagree."""
CLEARLY_BETTER = 0.5
"""Difference of misfits from which somebody else is taken for the chosen one."""


class LandmarkTracker(Protocol):
    """Follows one person through the images of one view."""

    description: str

    def reset(self) -> None:
        """Forget the person."""

    def step(self, image: Image, t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """The person's landmarks; None while nobody is found."""

    def run_roi(self, image: Image, roi: Roi) -> BlazePoseResult | None:
        """Landmarks in a region, whether or not somebody is there."""


class CrowdTracker(LandmarkTracker, Protocol):
    """Follows several people through the images of one view, each under a number."""

    @property
    def n_others(self) -> int:
        """Number of people in view besides those who are followed."""

    def step_all(self, image: Image, t_capture_ns: int | None = None) -> tuple[BlazePoseResult | None, ...]:
        """Everybody's landmarks with their numbers; None while somebody is not seen."""


class ViewsLandmarks(Protocol):
    """Landmarks of one person in all views."""

    @property
    def trackers(self) -> Sequence[LandmarkTracker]:
        """Landmark networks, one for each camera."""

    @property
    def person_id(self) -> int:
        """Number of the person, from 1; 0 before the first, and where people are not told apart."""

    @property
    def n_others(self) -> int:
        """Number of people besides the tracked one in the first view, as far as they are looked for."""

    def reset(self) -> None:
        """Forget the person."""

    def step(self, images: Sequence[Image | None], t_ns: int) -> list[BlazePoseResult | None]:
        """The person's landmarks in each view; None where the image is missing, or they are not seen."""


class SeparateTrackers:
    """Each view follows the person whom it finds first.

    Args:
        trackers: Landmark networks, one for each camera, since each remembers where the person was.
    """

    person_id = n_others = 0

    def __init__(self, trackers: Sequence[LandmarkTracker]) -> None:
        self.trackers = list(trackers)

    def reset(self) -> None:
        """Forget the person."""
        for tracker in self.trackers:
            tracker.reset()

    def step(self, images: Sequence[Image | None], t_ns: int) -> list[BlazePoseResult | None]:
        """The person's landmarks in each view; see `ViewsLandmarks`."""
        results: list[BlazePoseResult | None] = []
        for tracker, image in zip(self.trackers, images, strict=True):
            if image is None:
                tracker.reset()
                results.append(None)
            else:
                results.append(tracker.step(image, t_ns))
        return results


class ChosenPerson:
    """Follows the person who was chosen in the first view; in the others, who agrees with it.

    Args:
        cameras: Cameras in one ground.
        trackers: Landmark networks, one for each camera: the first follows the chosen one, the others
            everybody.
    """

    def __init__(self, cameras: Sequence[CameraCalibration], trackers: Sequence[CrowdTracker]) -> None:
        self._cameras, self.trackers = list(cameras), list(trackers)
        self._same = [SamePerson() for _ in self.trackers[1:]]
        self.person_id = 0

    @property
    def n_others(self) -> int:
        """Number of people besides the chosen one in the first view."""
        return self.trackers[0].n_others

    def reset(self) -> None:
        """Forget everybody."""
        for tracker in self.trackers:
            tracker.reset()
        for same in self._same:
            same.reset()
        self.person_id = 0

    def step(self, images: Sequence[Image | None], t_ns: int) -> list[BlazePoseResult | None]:
        """The chosen one's landmarks in each view; see `ViewsLandmarks`."""
        chosen = None if images[0] is None else self.trackers[0].step(images[0], t_ns)
        if chosen is not None and chosen.person + 1 != self.person_id:
            self.person_id = chosen.person + 1
            for same in self._same:
                same.reset()
        seen = None if chosen is None else ViewedPerson.of(chosen, self._cameras[0])
        results = [chosen]
        for view, (image, same) in enumerate(zip(images[1:], self._same, strict=True), 1):
            found = {} if image is None else self._found(view, image, t_ns)
            if seen is not None:
                people = {n: ViewedPerson.of(one, self._cameras[view]) for n, one in found.items()}
                same.compare(t_ns, {n: misfit(seen, one) for n, one in people.items()})
            results.append(None if same.number is None else found.get(same.number))
        return results

    def _found(self, view: int, image: Image, t_ns: int) -> dict[int, BlazePoseResult]:
        """Number -> landmarks of everybody in a view."""
        results = self.trackers[view].step_all(image, t_ns)
        return {result.person: result for result in results if result is not None}


class SamePerson:
    """Who of the people in one view is the one who was chosen in another."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget who it was."""
        self.number: int | None = None
        """Number of the person in this view; None while it is not known."""
        self._misfits: dict[int, float] = {}
        self._last_ns: int | None = None

    def compare(self, t_ns: int, misfits: Mapping[int, float]) -> None:
        """Compare everybody whom both views see at one moment.

        Args:
            t_ns: Time of the moment.
            misfits: Number of each person -> how little they fit the chosen one, see `misfit`.
        """
        since_ns = 0 if self._last_ns is None else t_ns - self._last_ns
        self._last_ns = t_ns
        gain = min(1.0, since_ns / AVERAGED_NS)
        for number, value in misfits.items():
            mean = self._misfits.get(number, value)
            self._misfits[number] = mean + gain * (value - mean)
        if not misfits:
            return
        best = min(misfits, key=lambda number: self._misfits[number])
        own = MOST_MISFIT if self.number is None else self._misfits[self.number]
        if self._misfits[best] < 1.0 and self._misfits[best] < own - CLEARLY_BETTER:
            self.number = best


def misfit(a: ViewedPerson, b: ViewedPerson) -> float:
    """How little two views agree on who somebody is: below 1 where it may be one person.

    Their pose is not compared: a view that takes left for right still shows the same person.
    """
    gap = ray_gap_m(a, b) / MAX_RAY_GAP_M
    size = (size_ratio(a, b) - 1.0) / (MAX_SIZE_RATIO - 1.0)
    return min(max(gap, size), MOST_MISFIT)
