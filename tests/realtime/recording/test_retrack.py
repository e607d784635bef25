"""Tracking the video of a recording again gives the very numbers of the run that recorded it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from calib.camera import CameraCalibration
from engines.runtimes.available import Precision, Runtime
from engines.shipped import shipped_direct_path
from realtime import cli
from realtime.client import subscribe
from realtime.commands import session
from realtime.commands.options import with_recorded_options
from realtime.errors import RecordingError
from realtime.estimators.build import ESTIMATOR_NAMES, make_camera
from realtime.options import CameraOptions, EstimatorOptions, Neutral, RunOptions, TrackingOptions
from realtime.recording.folder import SESSION_NAME
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.pictures import FRAMES_NAME, LOSSLESS_NAME
from realtime.recording.recorder import read_session, recorded_options
from realtime.recording.source import relearned_frames
from realtime.recording.summary import REPORT_NAME
from realtime.sample import Status
from realtime.stream.messages import Angles, Pose
from tests.support import swinging
from tests.support.kinecast_process import FREE_PORT, ROOT, published_address, running
from tests.support.mp4 import write_video
from tests.support.published import published
from tests.support.swinging import SwingingEstimator

FIGURES = ("angles.csv", "angles.sto", "angles.mot", "markers.trc", "camera.json")


def bits(folder: Path) -> list[tuple[object, ...]]:
    """Everything that was estimated; the stamps relative to the first."""
    rows: list[tuple[object, ...]] = []
    first_ns = None
    for angles, pose in StreamLog(folder / LOG_NAME).samples():
        first_ns = angles.t_capture_ns if first_ns is None else first_ns
        stamp_ns = angles.t_capture_ns - first_ns
        rows.append((angles.frame_id, stamp_ns, angles.status, *numbers(angles), *numbers(pose)))
    return rows


def numbers(message: Angles | Pose | None) -> list[bytes]:
    import numpy as np

    assert message is not None
    names = ("q", "qdot", "confidence", "pelvis_position_m")
    if isinstance(message, Pose):
        names = ("body_position_m", "body_rotation_wxyz", "joint_centre_m", "marker_m")
    return [np.array(getattr(message, name)).tobytes() for name in names]


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
def test_the_real_estimators_repeat_themselves_bit_by_bit(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if name == "direct" and not shipped_direct_path().exists():
        pytest.skip("no direct network is part of this copy")
    for asset in ("pose_landmark_full", "pose_detection"):
        published(asset)
    clip, live, again = published("demo_clip"), tmp_path / "live", tmp_path / "again"
    # The clip's right half is enough to have a person in view all the time.
    options = ["--estimator", name, "--region", "0,0.5,1,0.5", "--offline", "--fov", "65"]
    words = ["live", "--source", str(clip), "--no-window", "--no-publish", "--record-video", "--frames", "60"]
    assert cli.main([*words, *options, "--out", str(live)]) == 0
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again)]) == 0
    recorded = bits(live)
    assert len(recorded) > 3 and any(row[2] is not Status.LOST for row in recorded)
    assert bits(again) == recorded and "the recording was made on" not in caplog.text
    for file in FIGURES:
        assert (again / file).read_bytes() == (live / file).read_bytes()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)


def test_frames_that_were_dropped_are_not_in_the_video(tmp_path: Path, no_network: None) -> None:
    """Every frame goes by the number and the stamp that it had."""
    video = write_video(tmp_path / "clip.mp4", 60, fps=120.0)
    live, again = tmp_path / "live", tmp_path / "again"
    words = [
        "live",
        "--source",
        str(video),
        "--no-window",
        "--no-publish",
        "--record-video",
        "--out",
        str(live),
    ]
    assert cli.main(words) == 0
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again), "--realtime"]) == 0
    assert bits(again) == bits(live)
    table = live / FRAMES_NAME
    whole, n_rows = table.read_bytes(), len(bits(live))
    table.write_bytes(whole[:-3])  # cut, as by a kill: the image is there and its row is not
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again), "--replace"]) == 0
    assert len(bits(again)) == n_rows - 1


def test_options_of_the_recording_hold_unless_others_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[object]] = []

    def build(options: EstimatorOptions, camera: CameraCalibration) -> SwingingEstimator:
        seen[-1].append(options.height_m)
        return swinging.build(options, camera)

    def camera_of(options: CameraOptions, *size: object) -> CameraCalibration:
        seen.append([options.fov_deg, options.camera_path])
        return make_camera(options, *size)

    monkeypatch.setattr(session, "make_estimator", build)
    monkeypatch.setattr(session, "make_camera", camera_of)
    monkeypatch.chdir(tmp_path)
    words = [
        "live",
        "--source",
        "synthetic",
        "--no-window",
        "--no-publish",
        "--frames",
        "5",
        "--record-video",
    ]
    assert cli.main([*words, "--out", "rec", "--fov", "70", "--height", "1.8"]) == 0
    os.chdir("/")
    retrack = ["replay", str(tmp_path / "rec"), "--retrack", "--out", str(tmp_path / "again")]
    assert cli.main(retrack) == 0
    assert cli.main([*retrack, "--replace", "--fov", "60"]) == 0
    camera = tmp_path / "rec" / "camera.json"
    assert cli.main([*retrack, "--replace", "--camera-file", str(camera)]) == 0
    assert seen == [[70, None, 1.8], [70, None, 1.8], [60, None, 1.8], [70, camera, 1.8]]


def test_files_among_the_options_are_found_from_anywhere(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "live",
        "--source",
        "synthetic",
        "--no-window",
        "--no-publish",
        "--frames",
        "5",
        "--record-video",
    ]
    assert cli.main([*words, "--out", "a"]) == 0
    assert cli.main([*words, "--out", "b", "--camera-file", "a/camera.json"]) == 0
    monkeypatch.chdir("/")
    assert cli.main(["replay", str(tmp_path / "b"), "--retrack", "--out", str(tmp_path / "c")]) == 0
    assert bits(tmp_path / "c") == bits(tmp_path / "b")


RECORDED = TrackingOptions(
    camera=CameraOptions(camera_path=Path("/c/camera.json"), may_scale_camera=True, fov_deg=71.0),
    estimator=EstimatorOptions(
        estimator="direct",
        skeleton_path=Path("/c/a.osim"),
        subject_path=Path("/c/subject.json"),
        apply_offsets=True,
        model_path=Path("/c/model.onnx"),
        runtime=Runtime.ONNXRUNTIME,
        precision=Precision.FP16,
        offline=True,
        smoothing=False,
        temporal=False,
        neutral=Neutral.OFF,
        search_region=(0.0, 0.5, 1.0, 0.5),
    ),
)
EARLY = {
    "working_folder": "/c",
    "words": [
        "live", "--source", "0", "--out", "rec", "--camera-file", "camera.json", "--scale-camera",
        "--fov", "71", "--estimator", "direct", "--skeleton", "a.osim", "--subject", "/c/subject.json",
        "--apply-offsets", "--model-path", "model.onnx", "--runtime", "onnxruntime", "--precision", "fp16",
        "--offline", "--neutral", "off", "--no-smoothing", "--no-temporal", "--region", "0,0.5,1,0.5",
    ],
}  # fmt: skip


ABSOLUTE = {"options": msgspec.to_builtins(RECORDED, enc_hook=str)}


@pytest.mark.parametrize("about", [None, ABSOLUTE, EARLY])
def test_every_option_of_a_recording_is_read_again(about: dict[str, object] | None, tmp_path: Path) -> None:
    about = about or {"options": recorded_options(RECORDED, tmp_path)}
    (tmp_path / SESSION_NAME).write_text(json.dumps(about))
    run = RunOptions(source=str(tmp_path), max_frames=7)
    words = ["replay", str(tmp_path), "--retrack", "--frames", "7"]
    taken = with_recorded_options(run, words, tmp_path)
    assert taken == replace(run, camera=RECORDED.camera, estimator=RECORDED.estimator)
    other = with_recorded_options(run, [*words, "--estimator", "lifted", "--fov", "60"], tmp_path)
    assert other.camera == replace(RECORDED.camera, fov_deg=60.0)
    assert other.estimator == replace(RECORDED.estimator, estimator="lifted")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "{",
        '{"options": {"camera": {"fov_deg": "wide"}}}',
        '{"options": {"estimator": {"runtime": "abacus"}}}',
        '{"options": {"estimator": {"skeleton_path": 3}}}',
    ],
)
def test_damaged_options_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / SESSION_NAME).write_text(text)
    with pytest.raises(RecordingError, match="the options of the recording cannot be read"):
        read_session(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "rec"], "add --publish ADDR to send it again, --retrack --out DIR"),
        (["replay", "rec", "--out", "x"], "--retrack --out DIR"),
        (["replay", "rec", "--retrack"], "add --out DIR"),
        (["replay", "rec", "--retrack", "--out", "rec"], "rec would be replaced"),
        (["replay", "clip.mp4", "--retrack", "--out", "x"], "clip.mp4 is not a recording"),
        (["replay", "plain", "--retrack", "--out", "x"], "made without --record-video"),
        (["replay", "silent", "--retrack", "--out", "x"], "the options of the recording cannot be read"),
        (["live", "--record-video"], "add --out DIR"),
        (["recover", "plain/angles.csv"], "cannot be read"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(
    words: list[str], said: str, tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4", 5)
    live = ["live", "--source", "synthetic", "--no-window", "--no-publish", "--frames", "3", "--out"]
    for name in ("rec", "silent"):
        assert cli.main([*live, name, "--record-video"]) == 0
    assert cli.main([*live, "plain"]) == 0
    (tmp_path / "silent" / SESSION_NAME).unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_can_be_recovered_and_tracked_again(tmp_path: Path, no_network: None, capsys) -> None:
    live, again = tmp_path / "live", tmp_path / "again"
    words = ["live", "--source", "synthetic", "--publish", FREE_PORT, "--out", str(live), "--record-video"]
    with running(*words) as process, subscribe(published_address(process), timeout_s=60.0) as samples:
        for _ in range(30):
            last = next(samples)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        while (sample := samples.receive(0.2)) is not None:
            last = sample
    assert not (live / "angles.mot").exists()
    assert cli.main(["recover", str(live)]) == 0
    assert (
        "samples; angles.sto is complete; written from stream.msgpack: angles.mot" in capsys.readouterr().out
    )
    assert (live / "angles.mot").exists() and (live / "report.json").exists()
    recorded = bits(live)
    assert recorded[-1][0] >= last.frame_id - 14  # 30 frames a second: half a second are 15
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again)]) == 0
    tracked = bits(again)
    assert len(tracked) > 5 and tracked == recorded[: len(tracked)]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
def test_a_disk_that_the_video_fills_ends_the_recording_and_not_the_stream(tmp_path: Path) -> None:
    out = tmp_path / "out"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))"
    words = ["live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT, "--out", str(out)]
    with running(*words, "--record-video", prelude=limit) as process:
        with subscribe(published_address(process), timeout_s=60.0) as samples:
            for _ in range(90):
                last = next(samples)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    assert complaints.count("tracking goes on") == 1
    recorded = list(StreamLog(out / LOG_NAME).samples())
    assert 2 < len(recorded) < last.frame_id
    assert (out / LOSSLESS_NAME).stat().st_size <= 3_000_000
    retrack = ["replay", str(out), "--retrack", "--out", str(tmp_path / "again")]
    subprocess.run(
        [sys.executable, "-m", "tests.support.swinging", *retrack], cwd=ROOT, check=True, capture_output=True
    )
    tracked = bits(tmp_path / "again")
    assert len(tracked) > 2 and tracked == bits(out)[: len(tracked)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"relearned_at_frames": [3, 40]}', {3, 40}),
        ("{}", set()),
        ("[]", set()),
        ("{", set()),
        ('{"relearned_at_frames": 3}', set()),
    ],
)
def test_frames_at_which_the_person_was_learned_anew_are_read(
    text: str, expected: set[int], tmp_path: Path
) -> None:
    assert relearned_frames(tmp_path) == set()
    (tmp_path / REPORT_NAME).write_text(text)
    assert relearned_frames(tmp_path) == expected


def test_networks_that_ran_elsewhere_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    estimator = SwingingEstimator(CameraCalibration.assumed(64, 48))
    estimator.description = "patches, f32, 1 threads"
    for recorded, warns in (("", 0), ("patches, f32, 2 threads", 0), ("patches, int8, 1 threads", 1)):
        caplog.clear()
        about = {"options": msgspec.to_builtins(TrackingOptions()), "runtime": recorded}
        (tmp_path / SESSION_NAME).write_text(json.dumps(about))
        session.warn_of_other_runtime(read_session(tmp_path).runtime, estimator)
        assert len(caplog.records) == warns
    assert "made on patches, int8; on patches, f32, results are not" in caplog.text
