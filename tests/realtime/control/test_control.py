"""A running tracker obeys whoever can read its control file, and nobody else."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from realtime.client import subscribe
from realtime.control.messages import ControlError, ControlFile, Reply, TrackerState, read_control_file
from realtime.control.remote import Remote
from realtime.control.server import ControlServer
from realtime.errors import RecordingError
from realtime.report.data import read_recording
from tests.support.kinecast_process import FREE_PORT, published_address, running


def wait_for(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """The first true value."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)
    return value


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A run of `live` with a control file, until it is told to stop."""
    folder = tmp_path_factory.mktemp("control")
    path = folder / "control.json"
    words = ("live", "--source", "synthetic", "--no-window", "--control", str(path), "--publish", FREE_PORT)
    with running(*words) as process:
        address = published_address(process)
        wait_for(path.exists)
        file = wait_for(lambda: read_control_file(path) if path.stat().st_size else None)
        remote = Remote(file)
        yield SimpleNamespace(
            folder=folder, path=path, file=file, remote=remote, process=process, address=address
        )
        remote.close()


def test_the_file_is_private_and_tells_address_and_process(tracker: SimpleNamespace):
    assert stat.S_IMODE(tracker.path.stat().st_mode) == 0o600
    assert tracker.file.pid == tracker.process.pid
    assert tracker.file.address.startswith("tcp://127.0.0.1:")


def test_the_state_tells_source_and_stream(tracker: SimpleNamespace):
    state = tracker.remote.state()
    assert (state.width_px, state.height_px, state.recording) == (640, 480, "")
    assert state.stream_address == tracker.address


def test_images_are_new_each_time_and_can_be_decoded(tracker: SimpleNamespace):
    newest, seen = 0, []
    while len(seen) < 4:
        picture_id, jpeg = tracker.remote.picture(newest)
        if picture_id:
            assert picture_id > newest
            newest = picture_id
            seen.append(cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR))
    assert {image.shape for image in seen} == {(480, 640, 3)}
    assert len({image.tobytes() for image in seen}) == len(seen)


def test_two_recordings_hold_what_was_published_meanwhile(tracker: SimpleNamespace):
    published: dict[int, tuple[str, float]] = {}
    with subscribe(tracker.address) as stream:
        stream.receive(5.0)
        for name in ("first", "second"):
            out = tracker.folder / name
            assert tracker.remote.record(out).recording == str(out)
            end_s = time.monotonic() + 1.0
            while time.monotonic() < end_s:
                if (sample := stream.receive(0.1)) is not None:
                    published[sample.frame_id] = sample.status.value, sample["knee_angle_r"]
            tracker.remote.finish()
        wait_for(lambda: tracker.remote.state().finishing == 0)
    frames = set()
    for name in ("first", "second"):
        recording = read_recording(tracker.folder / name)
        assert recording.frame_id is not None and recording.video is not None
        assert 15 <= len(recording.time_s) <= 60
        knee = recording.values[:, recording.names.index("knee_angle_r")]
        both = [k for k, frame in enumerate(recording.frame_id) if int(frame) in published]
        assert len(both) >= 0.8 * len(recording.frame_id)
        expected = [published[int(recording.frame_id[k])][1] for k in both]
        np.testing.assert_allclose(knee[both], expected, atol=1e-4)
        report = json.loads((tracker.folder / name / "report.json").read_text())
        assert abs(report["frames"] - len(recording.time_s)) <= 3 and report["latency_from"] == "capture"
        assert not frames & set(recording.frame_id.tolist())
        frames |= set(recording.frame_id.tolist())


def test_a_mark_is_published_and_recorded_with_its_sample(tracker: SimpleNamespace):
    tracker.remote.record(tracker.folder / "marked")
    with subscribe(tracker.address) as stream:
        assert stream.receive(5.0) is not None
        tracker.remote.mark("heel")
        marked = wait_for(lambda: (s := stream.receive(1.0)) is not None and s.message.events and s)
        for _ in range(3):
            assert stream.receive(5.0) is not None
    tracker.remote.finish()
    wait_for(lambda: tracker.remote.state().finishing == 0)
    rows = (tracker.folder / "marked" / "events.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1:] for row in rows] == [[str(marked.frame_id), "heel"]]
    with pytest.raises(ControlError):
        tracker.remote.mark("x" * 1000)


def test_what_cannot_be_done_is_refused_and_tracking_goes_on(tracker: SimpleNamespace):
    with pytest.raises(ControlError, match="nothing is being recorded"):
        tracker.remote.finish()
    tracker.remote.record(tracker.folder / "third")
    with pytest.raises(ControlError, match="third is being recorded"):
        tracker.remote.record(tracker.folder / "fourth")
    with subscribe(tracker.address) as stream:
        for _ in range(10):  # the first may be from before
            assert stream.receive(5.0) is not None
    tracker.remote.finish()
    wait_for(lambda: tracker.remote.state().finishing == 0)
    with pytest.raises(ControlError, match="already holds a recording"):
        tracker.remote.record(tracker.folder / "third")


def test_a_wrong_token_is_refused(tracker: SimpleNamespace):
    stranger = Remote(ControlFile(address=tracker.file.address, token="guess", pid=1))
    with pytest.raises(ControlError, match="wrong token"):
        stranger.state()
    stranger.close()


def test_stop_ends_the_run_with_its_recording(tracker: SimpleNamespace):
    out = tracker.folder / "last"
    tracker.remote.record(out)
    with subscribe(tracker.address) as stream:
        for _ in range(10):
            assert stream.receive(5.0) is not None
    tracker.remote.stop()
    assert tracker.process.wait(60.0) == 0
    assert (out / "angles.mot").exists() and (out / "report.json").exists()
    assert not tracker.path.exists()


class Obedient:
    """Notes its orders."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    def state(self) -> TrackerState:
        return TrackerState(source="nothing")

    def picture(self, after: int) -> tuple[int, bytes]:
        return 0, b""

    def record(self, folder: Path) -> None:
        raise RecordingError(f"{folder}: not here")

    def finish(self) -> None:
        raise ZeroDivisionError("something unforeseen")

    def relearn(self) -> None:
        self.orders.append("relearn")

    def mark(self, event: str) -> None:
        self.orders.append(event)

    def choose_at(self, x: float, y: float) -> None:
        self.orders.append(f"choose {x:g} {y:g}")

    def stop(self) -> None:
        self.orders.append("stop")


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    path = tmp_path_factory.mktemp("listening") / "control.json"
    obedient = Obedient()
    server = ControlServer(path, obedient)
    file = read_control_file(path)
    yield SimpleNamespace(file=file, remote=Remote(file), obedient=obedient)
    server.close()


def test_errors_reach_the_asker_and_end_nothing(listening: SimpleNamespace, tmp_path: Path):
    with pytest.raises(ControlError, match="not here"):
        listening.remote.record(tmp_path)
    with pytest.raises(ControlError, match="ZeroDivisionError: something unforeseen"):
        listening.remote.finish()
    assert listening.remote.relearn().source == "nothing"
    assert listening.remote.choose_at(0.25, 0.5).source == "nothing"
    with pytest.raises(ControlError, match="not an order"):
        listening.remote.choose_at(1.5, 0.5)
    assert listening.obedient.orders == ["relearn", "choose 0.25 0.5"]


@given(frame=st.binary(max_size=200) | st.dictionaries(st.text(), st.text()).map(msgspec.msgpack.encode))
def test_whatever_arrives_is_answered_with_a_refusal(listening: SimpleNamespace, frame: bytes):
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.connect(listening.file.address)
    socket.send(frame)
    assert socket.poll(5000)
    reply = msgspec.msgpack.decode(socket.recv(), type=Reply)
    socket.close(linger=0)
    assert reply.error and reply.state is None
    assert "stop" not in listening.obedient.orders


def test_a_tracker_that_does_not_answer_is_an_error_and_may_come_back(tmp_path: Path):
    silent = Remote(ControlFile(address="tcp://127.0.0.1:9", token="", pid=os.getpid()), timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(ControlError, match="does not answer"):
            silent.state()
    silent.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"address": 1}'])
def test_a_file_that_is_no_control_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "control.json"
    with pytest.raises(ControlError, match="kinecast live --control"):
        read_control_file(path)
    path.write_bytes(content)
    with pytest.raises(ControlError, match="kinecast live --control"):
        read_control_file(path)
