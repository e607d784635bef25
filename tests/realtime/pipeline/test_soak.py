"""What the stream and recordings promise, shown for as long as it takes; a short version of each always runs.

The long ones: `pytest -m soak tests/realtime/pipeline/test_soak.py`, on a machine that does nothing else.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import read_mot, read_sto
from engines.benchmark import BenchResult
from realtime.bench import stream as bench_stream
from realtime.bench.stream import StreamLoad, measure
from realtime.client import Subscription, subscribe
from realtime.recording.finish import finish_recording
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.source import RecordedVideo
from realtime.sources.parse import read_frames
from tests.support.hostile import SESSION, good_messages, hostile_messages
from tests.support.kinecast_process import FREE_PORT, ROOT, published_address, running

HALF_A_SECOND_NS = 500_000_000
BATCH = 200


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def figure(result: BenchResult, name: str) -> float:
    return next(figure.value for figure in result.figures if name in figure.name)


def test_nothing_is_lost_with_stuck_subscribers_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("TURN_S", 1.5), ("SETTLING_S", 0.2), ("FLOOR_S", 1.0)):
        monkeypatch.setattr(bench_stream, name, seconds)
    result = measure(True, StreamLoad(seconds=6.0, subscribers=2, crowd=6, stuck=3))
    assert figure(result, "lost") == 0
    assert [timing.n > 100 for timing in result.timings] == [True] * 4


@pytest.mark.soak
def test_ten_minutes_with_ten_subscribers() -> None:
    result = measure(False, StreamLoad(seconds=600.0, subscribers=10))
    assert figure(result, "lost") == 0
    received = next(timing for timing in result.timings if "received" in timing.name)
    assert received.n == pytest.approx(10 * 600 * 120, rel=1e-3)
    assert received.p99_us <= 1000.0
    assert abs(figure(result, "memory")) < 2.0


@pytest.mark.soak
def test_ten_minutes_with_forty_more_of_whom_ten_are_stuck() -> None:
    result = measure(False, StreamLoad(seconds=600.0, subscribers=10, crowd=40, stuck=10))
    assert figure(result, "lost") == 0
    assert abs(figure(result, "p99 by the crowd")) <= 5.0
    assert abs(figure(result, "memory")) < 2.0


def feed(stream: Subscription, source: zmq.Socket[bytes], frames: list[bytes]) -> int:
    """Send and read everything; how many samples came of it."""
    before, n_samples = stream.received, 0
    for frame in frames:
        source.send(frame)
    deadline_s = time.monotonic() + 120.0
    while stream.received < before + len(frames):
        n_samples += stream.receive(1.0) is not None
        assert time.monotonic() < deadline_s, "the client hangs"
    return n_samples


@pytest.mark.parametrize(
    "n", [4_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_hostile_messages_are_counted_every_one(skeleton: Skeleton, n: int) -> None:
    good, hostile = good_messages(skeleton), hostile_messages(skeleton, seed=n)
    source = zmq.Context.instance().socket(zmq.PUB)
    source.linger, source.sndhwm = 0, 0
    port = source.bind_to_random_port("tcp://127.0.0.1")
    with subscribe(f"tcp://127.0.0.1:{port}", poses=True) as stream:
        while stream.meta is None:
            source.send(good["meta"])
            stream.receive(0.02)
        n_sent, n_alive = 0, 0
        while n_sent < n:
            # A damaged meta can be a valid one of another stream; the real one brings the client back.
            frames = [good["meta"], *itertools.islice(hostile, BATCH), good["meta"], good["angles"]]
            n_alive += feed(stream, source, frames) > 0
            n_sent += BATCH
            assert stream.meta is not None and stream.meta.session == SESSION
        assert n_alive == n_sent // BATCH
        assert 0.8 * n_sent < stream.refused.total() <= n_sent
        assert set(stream.refused) == {"malformed", "oversized", "schema", "mismatch"}
    source.close()


def kill_while_recording(folder: Path, after_s: float) -> int:
    """Let `kinecast live` record and kill it; the newest stamp that a subscriber had by then."""
    words = ["live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT, "--record-video"]
    with running(*words, "--out", str(folder)) as process:
        with subscribe(published_address(process), timeout_s=60.0) as samples:
            newest = next(samples)
            end_s = time.monotonic() + after_s
            while time.monotonic() < end_s:
                newest = samples.receive(0.01) or newest
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)
            while (sample := samples.receive(0.1)) is not None:
                newest = sample
    return newest.t_capture_ns


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in range(1, 21))])
def test_a_killed_recording_lacks_half_a_second_at_most(seed: int, tmp_path: Path) -> None:
    newest_ns = kill_while_recording(tmp_path, random.Random(seed).uniform(0.5, 8.0))
    log = StreamLog(tmp_path / LOG_NAME)
    stamps_ns = [angles.t_capture_ns for angles, _ in log.samples()]
    assert stamps_ns[-1] >= newest_ns - HALF_A_SECOND_NS
    n = len(stamps_ns)
    assert n - 1 <= len(read_sto(tmp_path / "angles.sto").time_s) <= n
    assert finish_recording(tmp_path) == n
    assert len(read_mot(tmp_path / "angles.mot").time_s) > 0
    frames = list(read_frames(RecordedVideo(tmp_path)))
    assert all(frame.image.shape == (480, 640, 3) for frame in frames)
    if seed:  # drawing may fall behind on a machine that does much else
        video_ns = frames[-1].t_capture_ns - frames[0].t_capture_ns
        assert video_ns >= newest_ns - stamps_ns[0] - HALF_A_SECOND_NS


def mounted(folder: Path, size: str) -> bool:
    """Mount a small disk; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_ends_the_recording_and_not_the_stream(tmp_path: Path) -> None:
    if not mounted(tmp_path, "8M"):
        pytest.skip("a small disk can be mounted by root alone")
    try:
        words = ["live", "--source", "synthetic", "--no-window", "--publish", FREE_PORT, "--record-video"]
        with running(*words, "--out", str(tmp_path / "rec")) as process:
            with subscribe(published_address(process), timeout_s=60.0) as samples:
                heard = [next(samples).seq for _ in range(300)]
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0
        assert complaints.count("recording has stopped") == 1 and "No space left" in complaints
        assert heard == list(range(heard[0], heard[0] + 300))
        assert len(list(StreamLog(tmp_path / "rec" / LOG_NAME).samples())) > 5
        assert len(list(read_frames(RecordedVideo(tmp_path / "rec")))) > 5
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, cwd=ROOT)
