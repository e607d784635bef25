"""Smoothing afterwards is scipy's, delays nothing, invents nothing, and says that it was done."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, filtfilt

from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import read_mot, read_sto
from realtime import cli, load_recording
from realtime.commands import session
from realtime.export.export import export
from realtime.export.smoothing import TWO_PASSES, write_smoothed
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.recorder import Recorder
from tests.support import swinging
from tests.support.mp4 import write_video
from tests.support.poses import lost_sample, sample_of

Array = NDArray[np.float64]

RATE_HZ, N, CUTOFF_HZ = 60.0, 240, 5.0
LOST = range(100, 140)
BLINK = range(60, 63)
TIME_S = np.arange(N) / RATE_HZ


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def motion_of(skeleton: Skeleton, noise: float = 0.02) -> Array:
    """Slow movement of every coordinate, turning round and round, with noise. Shape: (n, n_q)."""
    phase = 2.0 * np.pi * 0.5 * TIME_S[:, None] + np.arange(skeleton.n_q)
    q = 0.3 * np.sin(phase) + noise * np.random.default_rng(1).standard_normal((N, skeleton.n_q))
    q[:, skeleton.coordinate_index("pelvis_rotation")] += 2.0 * TIME_S
    return q


@pytest.fixture(scope="module")
def recording(skeleton: Skeleton, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, turn = tmp_path_factory.mktemp("rough") / "rec", skeleton.coordinate_index("pelvis_rotation")
    q = motion_of(skeleton)
    q[:, turn] = np.arctan2(np.sin(q[:, turn]), np.cos(q[:, turn]))
    with Recorder(folder, skeleton, rate_hz=RATE_HZ) as recorder:
        for k in range(N):
            t_ns = 10**9 + round(1e9 * TIME_S[k])
            if k in LOST or k in BLINK:
                recorder.write(lost_sample(skeleton, k, t_capture_ns=t_ns))
            else:
                events = ("event",) if k in (20, 80) else ()
                recorder.write(replace(sample_of(skeleton, q[k], k, t_capture_ns=t_ns), events=events))
    return folder


@pytest.fixture(scope="module")
def smoothed(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("smooth") / "rec"
    assert write_smoothed(recording, out, CUTOFF_HZ) == N
    return out


def known() -> NDArray[np.bool_]:
    return np.array([k not in LOST and k not in BLINK for k in range(N)])


def test_angles_are_those_of_scipy(recording: Path, smoothed: Path, skeleton: Skeleton):
    raw, found = load_recording(recording), load_recording(smoothed)
    b, a = butter(2, CUTOFF_HZ / TWO_PASSES, fs=RATE_HZ)
    knee = skeleton.coordinate_index("knee_angle_r")
    # The part after the long gap; before it, the short one is bridged by a line.
    after = slice(LOST.stop, N)
    expected = filtfilt(b, a, raw.q[after, knee], padlen=60)
    np.testing.assert_allclose(found.q[after, knee], expected, atol=1e-9)
    before = np.interp(TIME_S[: LOST.start], TIME_S[known()], raw.q[known(), knee])
    expected = filtfilt(b, a, before, padlen=60)
    rows = np.flatnonzero(known()[: LOST.start])
    np.testing.assert_allclose(found.q[rows, knee], expected[rows], atol=1e-9)


def test_what_is_unknown_stays_unknown_and_the_rest_known(recording: Path, smoothed: Path):
    raw, found = load_recording(recording), load_recording(smoothed)
    for name in ("q", "markers_m", "joint_centres_m", "body_rotations_wxyz", "pelvic_angles"):
        np.testing.assert_array_equal(np.isnan(getattr(found, name)), np.isnan(getattr(raw, name)))
    np.testing.assert_array_equal(found.confidence, raw.confidence)
    assert (found.status, found.marks, found.frame_id.tolist()) == (raw.status, raw.marks, list(range(N)))


def test_nothing_is_delayed_and_noise_goes(smoothed: Path, recording: Path, skeleton: Skeleton):
    truth, found, raw = motion_of(skeleton, 0.0), load_recording(smoothed).q, load_recording(recording).q
    inner = known() & (np.abs(np.arange(N) - N / 2) < N / 2 - 15)
    whole_turns = 2.0 * np.pi * np.round((truth - raw) / (2.0 * np.pi))
    errors = (found - truth + whole_turns)[inner]
    assert np.sqrt(np.mean(errors**2)) < 0.6 * 0.02  # a white noise of 0.02, 5 of 30 Hz of which are kept
    speed = np.gradient(truth, TIME_S, axis=0)[inner]
    lag_s = -np.sum(errors * speed, axis=0) / np.sum(speed**2, axis=0)
    assert np.abs(np.median(lag_s)) < 0.002
    np.testing.assert_array_less(np.abs(found - raw)[known()], 0.2)  # the pelvis turns beyond half a turn


def test_bodies_are_where_the_angles_put_them(smoothed: Path, skeleton: Skeleton):
    found = load_recording(smoothed)
    for k in np.flatnonzero(known())[::20]:
        T = body_transforms(skeleton, found.q[k])
        centre_m = T[skeleton.body_index("tibia_r"), :3, 3]
        read_m = found.joint_centres_m[k, skeleton.body_index("tibia_r")]
        np.testing.assert_allclose(read_m, centre_m, atol=5e-3)
    norms = np.linalg.norm(found.body_rotations_wxyz[known()], axis=-1)
    np.testing.assert_allclose(norms, 1.0, atol=1e-9)


def test_speeds_are_derivatives(smoothed: Path, skeleton: Skeleton):
    samples = [angles for angles, _ in StreamLog(smoothed / LOG_NAME).samples()]
    knee = skeleton.coordinate_index("knee_angle_r")
    q, qdot = (np.array([getattr(a, name)[knee] for a in samples]) for name in ("q", "qdot"))
    rows = np.arange(150, 200)
    np.testing.assert_allclose(qdot[rows], (q[rows + 1] - q[rows - 1]) * RATE_HZ / 2.0, atol=1e-9)


def test_every_file_is_smooth_and_says_so(recording: Path, smoothed: Path, tmp_path: Path):
    found = load_recording(smoothed)
    export(found, "mot", tmp_path / "out.mot")
    for path in (smoothed / "angles.mot", smoothed / "angles.sto", tmp_path / "out.mot"):
        assert "Butterworth low-pass of order 4, 5 Hz" in path.read_text().partition("\n")[0]
    assert "Butterworth" not in (recording / "angles.mot").read_text()
    assert StreamLog(smoothed / LOG_NAME).meta.offline_smoothing.startswith("Butterworth")
    table, column = read_sto(smoothed / "angles.sto"), found.names.index("knee_angle_r")
    np.testing.assert_allclose(table.values[:, column], found.values[:, column], atol=1e-6)
    assert read_mot(tmp_path / "out.mot").names == table.names


def test_a_video_is_smoothed_as_its_recording_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(session, "make_estimator", swinging.build)
    video = str(write_video(tmp_path / "clip.mp4", 60, fps=60.0))
    plain, direct, copy = tmp_path / "plain", tmp_path / "direct", tmp_path / "copy"
    assert cli.main(["replay", video, "--out", str(plain)]) == 0
    assert cli.main(["replay", video, "--smooth", "--cutoff", "4", "--out", str(direct)]) == 0
    assert cli.main(["replay", str(plain), "--smooth", "--cutoff", "4", "--out", str(copy)]) == 0
    for name in ("angles.sto", "angles.mot", "angles.csv"):
        assert (direct / name).read_bytes() == (copy / name).read_bytes() != (plain / name).read_bytes()
    ranges = json.loads((direct / "report.json").read_text())["joint_ranges"]
    angles = load_recording(direct).ranges
    assert ranges["knee_angle_r"]["range"] == pytest.approx(angles.loc["knee_angle_r", "range"], abs=2e-3)
    assert not list(direct.glob("*.part"))
    capsys.readouterr()
    for words, said in (
        (["replay", video, "--cutoff", "4", "--out", str(tmp_path / "x")], "add --smooth"),
        (["replay", video, "--smooth", "--cutoff", "40", "--out", str(tmp_path / "x")], "below 24.1 Hz"),
        (["replay", str(plain), "--smooth"], "add --out DIR"),
        (["replay", str(plain), "--smooth", "--out", str(plain)], "would be replaced"),
    ):
        assert cli.main(words) == 2
        assert said in (error := capsys.readouterr().err) and error.count("\n") == 1
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    assert cli.main(["replay", video, "--smooth", "--out", str(tmp_path / "x")]) == 2
    assert "pip install 'kinecast[data]'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
