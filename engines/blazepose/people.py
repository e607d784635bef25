"""Follow one person, or several, among all in view with BlazePose: who was chosen stays chosen.

With one person in view, landmarks are those of `BlazePose`, bit by bit. While others are near, each of them
is followed, too: by position, velocity and the colours of their torsos it is decided whose each finding is.
Who is hidden behind somebody is lost until they are seen again, instead of becoming the other one.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.appearance import TORSO, colour_distance, torso_colours
from engines.blazepose.detector import WHOLE_PICTURE, SearchRegion
from engines.blazepose.person_track import PersonTrack, assigned, is_same
from engines.blazepose.tracker import DEFAULT_PERIOD_S, BlazePose, BlazePoseResult
from engines.errors import EngineError
from engines.preprocess import Roi

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Finding = tuple[BlazePoseResult, Array | None]
"""Landmarks of somebody, and the colours of their torso."""

MOST_PEOPLE = 4
SEARCH_S, SEARCH_HIDDEN_S = 1.0, 0.1
"""Intervals of searching the whole image: for somebody new, and while somebody is hidden."""
NEAR = 1.0
"""People further from the chosen one than this, in sizes of the region, are looked at only when searching."""
CHOOSING_S = 1.0
"""Time from the first person on in which somebody who is found later and fits the choice better takes their
place."""
FORGET_S = 5.0
"""People who were not seen for this long are forgotten, and somebody else is chosen."""
APART, OTHER_COLOURS = 0.2, 0.6
"""Who is nearer to somebody than the first, in sizes of the region, is new only if the colours differ by the
second."""
MOST_MISFIT = 1.6
"""Who is found again fits at least this well."""
CHOICES = ("largest", "left", "right")
"""Choices, besides a number: 1 is the leftmost person, 2 the next."""


def in_order(rois: list[Roi], choice: str | None) -> list[Roi]:
    """Regions of people, the one that is to be chosen first.

    Args:
        rois: Regions in one image.
        choice: One of `CHOICES`, or the number of a person from the left; None is the largest.
    """
    choice = choice or CHOICES[0]
    if choice == "largest":
        return sorted(rois, key=lambda roi: -roi.size_px)
    from_left = sorted(rois, key=lambda roi: roi.centre_x_px)
    wanted = {"left": 0, "right": len(rois) - 1}.get(choice, 0 if not choice.isdigit() else int(choice) - 1)
    wanted = min(wanted, len(rois) - 1)
    return [*from_left[wanted : wanted + 1], *from_left[:wanted], *from_left[wanted + 1 :]]


def is_choice(choice: str) -> bool:
    """Whether a text is one of `CHOICES`, or a number from 1."""
    return choice in CHOICES or (choice.isdigit() and 1 <= int(choice) <= MOST_PEOPLE)


class PeopleTracker:
    """Follows the chosen people; may be used in place of `BlazePose`, which knows of one.

    Args:
        landmark_model_path: Landmark network, see `BlazePose`; None fetches it.
        detector_model_path: Detector network; None fetches it.
        choice: One of `CHOICES`, or the number of a person from the left; None takes the largest, and does
            not change it for somebody who comes later.
        search_region: Part of the image in which people are looked for.
        n_followed: Number of people to follow, the chosen one first. Each keeps their place until they are
            forgotten; somebody new then takes it.

    Raises:
        AssetError: a network is neither in the cache nor to be had.
        EngineError: a network cannot be compiled, or there is no such choice.
    """

    def __init__(
        self,
        landmark_model_path: Path | None = None,
        detector_model_path: Path | None = None,
        *,
        choice: str | None = None,
        search_region: SearchRegion = WHOLE_PICTURE,
        min_presence: float = 0.5,
        n_followed: int = 1,
    ) -> None:
        if choice is not None and not is_choice(choice):
            raise EngineError(
                f"no person {choice!r}; accepted: {', '.join(CHOICES)}, or a number from 1 to {MOST_PEOPLE}",
                name="person", value=choice, accepted=CHOICES,
            )  # fmt: skip
        self._network = BlazePose(landmark_model_path, detector_model_path)
        self._choice = choice
        self._region = search_region
        self._min_presence = min_presence
        self._n_followed = n_followed
        self.description = self._network.description
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self._people: list[PersonTrack] = []
        self._followed: list[PersonTrack | None] = [None] * self._n_followed
        self._numbers = itertools.count()
        self._last_ns: int | None = None
        self._wanted: tuple[float, float] | None = None
        self._time_s = self._searched_s = self._first_s = 0.0

    @property
    def n_others(self) -> int:
        """Number of people in view besides those who are followed."""
        return sum(person.is_visible for person in self._people if person not in self._followed)

    def choose_at(self, x: float, y: float) -> None:
        """Make whoever is at a point of the next image the first who is followed; nobody there: no change.

        Args:
            x: Position from 0, the left edge, to 1.
            y: Position from 0, the upper edge, to 1.
        """
        self._wanted = (x, y)

    def run_roi(self, image: Image, roi: Roi) -> BlazePoseResult | None:
        """Look at one region without following anybody; see `BlazePose.run_roi`."""
        return self._network.run_roi(image, roi)

    def step(self, image: Image, t_capture_ns: int | None = None) -> BlazePoseResult | None:
        """Follow the chosen person into the next image; see `BlazePose.step`.

        Returns:
            The landmarks, with the number of the person; None while they are not seen.

        Raises:
            EngineError: the array is not such an image.
        """
        return self.step_all(image, t_capture_ns)[0]

    def step_all(self, image: Image, t_capture_ns: int | None = None) -> tuple[BlazePoseResult | None, ...]:
        """Follow everybody into the next image.

        Args:
            image: BGR image. Shape: (height, width, 3).
            t_capture_ns: Capture time on any clock; None means 1/30 s after the last.

        Returns:
            For each place, the landmarks with the number of the person; None while they are not seen, and
            while the place is free.

        Raises:
            EngineError: the array is not such an image.
        """
        dt_s = self._elapsed_s(t_capture_ns)
        self._time_s += dt_s
        found = self._look(image)
        wanted, self._wanted = self._wanted, None
        is_searching = self._is_search_due() or wanted is not None
        new = self._search(image, found) if is_searching else []
        # Only now: after a long gap between images, people are first looked for.
        self._forget(found)
        if is_searching:
            self._admit(new, found)
        if wanted is not None:
            height, width = image.shape[:2]
            self._choose_at(np.array(wanted) * (width, height), found)
        for person, (result, _) in found.items():
            person.see(result, self._time_s, dt_s)
        self._learn_colours(found)
        return tuple(
            None if person is None or person not in found else replace(found[person][0], person=person.number)
            for person in self._followed
        )

    def _look(self, image: Image) -> dict[PersonTrack, Finding]:
        """Where the people are now; who is not found is hidden."""
        looked = [person for person in self._people if person.is_visible and self._is_near(person)]
        results: list[BlazePoseResult] = []
        for person in looked:
            result = self._network.run_roi(image, person.roi)
            if result is None or result.score <= self._min_presence:
                continue
            twin = next((k for k, other in enumerate(results) if is_same(result, other)), None)
            if twin is None:
                results.append(result)
            elif result.score > results[twin].score:
                results[twin] = result
        # Alone, clothes are looked at once a second: they only matter when somebody else comes.
        is_looking = len(self._people) > 1 or self._is_search_due()
        findings = [
            (result, torso_colours(image, result.landmarks_px) if is_looking else None) for result in results
        ]
        if len(looked) == 1:
            order = [0 if findings else None]
        else:
            misfits = [[p.misfit(*finding, self._time_s) for finding in findings] for p in looked]
            order = assigned(np.array(misfits).reshape(len(looked), len(findings)))
        found = {}
        for person, k in zip(looked, order, strict=True):
            if k is None:
                person.hide()
            else:
                found[person] = findings[k]
        return found

    def _search(self, image: Image, found: dict[PersonTrack, Finding]) -> list[Finding]:
        """Find people who are hidden or far in the whole image.

        Returns:
            Findings of nobody who is known.
        """
        self._searched_s = self._time_s
        new: list[Finding] = []
        rows, columns = self._region.slices(image)
        detections = self._network.detector.detect_all(image[rows, columns])[: 2 * MOST_PEOPLE]
        rois = [detection.roi.shifted(columns.start, rows.start) for detection in detections]
        if None in self._followed:
            rois = in_order(rois, self._choice)
        if len(self._people) > 1:  # the detector misses people beside others whom the landmark network sees
            rois += [person.roi for person in self._people if person not in found]
        for roi in rois:
            result = self._network.run_roi(image, roi)
            known = [*found.values(), *new]
            if result is None or result.score <= self._min_presence:
                continue
            if any(is_same(result, other) for other, _ in known):
                continue
            new.append((replace(result, detected=True), torso_colours(image, result.landmarks_px)))
        self._recognise(found, new)
        return new

    def _admit(self, new: list[Finding], found: dict[PersonTrack, Finding]) -> None:
        """Follow those who are new, and fill free places."""
        for finding in new:
            if len(self._people) < MOST_PEOPLE and self._is_new(finding, found):
                person = PersonTrack(next(self._numbers), finding[0].roi, colours=finding[1])
                self._people.append(person)
                found[person] = finding
        self._choose(found)

    def _is_new(self, finding: Finding, found: dict[PersonTrack, Finding]) -> bool:
        """Whether a finding is of somebody else than those who were found, and not of two at once."""
        middle_px = finding[0].landmarks_px[list(TORSO), :2].mean(axis=0)
        for result, colours in found.values():
            way_px = np.linalg.norm(result.landmarks_px[list(TORSO), :2].mean(axis=0) - middle_px)
            is_near = way_px < APART * max(result.roi.size_px, finding[0].roi.size_px)
            if is_near and colour_distance(colours, finding[1]) < OTHER_COLOURS:
                return False
        return True

    def _recognise(
        self,
        found: dict[PersonTrack, Finding],
        new: list[Finding],
    ) -> None:
        """Take findings for people who were hidden or far; what is left in `new` is of others."""
        missing = [person for person in self._people if person not in found]
        while missing and new:
            misfits = np.array([[p.misfit(*finding, self._time_s) for finding in new] for p in missing])
            row, column = np.unravel_index(int(np.argmin(misfits)), misfits.shape)
            is_alone = len(self._people) == len(new) == 1
            if misfits[row, column] > MOST_MISFIT and not is_alone:
                return
            found[missing.pop(int(row))] = new.pop(int(column))

    def _choose(self, found: dict[PersonTrack, Finding]) -> None:
        """Choose people for the free places, and another first one while that choice is still open."""
        if not found:
            return
        if not any(self._followed):
            self._first_s = self._time_s
        by_roi = {id(result.roi): person for person, (result, _) in found.items()}
        rois = in_order([result.roi for result, _ in found.values()], self._choice)
        ordered = [by_roi[id(roi)] for roi in rois]
        first, chosen = ordered[0], self._followed[0]
        is_open = self._choice is not None and self._is_beginning
        if is_open and chosen in found and chosen is not None and first.number > chosen.number:
            self._make_first(first)
        waiting = [person for person in ordered if person not in self._followed]
        for place, person in enumerate(self._followed):
            if person is None and waiting:
                self._followed[place] = waiting.pop(0)

    def _make_first(self, person: PersonTrack) -> None:
        """Give somebody the first place; who had it takes theirs, or waits for a free one."""
        if person in self._followed:
            self._followed[self._followed.index(person)] = self._followed[0]
        self._followed[0] = person

    def _choose_at(self, point_px: Array, found: dict[PersonTrack, Finding]) -> None:
        """Make whoever is at a point the first; of several around whom it lies, who has the nearest torso."""
        ways_px = {}
        for person, (result, _) in found.items():
            low_px, high_px = (f(result.landmarks_px[:, :2], axis=0) for f in (np.min, np.max))
            if (low_px <= point_px).all() and (point_px <= high_px).all():
                torso_px = result.landmarks_px[list(TORSO), :2].mean(axis=0)
                ways_px[person] = float(np.linalg.norm(torso_px - point_px))
        if ways_px:
            self._make_first(min(ways_px, key=lambda person: ways_px[person]))
            self._first_s = -np.inf  # the choice is no longer open

    def _learn_colours(self, found: dict[PersonTrack, Finding]) -> None:
        """Learn what people wear while they are apart."""
        for person, (result, colours) in found.items():
            apart = [
                np.linalg.norm(other.torso_px.mean(axis=0) - person.torso_px.mean(axis=0))
                for other in found
                if other is not person
            ]
            if not apart or min(apart) > 0.2 * result.roi.size_px:
                person.wear(colours)

    def _is_near(self, person: PersonTrack) -> bool:
        """Whether somebody may be taken for one of the followed people."""
        followed = [other for other in self._followed if other is not None]
        if not followed or person in followed:
            return True
        return any(
            np.linalg.norm(person.expected_px(self._time_s) - other.expected_px(self._time_s))
            <= NEAR * max(person.roi.size_px, other.roi.size_px)
            for other in followed
        )

    @property
    def _is_beginning(self) -> bool:
        """Whether people may still be found who were in view from the first."""
        return self._time_s - self._first_s <= CHOOSING_S

    def _is_search_due(self) -> bool:
        if not any(person is not None and person.is_visible for person in self._followed):
            return True
        is_hidden = any(not person.is_visible for person in self._people)
        is_early = self._is_beginning and (self._choice is not None or None in self._followed)
        interval_s = SEARCH_HIDDEN_S if is_early or is_hidden else SEARCH_S
        return self._time_s - self._searched_s >= interval_s

    def _forget(self, found: dict[PersonTrack, Finding]) -> None:
        """Forget those who are not found now and were not seen for long."""
        self._people = [p for p in self._people if p in found or self._time_s - p.seen_s <= FORGET_S]
        self._followed = [person if person in self._people else None for person in self._followed]

    def _elapsed_s(self, t_capture_ns: int | None) -> float:
        last_ns, self._last_ns = self._last_ns, t_capture_ns
        if last_ns is None or t_capture_ns is None:
            return DEFAULT_PERIOD_S
        return (t_capture_ns - last_ns) * 1e-9
