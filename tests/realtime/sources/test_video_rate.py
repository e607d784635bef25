"""The rate of videos: their own time stamps, a slow-motion camera's, or that of a stream without times."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.tables.storage import read_sto
from realtime import cli
from realtime.commands import session
from realtime.errors import SourceError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.recorder import read_session
from realtime.sources.files import VideoSource
from realtime.sources.parse import parse_source, read_frames
from realtime.sources.video_rate import MissingFrames, h264_rate, rate_of_stamps
from tests.support import swinging
from tests.support.mp4 import picture, picture_number, void_frames, write_video

RAW_50 = base64.b64decode(
    "AAAAAWdkAAqscgRJbARAAAADAEAAABkDxIlhGAAAAAFo6EOBNLIsAAABZYiBAAz/d8WT9BNo9FatHu2S5LMjKrQ+FsV0RYvD5unX"
    "mrgvPx52fOQC5fxTmfHEKYS/sCJKHPXTkSrUi//QWbOZ+4cyKo92Qm0daEMWF8wTLziBAAAAAUGaCC2Iz8uAAAAAAUGaEEvwIGTK"
    "YRn/y4EAAAABQZoYaTwIHkymBGfLgAAAAAFBmiCJfAgfkymARn/LgQ=="
)
"""Five frames of H.264 by x264 at 50 frames a second, without a container."""

PARAMETERS = {
    "6742c01fda022079efc044000003000400000300f03c60ca80": 30.0,
    "6742c01fd900881e7bf011000003000100000300640f183248": 50.0,
    # 10 bits, 4:2:2, interlaced, scaling lists, colours, pixels of 4:3
    "677a0020b6cd940883cf7e1d6a020202800001f48000ea600f8b16cb": 60000.0 / 1001.0,
}
"""Sequence parameters that x264 wrote, and the rate that ffprobe says."""


def stamps_ms(frames) -> list[float]:
    return [(frame.t_capture_ns - frames[0].t_capture_ns) * 1e-6 for frame in frames]


def raw(folder: Path, data: bytes = RAW_50) -> Path:
    path = folder / "raw.h264"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("code", PARAMETERS)
def test_the_rate_of_a_stream_is_what_ffprobe_says(code: str):
    unit = bytes.fromhex(code)
    assert h264_rate(b"\0\0\0\1" + unit + b"\0\0\1\x68") == pytest.approx(PARAMETERS[code], rel=1e-12)
    assert h264_rate(b"\0\0\1" + unit[:6]) is None


@given(st.binary(max_size=80))
def test_any_bytes_have_a_rate_or_none(data: bytes):
    rate = h264_rate(b"\0\0\1\x67" + data)
    assert rate is None or 1.0 <= rate <= 1000.0


def test_a_stream_without_time_stamps_goes_at_its_own_rate_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    source = VideoSource(str(raw(tmp_path)))
    frames = list(read_frames(source))
    assert source.fps == 50.0
    assert stamps_ms(frames) == [0.0, 20.0, 40.0, 60.0, 80.0]
    assert "assumed at 50 frames a second, as its stream states" in caplog.text
    assert source.note == "", "nothing is announced, so nothing is missing"


def test_another_rate_of_a_stream_without_time_stamps_is_obeyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    frames = list(read_frames(parse_source(str(raw(tmp_path)), fps=25.0)))
    assert stamps_ms(frames) == [0.0, 40.0, 80.0, 120.0, 160.0]
    assert "assumed" not in caplog.text


def test_images_in_a_row_have_no_times_either(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(b"".join(cv2.imencode(".jpg", picture(k))[1].tobytes() for k in range(6)))
    assert len(list(read_frames(VideoSource(str(path))))) == 6
    assert "a guess" in caplog.text
    frames = list(read_frames(VideoSource(str(path), fps=10.0)))
    np.testing.assert_allclose(stamps_ms(frames), 100.0 * np.arange(6))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_a_rate_of_a_video_with_times_is_refused(tmp_path: Path, name: str):
    video = write_video(tmp_path / name, 4, codec="MJPG" if name.endswith("avi") else "mp4v")
    with pytest.raises(SourceError, match="--capture-rate"):
        parse_source(str(video), fps=60.0).open()


def test_slow_motion_runs_at_the_rate_of_the_camera(tmp_path: Path):
    source = parse_source(str(write_video(tmp_path / "slow.mp4", 40, fps=30.0)), capture_fps=240.0)
    frames = list(read_frames(source))
    assert source.fps == 240.0
    np.testing.assert_allclose(stamps_ms(frames), 1e3 * np.arange(40) / 240.0, atol=1e-3)


@pytest.mark.parametrize("text", ["0", "synthetic", "rtsp://10.0.0.2/s", "images"])
def test_a_camera_rate_is_refused_for_what_is_no_video(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(SourceError, match="--capture-rate has no meaning"):
        parse_source(text, capture_fps=240.0)


@pytest.mark.parametrize("name", ["clip.mp4", "images", "rtsp://10.0.0.2/s", "http://10.0.0.2/walk.mp4"])
def test_a_size_is_refused_where_it_cannot_be_obeyed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    write_video(tmp_path / "clip.mp4", 2)
    with pytest.raises(SourceError, match="--size has no meaning"):
        parse_source(name, size_px=(640, 480))


def test_a_rate_is_refused_for_a_network_stream():
    with pytest.raises(SourceError, match="--rate has no meaning for a network stream"):
        parse_source("rtsp://10.0.0.2/s", fps=30.0)


def test_gaps_and_leading_repeats_do_not_change_the_rate():
    even = np.arange(31) / 0.03
    assert rate_of_stamps(even[[0, 1, 2, 5, 6, 7, 8, 12, 13]], 25.0) == pytest.approx(30.0)
    assert rate_of_stamps([0.0] * 12 + list(even[:19]), 30.0) == pytest.approx(30.0)
    assert rate_of_stamps([0.0], 24.0) == 24.0


def test_frames_that_are_missing_in_between_are_not_an_early_end(tmp_path: Path):
    """Matroska states a duration and no number of frames."""
    kept = [k for k in range(36) if k < 12 or k % 3 == 2]
    path = write_video(tmp_path / "vfr.mkv", 36, codec="MJPG")
    void_frames(path, kept.__contains__)
    source = VideoSource(str(path))
    frames = list(read_frames(source))
    assert [picture_number(frame.image) for frame in frames] == kept
    np.testing.assert_allclose(stamps_ms(frames), np.array(kept) / 0.03, atol=1.0)
    assert source.fps == pytest.approx(30.0)
    assert source.n_frames is not None and source.n_frames > 30, "what OpenCV guesses"
    assert source.note == ""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)


def times_s(folder: Path) -> np.ndarray:
    stamps_ns = [angles.t_capture_ns for angles, _ in StreamLog(folder / LOG_NAME).samples()]
    return (np.array(stamps_ns) - stamps_ns[0]) * 1e-9


def test_replay_live_and_retrack_agree_on_slow_motion(tmp_path: Path, no_network: None):
    video = write_video(tmp_path / "slow.mp4", 30, fps=30.0)
    replayed, live, again = tmp_path / "replayed", tmp_path / "live", tmp_path / "again"
    rate = ["--capture-rate", "120"]
    assert cli.main(["replay", str(video), "--out", str(replayed), *rate]) == 0
    np.testing.assert_allclose(read_sto(replayed / "angles.sto").time_s, np.arange(30) / 120.0, atol=1e-6)
    options = read_session(replayed).options
    assert options is not None and options.capture_rate_hz == 120.0
    assert json.loads((replayed / "report.json").read_text())["source_fps"] == 120.0

    words = ["live", "--source", str(video), "--no-window", "--no-publish", "--record-video", *rate]
    assert cli.main([*words, "--out", str(live)]) == 0
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again)]) == 0
    assert times_s(again).tolist() == times_s(live).tolist()
    steps = times_s(live) * 120.0
    np.testing.assert_allclose(steps, steps.round(), atol=1e-3)  # live may drop frames
    assert times_s(live)[-1] < 0.25


@pytest.mark.parametrize("option", ["--rate", "--capture-rate"])
@pytest.mark.parametrize("use", [["--retrack", "--out", "again"], ["--publish", "tcp://127.0.0.1:*"]])
def test_a_recording_keeps_its_times(
    tmp_path: Path,
    no_network: None,
    option: str,
    use: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["replay", str(write_video(tmp_path / "v.mp4", 3)), "--out", "rec"]) == 0
    capsys.readouterr()
    assert cli.main(["replay", "rec", *use, option, "60"]) == 2
    assert "keep their times" in capsys.readouterr().err


def test_frames_that_are_missing_inside_are_named(tmp_path: Path):
    """As after a part of a transport stream that could not be decoded."""
    path = write_video(tmp_path / "damaged.mkv", 36, codec="MJPG")
    void_frames(path, lambda k: not 14 <= k < 19)
    source = VideoSource(str(path))
    assert len(list(read_frames(source))) == 31
    assert "about 5 frames are missing after 0.43 s" in source.note


@given(st.lists(st.integers(1, 3), min_size=1, max_size=60))
def test_variable_rates_are_not_taken_for_damage(steps: list[int]):
    missing, at_ms = MissingFrames(30.0), 0.0
    for step in steps:
        missing.see(at_ms)
        at_ms += step * 1e3 / 30.0
    assert missing.note == ""
