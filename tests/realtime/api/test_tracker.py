"""The tracker as a Python class: as `kinecast replay`, bit by bit; refusals; what is drawn."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import realtime
from calib.errors import CameraError
from calib.rig import save_rig
from realtime import CameraOptions, DrawingOptions, EstimatorOptions, TrackedPose, Tracker, cli
from realtime.errors import RealtimeError, SourceError
from realtime.recording.log import StreamLog
from realtime.sample import Status
from realtime.sources.parse import parse_source, read_frames
from tests.support.published import published
from tests.support.rigs import ring

N_FRAMES = 30
Rows = list[tuple[str, list[float], list[float]]]


@pytest.fixture(scope="module")
def clip() -> str:
    """A person moving; the networks that watch them are fetched, too."""
    published("pose_landmark_full")
    published("pose_detection")
    return str(published("demo_clip"))


@pytest.fixture(scope="module")
def replayed(clip: str, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Samples of `kinecast replay`."""
    out = tmp_path_factory.mktemp("replayed") / "out"
    words = ["replay", clip, "--height", "1.7", "--frames", str(N_FRAMES), "--out", str(out)]
    assert cli.main(words) == 0
    messages = StreamLog(out / "stream.msgpack").messages()  # as published, before the ground has settled
    return [(m.status.value, m.q, m.confidence) for m in messages if hasattr(m, "q")]


def rows(poses: list[TrackedPose]) -> Rows:
    return [(p.status.value, p.q.tolist(), p.confidence.tolist()) for p in poses]


def same(a: Rows, b: Rows) -> bool:
    return repr(a) == repr(b)  # as text, since NaN equals nothing; the text of a float is exact


def test_a_run_is_that_of_replay(clip: str, replayed: Rows):
    with Tracker(height_m=1.7) as track:
        poses = list(track.run(clip, max_frames=N_FRAMES))
        again = list(track.run(Path(clip), max_frames=N_FRAMES))  # nothing of the first run is left
    assert len(replayed) == N_FRAMES and any(row[0] != Status.LOST for row in replayed)
    assert same(rows(poses), replayed)
    assert same(rows(again), replayed)


def test_a_recording_gives_its_frames(clip: str, replayed: Rows, tmp_path: Path):
    out = tmp_path / "live"
    words = ["live", "--source", clip, "--no-window", "--no-publish", "--record-video", "--frames", "20"]
    assert cli.main([*words, "--height", "1.7", "--out", str(out)]) == 0
    recorded = [m for m in StreamLog(out / "stream.msgpack").messages() if hasattr(m, "q")]
    with Tracker(height_m=1.7) as track:
        poses = list(track.run(out))
        with pytest.raises(SourceError, match="leave out rate_hz"):
            list(track.run(out, rate_hz=30.0))
    assert [p.frame_id for p in poses] == [m.frame_id for m in recorded]
    assert same(rows(poses), [(m.status.value, m.q, m.confidence) for m in recorded])


def test_images_at_their_times_are_those_of_replay(clip: str, replayed: Rows):
    frames = list(zip(read_frames(parse_source(clip)), range(N_FRAMES), strict=False))
    first_ns = frames[0][0].t_capture_ns
    with Tracker(estimator=EstimatorOptions(height_m=1.7)) as track:
        poses = [track(f.image.copy(), (f.t_capture_ns - first_ns) * 1e-9) for f, _ in frames]
    assert same(rows(poses), replayed)


def test_a_pose_is_read_by_name_and_drawn(clip: str):
    with Tracker(1.7, drawing=DrawingOptions(show=("knee_angle",))) as track:
        pose = list(track.run(clip, max_frames=N_FRAMES))[-1]
        image = track.image
        drawn = pose.draw(image)
    names = pose.skeleton.coordinate_names
    assert pose["knee_angle_r"] == pytest.approx(np.degrees(pose.q[names.index("knee_angle_r")]))
    assert pose["pelvis_tx"] == pose.q[names.index("pelvis_tx")]
    assert dict(pose).keys() == set(names) and set(pose.pelvic_angles_deg) >= {"pelvic_tilt"}
    assert pose.confidence_of("knee_angle_r") == pose.confidence[names.index("knee_angle_r")]
    assert pose.T_ground_body.shape == (pose.skeleton.n_bodies, 4, 4)
    assert pose.markers_m.shape == (pose.skeleton.n_markers, 3)
    assert drawn.shape == image.shape and not np.array_equal(drawn, image)
    capture = cv2.VideoCapture(clip)
    capture.set(cv2.CAP_PROP_POS_FRAMES, N_FRAMES - 1)
    assert np.array_equal(image, capture.read()[1])
    with pytest.raises(KeyError, match=r"no coordinate .knee.*knee_angle_r"):
        pose["knee"]


def test_an_abandoned_run_ends_with_the_tracker(clip: str):
    with Tracker() as track:
        run = track.run(clip)
        next(run)
    assert list(run) == []
    with pytest.raises(RealtimeError, match="closed"):
        track(np.zeros((480, 640, 3), np.uint8))


def test_wrong_images_and_times_are_refused():
    black = np.zeros((120, 160, 3), np.uint8)
    published("pose_landmark_full")
    published("pose_detection")
    with Tracker() as track:
        with pytest.raises(RealtimeError, match="no image yet"):
            _ = track.image
        assert track(black, 1.0).status is Status.LOST
        assert black.flags.writeable
        for wrong, t_s, reason in (
            (black, 1.0, "does not follow"),
            (black, float("nan"), "finite"),
            (black[:60], 2.0, "160x60 px follows those of 160x120"),
            (black[..., 0], 2.0, r"shape \(120, 160\)"),
            (black.astype(float), 2.0, "float64"),
        ):
            with pytest.raises(RealtimeError, match=reason):
                track(wrong, t_s)
        assert np.isnan(track(black, 2.0)["knee_angle_r"])
        track.reset()
        assert track(black[:60], 0.0).frame_id == 0


@pytest.mark.parametrize("height_m", [175, 0.0, -1.75, float("nan")])
def test_statures_of_nobody_are_refused(height_m: float):
    with pytest.raises(RealtimeError, match="stature"):
        Tracker(height_m=height_m)


def test_no_source_is_refused_when_it_is_run():
    with Tracker() as track, pytest.raises(SourceError, match="no such file"):
        next(track.run("nowhere.mp4"))


def test_every_public_name_is_there_and_no_other():
    assert all(getattr(realtime, name) for name in realtime.__all__)
    with pytest.raises(AttributeError, match="Trackr"):
        _ = realtime.Trackr


def test_two_cameras_give_what_replay_gives(shared_data: Path, tmp_path: Path) -> None:
    folder, n = shared_data / "real" / "squat_arms", 8
    videos, rig = [str(folder / f"cam{k}.mp4") for k in range(2)], str(folder / "cameras.json")
    out = tmp_path / "out"
    words = ["--cameras", rig, "--scale-camera", "--frames", str(n), "--out", str(out)]
    assert cli.main(["replay", *videos, *words]) == 0
    messages = StreamLog(out / "stream.msgpack").messages()
    expected = [(m.status.value, m.q, m.confidence) for m in messages if hasattr(m, "q")]
    views = [list(islice(read_frames(parse_source(video)), n)) for video in videos]
    first_ns = views[0][0].t_capture_ns
    with Tracker(camera=CameraOptions(may_scale_camera=True), cameras=rig) as track:
        poses = [
            track([a.image, b.image], t_s=1e-9 * (a.t_capture_ns - first_ns))
            for a, b in zip(*views, strict=True)
        ]
        alone = track([None, views[1][0].image], t_s=1.0)
        drawn = poses[-1].draw(track.image)
    assert len(expected) == n and same(rows(poses), expected)
    assert poses[-1].sample.used_views == (0, 1) and alone.sample.used_views == (1,)
    assert drawn.shape == (640, 720, 3)


def test_images_that_are_not_of_all_cameras_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    save_rig(path, ring(0.0, 60.0))
    image = np.zeros((640, 480, 3), np.uint8)
    with Tracker(cameras=path) as track:
        for images, said in (
            ([image], "1 sources for a rig of 2 cameras"),
            ([image, None], "the first images decide the sizes of all"),
            ([image, np.zeros((8, 8), np.uint8)], "an image of shape"),
        ):
            with pytest.raises((RealtimeError, CameraError), match=said):
                track(images, t_s=0.0)
        with pytest.raises(RealtimeError, match="run takes one source"):
            track.run("demo_clip")
    with pytest.raises(RealtimeError, match="give one of them"):
        Tracker(cameras=path, camera=CameraOptions(camera_path=path))
