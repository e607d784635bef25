"""Who is known when: the landmarks estimator with people whose landmarks are made up exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from calib.subject import is_point_name, save_subject
from engines.blazepose.tracker import BlazePoseResult
from realtime.bench.scores import known_after_s
from realtime.calibration.subject_observer import SubjectObserver
from realtime.estimators.build import make_estimator
from realtime.estimators.landmarks import LandmarksEstimator
from realtime.options import EstimatorOptions, Neutral
from realtime.person.scaling import KnownSubject
from realtime.pose.landmark_model import build_landmark_model
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PersonState, PoseSample
from realtime.sources.parse import parse_source, read_frames
from tests.support.posing_person import SOCKS, STANDING, PosingPerson
from tests.support.published import published

STEP_NS = 50_000_000
IMAGE: NDArray[np.uint8] = np.zeros((480, 640, 3), dtype=np.uint8)


class ScriptedBlazePose:
    """Sees what it is given."""

    description = "script"
    n_others = 0

    def __init__(self) -> None:
        self.results: list[BlazePoseResult | None] = []

    def step(self, image: NDArray[np.uint8], t_capture_ns: int | None = None) -> BlazePoseResult | None:
        return self.results.pop(0)

    def reset(self) -> None:
        pass


@pytest.fixture
def person() -> PosingPerson:
    skeleton: Skeleton = load_skeleton()
    return PosingPerson(
        skeleton, build_landmark_model(skeleton), offsets_m=SOCKS, depth_gain=0.3, noise_px=0.5
    )


class Stage:
    """An estimator and its frames, 20 a second."""

    def __init__(self, person: PosingPerson, **options: object) -> None:
        self.blazepose = ScriptedBlazePose()
        layer = SkeletalLayer(person.skeleton)
        self.estimator = LandmarksEstimator(
            person.skeleton, person.camera, self.blazepose, layer, 1.75, **options  # type: ignore[arg-type]
        )  # fmt: skip
        self.n_frames = 0

    def show(self, *results: BlazePoseResult | None) -> list[PoseSample]:
        self.blazepose.results = list(results)
        samples = []
        for _ in results:
            samples.append(self.estimator.step(Frame(self.n_frames, self.n_frames * STEP_NS, IMAGE)))
            self.n_frames += 1
        return samples


def standing(person: PosingPerson, n: int = 40) -> list[BlazePoseResult]:
    q = person.coordinates(**STANDING)
    return [person.see(q, k) for k in range(n)]


def test_samples_tell_who_is_known_and_what_to_do(person: PosingPerson) -> None:
    stage = Stage(person)
    squatting = person.coordinates(knee_angle=100.0, hip_flexion=90.0, ankle_angle=25.0)
    (sample,) = stage.show(person.see(squatting))
    assert sample.person is PersonState.UNKNOWN and sample.advice
    assert stage.estimator.about_person() == {"state": "unknown"}
    samples = stage.show(*standing(person))
    assert samples[-1].person is PersonState.KNOWN and samples[-1].advice == ""
    after_s = known_after_s(samples)
    assert after_s is not None and after_s <= 2.0
    about = stage.estimator.about_person()
    assert about["known_after_s"] == pytest.approx(after_s + STEP_NS * 1e-9)
    offsets = about["landmark_offsets_cm"]
    assert isinstance(offsets, dict) and offsets["left_ankle"]["up"] == pytest.approx(6.0, abs=3.0)


def test_somebody_else_is_learned_anew(person: PosingPerson) -> None:
    stage = Stage(person)
    here = replace(person, aside_m=-1.3)
    there = replace(person, aside_m=1.3, offsets_m={})
    assert stage.show(*standing(here))[-1].person is PersonState.KNOWN
    lost, *back = stage.show(None, *standing(here, 3))
    assert {sample.person for sample in (lost, *back)} == {PersonState.KNOWN}
    first, *others = standing(there)
    lost, met, *samples = stage.show(None, replace(first, detected=True), *others)
    assert met.person is PersonState.UNKNOWN
    assert samples[-1].person is PersonState.KNOWN
    offsets = stage.estimator.about_person()["landmark_offsets_cm"]
    assert isinstance(offsets, dict)
    assert abs(offsets["left_ankle"]["up"]) < 2.0


def test_two_seconds_without_anybody_forget_the_person(person: PosingPerson) -> None:
    stage = Stage(person)
    stage.show(*standing(person))
    assert stage.show(*[None] * 45)[-1].person is PersonState.UNKNOWN
    assert stage.show(*standing(person, 1))[0].person is not PersonState.KNOWN


def test_the_user_can_have_the_person_learned_anew(person: PosingPerson) -> None:
    stage = Stage(person)
    stage.show(*standing(person))
    stage.estimator.relearn()
    samples = stage.show(*standing(person))
    assert samples[0].person is not PersonState.KNOWN and samples[-1].person is PersonState.KNOWN


def test_off_learns_nothing_and_gives_no_advice(person: PosingPerson) -> None:
    stage = Stage(person, learns_person=False)
    samples = stage.show(*standing(person))
    assert {(sample.person, sample.advice) for sample in samples} == {(PersonState.UNKNOWN, "")}
    assert stage.estimator.about_person() == {}


def test_asking_changes_no_bit_and_off_does(shared_data: Path) -> None:
    """On a real person who stands at first, with the networks."""
    frames = squat_arms(shared_data, 90)
    found: dict[Neutral, list[PoseSample]] = {}
    for neutral in Neutral:
        estimator = estimator_of(frames, neutral=neutral)
        found[neutral] = [estimator.step(frame) for frame in frames]
    bits = {neutral: [sample.q.tobytes() for sample in samples] for neutral, samples in found.items()}
    assert bits[Neutral.ASK] == bits[Neutral.AUTO] != bits[Neutral.OFF]
    assert [s.person for s in found[Neutral.ASK]] == [s.person for s in found[Neutral.AUTO]]
    after_s = known_after_s(found[Neutral.AUTO])
    assert after_s is not None and after_s <= 2.0
    knees = [load_skeleton().coordinate_index(f"knee_angle_{side}") for side in "rl"]
    bent_deg = {n: np.degrees(samples[-1].q[knees]).mean() for n, samples in found.items()}
    assert abs(bent_deg[Neutral.AUTO]) < 8.0 < 15.0 < bent_deg[Neutral.OFF]


def test_a_measured_subject_is_known_from_the_first_frame(shared_data: Path) -> None:
    frames = squat_arms(shared_data, 90)
    height, width = frames[0].image.shape[:2]
    camera = CameraCalibration.assumed(width, height)
    observer = SubjectObserver(camera, 1.75, offline=True)
    for frame in frames:
        observer.look(frame)
    offsets = observer._landmark_offsets(np.ones((observer.skeleton.n_bodies, 3)))
    up_m = {name: offset.across_m[1] for name, offset in offsets.items()}
    assert up_m["left_ankle"] - up_m["left_hip"] > 0.02  # legs look too short
    subject = KnownSubject(np.ones((observer.skeleton.n_bodies, 3)), None, offsets)
    blazepose = ScriptedBlazePose()
    layer = SkeletalLayer(observer.skeleton)
    estimator = LandmarksEstimator(
        observer.skeleton, camera, blazepose, layer, subject=subject  # type: ignore[arg-type]
    )  # fmt: skip
    person = PosingPerson(observer.skeleton, build_landmark_model(observer.skeleton), camera)
    blazepose.results = standing(person, 1)
    assert estimator.step(frames[0]).person is PersonState.KNOWN
    assert estimator.about_person()["known_after_s"] == 0.0


def test_live_starts_with_the_offsets_that_learning_finds(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`calibrate subject` keeps what a live run of the same size learns, points of patches among it."""
    monkeypatch.setattr("realtime.calibration.subject_meter.MIN_LOOKS", 10)
    frames = squat_arms(shared_data, 60)
    height, width = frames[0].image.shape[:2]
    observer = SubjectObserver(CameraCalibration.assumed(width, height), 1.75, offline=True)
    for frame in frames:
        observer.look(frame)
    subject = observer.result("test")
    landmarks_only = {n: o for n, o in subject.landmark_offsets.items() if not is_point_name(n)}
    estimators = []
    for k, offsets in enumerate(({}, subject.landmark_offsets, landmarks_only)):
        path = tmp_path / f"{k}.json"
        save_subject(path, replace(subject, landmark_offsets=offsets), observer.skeleton)
        estimators.append(estimator_of(frames, neutral=Neutral.AUTO, subject_path=path))
        assert ("without the points of patches" in caplog.text) == (offsets is landmarks_only)
    learning, measured = estimators[:2]
    assert measured.step(frames[0]).person is PersonState.KNOWN
    for frame in frames:
        if learning.step(frame).person is PersonState.KNOWN:
            break
    learnt, stored = (e.about_person()["landmark_offsets_cm"] for e in (learning, measured))
    assert isinstance(stored, dict) and stored == learnt
    assert {"left_ankle", "point_lajc", "point_rhee"} <= set(stored)


def squat_arms(shared_data: Path, n: int) -> list[Frame]:
    """The first frames of a clip, every second one."""
    published("pose_landmark_full")
    published("pose_detection")
    (video,) = sorted((shared_data / "real" / "squat_arms").glob("*cam1*.mp4"))
    frames = read_frames(parse_source(str(video)))
    return [frame for frame, _ in zip(frames, range(2 * n), strict=False) if frame.frame_id % 2 == 0]


def estimator_of(
    frames: list[Frame], *, neutral: Neutral, subject_path: Path | None = None
) -> LandmarksEstimator:
    height, width = frames[0].image.shape[:2]
    camera = CameraCalibration.assumed(width, height)
    options = EstimatorOptions(offline=True, neutral=neutral, smoothing=False, subject_path=subject_path)
    estimator = make_estimator(options, camera)
    assert isinstance(estimator, LandmarksEstimator)
    return estimator
