"""Who was chosen stays chosen: real people round each other, a made crossing, recoded video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.blazepose.appearance import TORSO, colour_distance, torso_colours
from engines.blazepose.people import PeopleTracker
from engines.blazepose.person_track import PersonTrack, assigned
from engines.blazepose.tracker import BlazePose, BlazePoseResult
from engines.errors import EngineError
from tests.support.published import published
from tests.support.two_people import markers_px

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Make = Callable[..., PeopleTracker]


@pytest.fixture(scope="module")
def make() -> Make:
    paths = published("pose_landmark_full"), published("pose_detection")
    return lambda **options: PeopleTracker(*paths, **options)


def frames(path: Path, n: int, scale: float = 1.0, skip: int = 0) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    images = [np.asarray(capture.read()[1], dtype=np.uint8) for _ in range(skip + n)][skip:]
    return [np.asarray(cv2.resize(i, None, fx=scale, fy=scale), dtype=np.uint8) for i in images]


def torsos(tracker: PeopleTracker, images: list[Image], rate_hz: float = 60.0) -> Array:
    """Middle of the chosen person's torso; NaN while hidden. Shape: (n, 2)."""
    found = []
    for k, image in enumerate(images):
        result = tracker.step(image, 1 + round(k / rate_hz * 1e9))
        found.append(
            np.full(2, np.nan) if result is None else result.landmarks_px[list(TORSO), :2].mean(axis=0)
        )
    return np.array(found)


@pytest.fixture(scope="module")
def two_people(shared_data: Path) -> Path:
    return shared_data / "real" / "two_people"


@pytest.mark.parametrize(("view", "man", "woman"), [("cam01", "left", "right"), ("cam02", "right", "left")])
def test_no_identity_is_switched(two_people: Path, make: Make, view: str, man: str, woman: str):
    """Two people move round each other, one before the other: 100 frames."""
    scale = 0.4
    images, truth_px = frames(two_people / f"{view}.mp4", 100, scale), scale * markers_px(two_people, view)
    tracker = make(choice=man)
    off_px = np.linalg.norm(torsos(tracker, images) - truth_px, axis=1)
    # The detector sees the man late; until then, the only person in view is tracked.
    chosen = np.flatnonzero(off_px < 32.0)
    assert chosen[0] < 20
    assert np.nanmax(off_px[chosen[0] :]) < 32.0 and np.isfinite(off_px[chosen[0] :]).mean() > 0.95
    tracker = make(choice=woman)
    off_px = np.linalg.norm(torsos(tracker, images) - truth_px, axis=1)
    assert np.nanmin(off_px) > 48.0 and np.isfinite(off_px).mean() > 0.95


def middles(tracker: PeopleTracker, images: list[Image], rate_hz: float) -> tuple[Array, Array]:
    """Middles of the torsos of everybody who is followed, and their numbers; NaN while hidden.

    Returns:
        Shapes: (n_images, n_people, 2) and (n_images, n_people).
    """
    n = len(tracker.step_all(images[0], 0))
    found, numbers = np.full((len(images), n, 2), np.nan), np.full((len(images), n), np.nan)
    for k, image in enumerate(images):
        for place, result in enumerate(tracker.step_all(image, 1 + round(k / rate_hz * 1e9))):
            if result is not None:
                found[k, place] = result.landmarks_px[list(TORSO), :2].mean(axis=0)
                numbers[k, place] = result.person
    return found, numbers


@pytest.mark.parametrize("view", ["cam01", "cam02"])
def test_both_keep_their_numbers(two_people: Path, make: Make, view: str):
    scale = 0.4
    images = frames(two_people / f"{view}.mp4", 100, scale)
    truth_px = scale * markers_px(two_people, view)
    found_px, numbers = middles(make(n_followed=2), images, 60.0)
    off_px = np.linalg.norm(found_px - truth_px[:, None], axis=-1)
    man = int(np.nanargmin(np.nanmean(off_px, axis=0)))
    assert np.nanmax(off_px[:, man]) < 32.0 and np.nanmin(off_px[:, 1 - man]) > 48.0
    for place in (0, 1):
        seen = np.isfinite(numbers[:, place])
        assert seen[20:].mean() > 0.95 and len(set(numbers[seen, place])) == 1


@pytest.fixture(scope="module")
def crossing(shared_data: Path) -> tuple[list[Image], Array]:
    """Two squatting people pass before each other: pictures, and where the nearer one is.

    The nearer is cut from another video and moves across the picture.
    """
    far = frames(shared_data / "real/squat/video.mp4", 90, 0.5)[::2]
    near = frames(shared_data / "real/squat_arms/cam1.mp4", 90, 1.0)[::2]
    images, places = [], []
    height, width = far[0].shape[:2]
    wide = width * 2
    for k, (behind, before) in enumerate(zip(far, near, strict=True)):
        canvas = np.full((height, wide, 3), 128, dtype=np.uint8)
        canvas[:, width // 2 : width // 2 + width] = behind
        x = round((wide - 200) * k / 44)
        canvas[:, x : x + 200] = before[:height, 80:280]
        images.append(canvas)
        places.append(x + 100)
    return images, np.array(places, dtype=np.float64)


def test_the_chosen_one_stays_through_a_crossing(crossing: tuple[list[Image], Array], make: Make):
    images, places = crossing
    nearer = torsos(make(choice="left"), images, 15.0)[:, 0]
    assert np.nanmax(np.abs(nearer - places)) < 60.0
    farther = torsos(make(choice="right"), images, 15.0)
    apart = np.abs(farther[:, 0] - places)
    assert np.isnan(farther[:, 0]).any()  # hidden for a while, and nobody else meanwhile
    assert np.nanmin(apart[np.r_[0:12, 33:45]]) > 60.0
    assert np.isfinite(farther[37:, 0]).all()
    assert np.abs(np.nanmedian(farther[37:, 0]) - np.nanmedian(farther[:8, 0])) < 30.0


def places_of_both(crossing: tuple[list[Image], Array], tracker: PeopleTracker) -> tuple[bool, Array]:
    """Whether the one who walks is where he is in all the images that show him, and everybody's numbers."""
    found_px, numbers = middles(tracker, crossing[0], 15.0)
    walks = int(np.nanargmin(np.abs(found_px[:8, :, 0] - crossing[1][:8, None]).mean(axis=0)))
    off_px = np.abs(found_px[:, walks, 0] - crossing[1])
    other_px = np.abs(found_px[37:, 1 - walks, 0] - np.nanmedian(found_px[:8, 1 - walks, 0]))
    return bool(np.nanmax(off_px) < 60.0 and np.nanmax(other_px) < 60.0), numbers


def test_both_stay_who_they_are_when_they_cross(
    crossing: tuple[list[Image], Array], make: Make, monkeypatch: pytest.MonkeyPatch
):
    is_right, numbers = places_of_both(crossing, make(n_followed=2))
    assert is_right and [set(n[np.isfinite(n)]) for n in numbers.T] == [{0.0}, {1.0}]
    # Without clothes and movement, who is farther left is taken for who was found first.
    monkeypatch.setattr(PersonTrack, "misfit", by_place)
    assert not places_of_both(crossing, make(n_followed=2))[0]


def by_place(person: PersonTrack, result: BlazePoseResult, *_: object) -> float:
    """A misfit that makes the first the leftmost."""
    sign = 1.0 if person.number == 0 else -1.0
    return float(1.0 + sign * result.roi.centre_x_px / 1e4)


def test_whoever_is_at_a_point_is_chosen(crossing: tuple[list[Image], Array], make: Make):
    images, places = crossing
    tracker = make(choice="right")
    assert abs(torsos(tracker, images[:2])[-1, 0] - places[1]) > 60.0
    width = images[0].shape[1]
    tracker.choose_at(places[2] / width, 0.5)
    assert abs(torsos(tracker, images[2:4])[0, 0] - places[2]) < 60.0
    tracker.choose_at(0.999, 0.001)  # nobody is there
    assert abs(torsos(tracker, images[4:5])[0, 0] - places[4]) < 60.0


def test_the_place_of_somebody_who_is_gone_becomes_free(crossing: tuple[list[Image], Array], make: Make):
    tracker, images = make(n_followed=2), crossing[0]
    blank = np.full_like(images[0], 128)
    assert [r is not None for r in tracker.step_all(images[0], 0)] == [True, True]
    assert tracker.step_all(blank, 4_000_000_000) == (None, None)
    again = tracker.step_all(images[0], 4_100_000_000)
    assert [None if r is None else r.person for r in again] == [0, 1]
    tracker.step_all(blank, 10_000_000_000)
    later = tracker.step_all(images[0], 10_100_000_000)
    assert sorted(-1 if r is None else r.person for r in later) == [2, 3] and tracker.n_others == 0


def test_recoding_does_not_change_the_choice(crossing: tuple[list[Image], Array], make: Make):
    images = crossing[0][:8]
    plain = torsos(make(), images)
    for quality in (90, 20):
        coded = [cv2.imencode(".jpg", i, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for i in images]
        again = [np.asarray(cv2.imdecode(c, cv2.IMREAD_COLOR), dtype=np.uint8) for c in coded]
        assert np.nanmax(np.abs(torsos(make(), again) - plain)) < 25.0


def bits(results: Iterator[BlazePoseResult | None]) -> list[tuple[bytes, ...] | None]:
    return [
        None
        if r is None
        else (r.landmarks_px.tobytes(), r.world_m.tobytes(), r.visibility.tobytes(), bytes(r.detected))
        for r in results
    ]


def test_alone_it_is_blazepose_bit_by_bit(shared_data: Path, make: Make):
    images = frames(shared_data / "real/squat_arms/cam1.mp4", 50)
    images[30:33] = [np.zeros_like(images[0])] * 3  # lost, and found again
    plain = BlazePose(published("pose_landmark_full"), published("pose_detection"))
    tracker = make()
    expected = bits(plain.step(i, round(k / 30 * 1e9)) for k, i in enumerate(images))
    assert bits(tracker.step(i, round(k / 30 * 1e9)) for k, i in enumerate(images)) == expected
    assert expected[31] is None and expected[33] is not None and tracker.n_others == 0


def test_alone_it_is_blazepose_whatever_the_gap_between_images(shared_data: Path, make: Make):
    images = frames(shared_data / "real/squat_arms/cam1.mp4", 4)
    plain, tracker = BlazePose(published("pose_landmark_full"), published("pose_detection")), make()
    expected = bits(plain.step(i, 6_000_000_000 * k) for k, i in enumerate(images))
    assert bits(tracker.step(i, 6_000_000_000 * k) for k, i in enumerate(images)) == expected
    assert None not in expected


@pytest.mark.parametrize("n_followed", [1, 2])
def test_whoever_is_in_view_after_a_gap_is_who_they_were(
    crossing: tuple[list[Image], Array], make: Make, n_followed: int
):
    tracker, image = make(n_followed=n_followed), crossing[0][0]
    for t_ns in (0, 6_000_000_000, 12_000_000_000, 12_033_000_000):
        numbers = [None if r is None else r.person for r in tracker.step_all(image, t_ns)]
        assert numbers == [*range(n_followed)] and tracker.n_others == 2 - n_followed


def test_whoever_has_moved_during_a_gap_is_who_they_were(crossing: tuple[list[Image], Array], make: Make):
    tracker, image = make(), crossing[0][0]
    image[:, :200] = 128  # the one at the left edge leaves
    assert tracker.step(image, 0) is not None
    moved = np.roll(image, image.shape[1] // 4, axis=1)
    result = tracker.step(moved, 6_000_000_000)
    assert result is not None and result.detected and result.person == 0 and tracker.n_others == 0


def test_others_are_counted(crossing: tuple[list[Image], Array], make: Make):
    tracker = make()
    torsos(tracker, crossing[0][:3], 1.0)
    assert tracker.n_others == 1


def test_clothes_are_told_apart_by_their_colours():
    corners = np.zeros((33, 3))
    corners[list(TORSO), :2] = [[20, 20], [60, 20], [20, 90], [60, 90]]

    def worn(colour: tuple[int, int, int]) -> Array:
        noise = np.random.default_rng(0).integers(-8, 8, (100, 80, 3))
        shares = torso_colours(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8), corners)
        assert shares is not None and shares.sum() == pytest.approx(1.0)
        return shares

    red, blue = worn((40, 40, 200)), worn((200, 60, 40))
    assert colour_distance(red, red) == pytest.approx(0.0, abs=1e-6)
    assert colour_distance(red, blue) > 0.9
    assert colour_distance(red, worn((44, 40, 205))) < 0.5
    assert torso_colours(np.zeros((10, 10, 3), np.uint8), corners + 500.0) is None
    assert colour_distance(None, red) == 0.5


def test_findings_go_where_the_sum_of_misfits_is_least():
    scipy = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(3)
    for n_tracks, n_findings in [(1, 1), (2, 2), (3, 2), (2, 3), (4, 4), (3, 0)]:
        misfits = rng.uniform(0.0, 2.0, (n_tracks, n_findings))
        found = assigned(misfits)
        pairs = [(k, finding) for k, finding in enumerate(found) if finding is not None]
        expected = scipy.linear_sum_assignment(misfits)
        assert len(found) == n_tracks and pairs == list(zip(*(e.tolist() for e in expected), strict=True))


@pytest.mark.parametrize("choice", ["middle", "0", "9", "-1", "1.5", ""])
def test_unknown_choices_are_refused(choice: str):
    with pytest.raises(EngineError, match=r"accepted: largest, left, right, or a number"):
        PeopleTracker(choice=choice)
