"""Recordings sent again: the same values as a session of its own, at their own times or without loss."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from calib.skeleton import load_skeleton
from realtime.client import subscribe
from realtime.errors import RecordingError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.recorder import Recorder
from realtime.recording.republish import QUEUE, Republisher
from realtime.stream.angle_sample import AngleSample
from tests.support.kinecast_process import ROOT, published_address, running
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import ANY_PORT, PATIENCE_S

SKELETON = load_skeleton()


def record(folder: Path, n: int, step_ns: int = 20_000_000) -> Path:
    with Recorder(folder, SKELETON, rate_hz=1e9 / step_ns) as recorder:
        samples = [random_sample(SKELETON, k) for k in range(20)]
        for k in range(n):
            sample = replace(samples[k % 20], frame_id=2 * k, t_capture_ns=10**12 + k * step_ns)
            recorder.write(lost_sample(SKELETON, 6, t_capture_ns=sample.t_capture_ns) if k == 3 else sample)
    return folder


def heard(folder: Path, n: int, *, realtime: bool, pause_s: float = 0.0) -> list[AngleSample]:
    """What a subscriber gets that came before the recording was sent."""
    with Republisher(folder, ANY_PORT, realtime=realtime) as republisher:
        got: list[AngleSample] = []

        def listen() -> None:
            with subscribe(republisher.address, poses=True, timeout_s=PATIENCE_S) as stream:
                for _ in range(n):
                    got.append(next(stream))
                    time.sleep(pause_s)

        listener = threading.Thread(target=listen)
        listener.start()
        republisher.wait()
        assert republisher.run(lambda: None) == n
        listener.join(PATIENCE_S)
    return got


@pytest.mark.parametrize("realtime", [True, False])
def test_every_sample_comes_again_as_part_of_one_new_session(tmp_path: Path, realtime: bool) -> None:
    folder = record(tmp_path / "rec", 25)
    log = StreamLog(folder / LOG_NAME)
    got = heard(folder, 25, realtime=realtime)
    assert [sample.seq for sample in got] == list(range(25)) and got[-1].missed == 0
    for sample, (angles, pose) in zip(got, log.samples(), strict=True):
        assert (sample.frame_id, sample.status) == (angles.frame_id, angles.status)
        np.testing.assert_array_equal(sample.q_rad, angles.q)
        np.testing.assert_array_equal(sample.qdot_rad_s, angles.qdot)
        np.testing.assert_array_equal(sample.confidence, angles.confidence)
        assert pose is not None and sample.pose is not None
        np.testing.assert_array_equal(sample.pose.marker_m, pose.marker_m)
        np.testing.assert_array_equal(sample.pose.body_rotation_wxyz, pose.body_rotation_wxyz)
    meta = got[0].meta
    assert meta.session != log.meta.session and meta.model == log.meta.model
    assert meta.source.startswith("recording of")
    stamps_ns = np.array([sample.t_capture_ns for sample in got])
    np.testing.assert_array_equal(np.diff(stamps_ns), 20_000_000)
    assert all(sample.t_capture_ns <= sample.message.t_publish_ns for sample in got)


def test_times_are_kept_if_asked(tmp_path: Path) -> None:
    got = heard(record(tmp_path / "rec", 25), 25, realtime=True)
    sent_ns = np.array([sample.message.t_publish_ns for sample in got])
    # Never early: a sample leaves when it was taken, or later.
    assert sent_ns[-1] - sent_ns[0] >= 24 * 20_000_000 - (sent_ns[0] - got[0].t_capture_ns)


def test_a_slow_subscriber_loses_nothing_unless_times_are_to_be_kept(tmp_path: Path) -> None:
    n = 2 * QUEUE
    got = heard(record(tmp_path / "rec", n), n, realtime=False, pause_s=0.0005)
    assert [sample.seq for sample in got] == list(range(n))


def test_a_stuck_subscriber_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.stream.sending_socket.LONGEST_WAIT_MS", 1)
    folder = record(tmp_path / "rec", 3000)
    with Republisher(folder, ANY_PORT, realtime=False) as republisher:
        stuck = zmq.Context.instance().socket(zmq.SUB)
        stuck.linger, stuck.rcvhwm, stuck.rcvbuf = 0, 1, 4096
        stuck.subscribe(b"")
        stuck.connect(republisher.address)
        republisher.wait()
        assert republisher.run(lambda: None) == 3000
        stuck.close()


def test_a_recording_that_was_cut_is_sent_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = record(tmp_path / "rec", 8)
    log = folder / LOG_NAME
    log.write_bytes(log.read_bytes()[:-50])
    assert len(heard(folder, 7, realtime=False)) == 7
    log.write_bytes(b"")
    with pytest.raises(RecordingError, match="not the log"):
        Republisher(folder, ANY_PORT, realtime=False)


@pytest.mark.parametrize("options", [[], ["--realtime"], ["--encoding", "json"]])
def test_the_command_serves_the_first_who_comes(tmp_path: Path, options: list[str]) -> None:
    folder = record(tmp_path / "rec", 40, 5_000_000)
    out = tmp_path / "heard"
    with running("replay", str(folder), "--publish", ANY_PORT, *options) as process:
        words = ["record", "--connect", published_address(process), "--out", str(out), "--count", "40"]
        subprocess.run(
            [sys.executable, "-m", "realtime.cli", *words, "--timeout", "60"],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0 and complaints == ""
    assert "40 samples published" in said
    for name in ("angles.csv", "angles.sto", "angles.mot", "markers.trc"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
