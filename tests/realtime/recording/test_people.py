"""Several people at once: a recording and a stream for each, bit by bit those of one who is alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calib.skeleton import load_skeleton
from calib.tables.storage import read_mot
from realtime import cli
from realtime.client import subscribe
from realtime.errors import RecordingError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.parts import parts_of
from realtime.recording.parts_recorder import PartsRecorder, further_people_of
from realtime.recording.recorder import Recorder
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Angles
from realtime.stream.publisher import Publisher
from tests.support.poses import random_sample
from tests.support.published import published
from tests.support.streams import PATIENCE_S

Image = NDArray[np.uint8]

FIRST, N_FRAMES, AHEAD = 80, 24, 10
WALKING = slice(450, 994), slice(850, 1500)
"""Rows and columns of the clip in which somebody walks."""
TRACKING = ("--offline", "--fov", "65")


def written(folder: Path, images: list[Image]) -> Path:
    folder.mkdir()
    for k, image in enumerate(images):
        assert cv2.imwrite(str(folder / f"{k:03d}.png"), image)
    return folder


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """A walking woman, and to the right of her somebody in other colours who is ten frames ahead."""
    for asset in ("pose_landmark_full", "pose_detection"):
        published(asset)
    capture = cv2.VideoCapture(str(published("demo_clip")))
    read = [capture.read()[1] for _ in range(FIRST + N_FRAMES + AHEAD)][FIRST:]
    walking = [np.asarray(image[WALKING], dtype=np.uint8) for image in read]
    return [np.hstack([walking[k], walking[k + AHEAD][..., ::-1]]) for k in range(N_FRAMES)]


@pytest.fixture(scope="module")
def both(images: list[Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("both") / "both", images)


def samples(folder: Path) -> list[Angles]:
    return [angles for angles, _ in StreamLog(folder / LOG_NAME).samples()]


def bits(folder: Path) -> list[tuple[object, ...]]:
    return [(a.frame_id, a.status, a.person_id, np.array([*a.q, *a.qdot]).tobytes()) for a in samples(folder)]


def test_each_person_has_a_recording_that_repeats_itself_bit_by_bit(both: Path, tmp_path: Path) -> None:
    live, again = tmp_path / "live", tmp_path / "again"
    words = ["live", "--source", str(both), "--no-window", "--no-publish", "--record-video", "--rate", "4"]
    assert cli.main([*words, *TRACKING, "--people", "2", "--out", str(live)]) == 0
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again)]) == 0
    folders = live, live / "person_2"
    assert parts_of(live) == [folders[1]]
    for folder in folders:
        assert bits(again / folder.relative_to(live)) == bits(folder)
        assert {path.name for path in folder.iterdir()} >= {"angles.mot", "report.json", "camera.json"}
    first, second = (samples(folder) for folder in folders)
    assert [a.t_capture_ns for a in first] == [a.t_capture_ns for a in second]
    assert [{a.person_id for a in found} - {0} for found in (first, second)] == [{1}, {2}]
    reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
    assert reports[0]["frames"] == reports[1]["frames"] > 2 and reports[0]["source"] == reports[1]["source"]
    # With fewer people, nothing of those before stays.
    assert cli.main(["replay", str(both), *TRACKING, "--frames", "2", "--out", str(again), "--replace"]) == 0
    assert parts_of(again) == [] and len(samples(again)) == 2


def test_everybody_is_as_if_alone(both: Path, images: list[Image], tmp_path: Path) -> None:
    """The same angles of the one without the other, but for how the detector places them at first."""
    alone = [image.copy() for image in images]
    for image in alone:
        image[:, image.shape[1] // 2 :] = 128
    video = written(tmp_path / "video", alone)
    assert cli.main(["replay", str(video), *TRACKING, "--out", str(tmp_path / "alone")]) == 0
    assert cli.main(["replay", str(both), *TRACKING, "--people", "2", "--out", str(tmp_path / "two")]) == 0
    alone_q, first_q, second_q = (
        np.array([a.q for a in samples(tmp_path / name)]) for name in ("alone", "two", "two/person_2")
    )
    # The first ten frames show the second person only to the network that follows, not to the one that finds.
    off_deg, other_deg = (np.degrees(np.abs(q - alone_q)[12:, 6:]) for q in (first_q, second_q))
    assert np.isfinite(off_deg).all() and np.median(off_deg) < 0.3
    assert np.isfinite(other_deg).all() and np.median(other_deg) > 1.0


def test_all_recordings_are_finished_where_some_fail(tmp_path: Path) -> None:
    skeleton = load_skeleton()
    folders = [tmp_path, *(tmp_path / f"person_{k}" for k in (2, 3, 4))]
    whole, *parts = (Recorder(folder, skeleton) for folder in folders)
    recorder = PartsRecorder(whole, parts, further_people_of)
    for k in range(3):
        people = tuple(random_sample(skeleton, 10 * n + k, t_capture_ns=k * 10**7) for n in range(4))
        recorder.write(replace(people[0], further_people=people[1:]))
    for folder in folders[1:3]:
        (folder / "angles.mot").mkdir()
    with pytest.raises(RecordingError, match="person_2"):
        recorder.close()
    for folder in (folders[0], folders[3]):
        assert len(read_mot(folder / "angles.mot").time_s) == 3


def test_each_person_has_a_stream() -> None:
    skeleton = load_skeleton()
    with Publisher("tcp://127.0.0.1:*", skeleton, n_people=2) as publisher:
        with (
            subscribe(publisher.address, timeout_s=PATIENCE_S) as first,
            subscribe(publisher.address, timeout_s=PATIENCE_S, person=2, poses=True) as second,
        ):
            found: dict[str, list[AngleSample]] = {"first": [], "second": []}
            for k in range(1000):
                one, two = random_sample(skeleton, k), random_sample(skeleton, 5000 + k)
                two = replace(two, frame_id=k, person_id=2)
                publisher.send(replace(one, person_id=1, further_people=(two,), events=("step",)))
                for name, stream in (("first", first), ("second", second)):
                    sample = stream.receive(0.02)
                    found[name] += [] if sample is None else [sample]
                if all(len(samples) > 2 for samples in found.values()):
                    break
        assert {s.message.person_id for s in found["first"]} == {1}
        assert {s.message.person_id for s in found["second"]} == {2}
        assert all(s.message.events == ["step"] for s in [*found["first"], *found["second"]])
        assert found["first"][0].meta.session != found["second"][0].meta.session
        assert second.missed == first.missed == 0 and not second.refused
        assert found["second"][-1].pose is not None
