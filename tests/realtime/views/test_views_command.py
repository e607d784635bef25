"""`kinecast live` and `replay` of several views: one recording from two phones, and refusals in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calib.rig_file import load_rig
from calib.tables.storage import read_mot
from realtime.cli import main
from realtime.recording.log import StreamLog


def squat(shared_data: Path) -> tuple[list[str], str]:
    """Videos of both phones, and the file of their cameras."""
    folder = shared_data / "real" / "squat_arms"
    return [str(folder / f"cam{k}.mp4") for k in range(2)], str(folder / "cameras.json")


def test_two_phones_give_one_recording_and_the_same_one_again(shared_data: Path, tmp_path: Path) -> None:
    videos, cameras = squat(shared_data)
    outs = [tmp_path / name for name in ("first", "again")]
    for out in outs:
        words = ["--cameras", cameras, "--scale-camera", "--frames", "25", "--out", str(out)]
        assert main(["replay", *videos, *words]) == 0
    first, again = (read_mot(out / "angles.mot") for out in outs)
    np.testing.assert_array_equal(first.values, again.values)
    # Both phones see somebody who stands: knees and hips are nearly straight.
    for name in ("knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l"):
        assert abs(float(np.median(first.values[10:, first.names.index(name)]))) < 25.0


def test_live_and_replay_of_the_same_frames_agree_to_the_bit(shared_data: Path, tmp_path: Path) -> None:
    videos, cameras = squat(shared_data)
    live, again = tmp_path / "live", tmp_path / "again"
    words = ["--cameras", cameras, "--scale-camera", "--frames", "6", "--no-window", "--no-publish"]
    sources = [word for video in videos for word in ("--source", video)]
    assert main(["live", *sources, *words, "--views", "--record-video", "--out", str(live)]) == 0
    assert main(["replay", str(live), "--retrack", "--views", "--out", str(again)]) == 0
    for name in ("angles.csv", "views/cam0/angles.csv", "views/cam1/angles.csv", "cameras.json"):
        assert (live / name).read_bytes() == (again / name).read_bytes(), name
    report = json.loads((live / "report.json").read_text())
    # Every moment rests on a phone or two (on a busy computer, images may be late), whose latency is known.
    used = [sum(counts) for counts in report["views"]["used"].values()]
    assert sum(report["views"]["samples"]) == report["frames"] <= sum(used) <= 2 * report["frames"]
    assert {f"view.{view}" for view in range(2) if used[view]} <= set(report["stages_ms"])
    # What one view gives alone is that of the command for a single camera.
    assert len(read_mot(live / "views/cam0/angles.mot").names) == len(read_mot(live / "angles.mot").names)
    # Subscribers are told where all cameras are, in the ground of the samples.
    log = StreamLog(live / "stream.msgpack")
    assert [camera.name for camera in log.meta.cameras] == ["cam0", "cam1"]
    rig = load_rig(live / "cameras.json")
    apart_m = [np.array(camera.T_ground_cam)[:3, 3] for camera in log.meta.cameras]
    expected_m = [camera.T_ground_cam[:3, 3] for camera in rig.cameras]
    assert np.linalg.norm(apart_m[0] - apart_m[1]) == pytest.approx(
        np.linalg.norm(expected_m[0] - expected_m[1])
    )


@pytest.mark.parametrize("is_swapped", [False, True])
def test_videos_in_the_wrong_order_are_noticed(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_swapped: bool
) -> None:
    videos, cameras = squat(shared_data)
    words = ["--cameras", cameras, "--scale-camera", "--frames", "12", "--out", str(tmp_path / "out")]
    assert main(["replay", *(reversed(videos) if is_swapped else videos), *words]) == 0
    assert ("in the order of the cameras (cam0, cam1)" in caplog.text) == is_swapped


def test_some_cameras_of_a_larger_rig_are_enough(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "real" / "two_people"
    videos = [str(folder / f"cam0{k}.mp4") for k in (2, 1)]
    words = ["--cameras", str(folder / "Calib.qca.txt"), "--camera-names", "cam02, cam01", "--frames", "6"]
    assert main(["replay", *videos, *words, "--out", str(tmp_path / "out")]) == 0
    kept = load_rig(tmp_path / "out" / "cameras.json")
    whole = load_rig(folder / "Calib.qca.txt")
    assert kept.names == ("cam02", "cam01") and len(whole.cameras) == 4
    between = [
        np.linalg.inv(rig.cameras[a].T_ground_cam) @ rig.cameras[b].T_ground_cam
        for rig, a, b in ((kept, 0, 1), (whole, 1, 0))
    ]
    np.testing.assert_allclose(*between, atol=1e-6)  # as they stand to each other, whatever ground is


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A", "B"], "2 sources; to track one person in all, add --cameras"),
        (["A", "--cameras", "RIG"], "one source; with --cameras"),
        (["A", "--offsets", "0,1"], "one source; with --offsets"),
        (["A", "B", "--cameras", "RIG", "--offsets", "0,1,2", "--scale-camera"], "3 offsets for 2 sources"),
        (["A", "B", "--cameras", "RIG", "--offsets", "0,x"], "is not one time in seconds for each video"),
        (["A", "B", "--cameras", "RIG"], "camera cam0 is calibrated at 720x1280, its source gives 360x640"),
        (["A", "A", "--cameras", "RIG"], "cam0.mp4 is there more than once"),
        (["A", "--views"], "one source; with --views"),
        (["A", "--camera-names", "cam0"], "one source; with --camera-names"),
        (
            ["A", "B", "--cameras", "RIG", "--camera-names", "cam0,left"],
            "no camera 'left' in the rig; accepted",
        ),
        (
            ["A", "B", "--cameras", "RIG", "--camera-names", "cam0"],
            "1 camera in the rig; accepted: two or more",
        ),
        (["A", "B", "synthetic", "--cameras", "RIG"], "synthetic is no video"),
        (["A", "B", "C", "--cameras", "RIG", "--scale-camera"], "3 sources for a rig of 2 cameras"),
        (["A", "B", "--cameras", "A"], "cam0.mp4: not a camera calibration"),
        (["A", "B", "--cameras", "RIG", "--camera-file", "RIG"], "--camera-file names one camera"),
        (["A", "B", "--cameras", "RIG", "--retrack"], "recordings cannot be tracked together"),
        (["A", "B", "--cameras", "RIG", "--scale-camera", "--estimator", "direct"], "estimator direct"),
        (["A", "B", "--cameras", "RIG", "--scale-camera", "--people", "2"], "once for each of them"),
    ],
)
def test_what_is_no_set_of_views_is_refused(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    videos, cameras = squat(shared_data)
    third = str(shared_data / "real" / "squat" / "video.mp4")
    real = {"A": videos[0], "B": videos[1], "C": third, "RIG": cameras}
    assert main(["replay", *(real.get(word, word) for word in words), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
