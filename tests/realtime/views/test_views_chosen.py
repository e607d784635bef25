"""One of two people is chosen in the first view, and is the one whom all views show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calib.rig import Rig
from calib.rig_file import load_rig
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.appearance import TORSO
from engines.blazepose.people import MOST_PEOPLE, PeopleTracker
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame
from realtime.views.estimator import ViewsEstimator
from realtime.views.tiles import Tiles
from realtime.views.trackers import ChosenPerson
from tests.support.published import published
from tests.support.rigs import person, ring, seen, with_sides_swapped
from tests.support.two_people import markers_px

FRAME_NS = 33_333_333
IMAGES = [np.full((640, 480, 3), 90, np.uint8)] * 2
"""Not black, as views that are missing are."""


@dataclass
class Crowd:
    """Stands in for a network that follows everybody; the first number is the chosen one."""

    results: dict[int, BlazePoseResult]
    chosen: int = 0
    description: str = "told"
    n_others: int = 1

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        return self.step_all(image)[0]

    def step_all(
        self, image: NDArray[np.uint8], t_capture_ns: int | None = None
    ) -> tuple[BlazePoseResult | None, ...]:
        order = [self.chosen, *(n for n in self.results if n != self.chosen)]
        return tuple(replace(r, person=n) if (r := self.results.get(n)) else None for n in order)

    def run_roi(self, image: NDArray[np.uint8], roi: Roi) -> BlazePoseResult | None:
        return None


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


class Two:
    """Two people who stand apart, seen by two cameras under other numbers in each."""

    def __init__(self, skeleton: Skeleton, model: LandmarkModel, chosen: int) -> None:
        self.skeleton, self.model, self.rng = skeleton, model, np.random.default_rng(1)
        self.rig: Rig = ring(20.0, -60.0)
        self.poses = [person(skeleton, knee_angle_r=10.0), person(skeleton, knee_angle_r=70.0)]
        self.crowds = [Crowd({}, chosen), Crowd({}, 0)]
        self.landmarks = ChosenPerson(self.rig.cameras, self.crowds)
        self.k = 0
        self.place(0.7)

    def place(self, side_m: float) -> None:
        """One person so far to one side, the other as far to the other side."""
        for q, sign in zip(self.poses, (1.0, -1.0), strict=True):
            q[self.skeleton.coordinate_index("pelvis_tz")] = sign * side_m
            q[self.skeleton.coordinate_index("pelvis_tx")] = 0.4 * sign

    def see(self) -> None:
        """What both cameras see now; the second counts people the other way round."""
        for view, (crowd, camera) in enumerate(zip(self.crowds, self.rig.cameras, strict=True)):
            results = [seen(self.skeleton, self.model, q, camera, self.rng) for q in self.poses]
            crowd.results = dict(enumerate(results if view == 0 else results[::-1]))

    def step(self) -> list[int | None]:
        """Number of the person in each view."""
        self.k += 1
        found = self.landmarks.step(list(IMAGES), self.k * FRAME_NS)
        return [None if result is None else result.person for result in found]


@pytest.mark.parametrize("chosen", [0, 1])
def test_the_other_view_follows_by_agreement(skeleton: Skeleton, model: LandmarkModel, chosen: int) -> None:
    two = Two(skeleton, model, chosen)
    for _ in range(5):
        two.see()
        assert two.step() == [chosen, 1 - chosen]
    assert two.landmarks.person_id == chosen + 1 and two.landmarks.n_others == 1


def test_a_crossing_changes_nobody(skeleton: Skeleton, model: LandmarkModel) -> None:
    """They pass by each other at 0.9 m, and rays to either may meet meanwhile."""
    two = Two(skeleton, model, 0)
    for side_m in np.linspace(0.7, -0.7, 60):
        two.place(float(side_m))
        two.see()
        assert two.step() == [0, 1]


def test_who_is_hidden_in_a_view_is_waited_for(skeleton: Skeleton, model: LandmarkModel) -> None:
    two = Two(skeleton, model, 0)
    for k in range(60):
        two.see()
        if 10 <= k < 30:  # hidden in the second view, where the other one is still seen
            del two.crowds[1].results[1]
        if 40 <= k < 50:  # hidden in the first view: the second goes on
            del two.crowds[0].results[0]
        expected = [None if 40 <= k < 50 else 0, None if 10 <= k < 30 else 1]
        assert two.step() == expected


def test_swapped_sides_are_no_other_person(skeleton: Skeleton, model: LandmarkModel) -> None:
    two = Two(skeleton, model, 0)
    for k in range(20):
        two.see()
        if k >= 5:
            two.crowds[1].results[1] = with_sides_swapped(two.crowds[1].results[1])
        assert two.step() == [0, 1]


def test_another_number_in_the_first_view_is_another_person(skeleton: Skeleton, model: LandmarkModel) -> None:
    two = Two(skeleton, model, 0)
    tiles = Tiles(((480, 640), (480, 640)))
    estimator = ViewsEstimator(skeleton, two.rig, two.landmarks, SkeletalLayer(skeleton, smoothing=False))
    knee, found = skeleton.coordinate_index("knee_angle_r"), []
    for k in range(20):
        two.see()
        two.crowds[0].chosen = 0 if k < 10 else 1
        found.append(estimator.step(Frame(k, k * FRAME_NS, tiles.join(list(IMAGES)))))
    assert [sample.person_id for sample in found] == [1] * 10 + [2] * 10
    assert all(sample.used_views == (0, 1) and sample.others == 1 for sample in found)
    before, after = (np.degrees(np.mean([s.q[knee] for s in part])) for part in (found[3:10], found[13:]))
    assert before < 30.0 < 55.0 < after


def test_without_the_first_view_nobody_is_chosen(skeleton: Skeleton, model: LandmarkModel) -> None:
    two = Two(skeleton, model, 0)
    two.see()
    assert two.landmarks.step([None, IMAGES[1]], FRAME_NS) == [None, None]
    assert two.step() == [0, 1]
    assert [r is not None for r in two.landmarks.step([None, IMAGES[1]], 10 * FRAME_NS)] == [False, True]


@pytest.mark.parametrize(("views", "choice", "is_man"), [((0, 1), "left", True), ((1, 0), "left", False)])
def test_real_people_round_each_other(
    shared_data: Path, views: tuple[int, int], choice: str, is_man: bool
) -> None:
    """The first camera has the man on the left, the second the woman; every third frame."""
    folder, scale = shared_data / "real" / "two_people", 0.4
    rig = load_rig(folder / "Calib.qca.txt")
    cameras = [
        replace(camera, intrinsics=camera.intrinsics.scaled_to(435, 768))
        for camera in (rig.cameras[k] for k in views)
    ]
    paths = published("pose_landmark_full"), published("pose_detection")
    trackers = PeopleTracker(*paths, choice=choice), PeopleTracker(*paths, n_followed=MOST_PEOPLE)
    chosen = ChosenPerson(cameras, trackers)
    videos = [cv2.VideoCapture(str(folder / f"{rig.names[k]}.mp4")) for k in views]
    truth_px = [scale * markers_px(folder, rig.names[k]) for k in views]
    off_px = np.full((100, 2), np.nan)
    for frame in range(100):
        images = [np.asarray(video.read()[1], dtype=np.uint8) for video in videos]
        if frame % 3:
            continue
        small = [np.asarray(cv2.resize(image, (435, 768)), dtype=np.uint8) for image in images]
        for view, result in enumerate(chosen.step(small, 1 + round(frame / 60.0 * 1e9))):
            if result is not None:
                middle_px = result.landmarks_px[list(TORSO), :2].mean(axis=0)
                off_px[frame, view] = np.linalg.norm(middle_px - truth_px[view][frame])
    off_px = off_px[30::3]  # the detector sees the man late; until then, the only one in view is tracked
    assert np.isfinite(off_px[:, 0]).mean() > 0.95 and np.isfinite(off_px[:, 1]).mean() > 0.9
    assert np.nanmax(off_px) < 32.0 if is_man else np.nanmin(off_px) > 48.0
