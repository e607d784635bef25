"""The log of a recording: what went in comes out, as far as it was written, and damage does no harm."""

from __future__ import annotations

from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from calib.skeleton import load_skeleton
from realtime.errors import RecordingError
from realtime.recording.finish import finish_recording
from realtime.recording.log import LOG_NAME, LogWriter, StreamLog
from realtime.recording.recorder import Recorder
from realtime.stream.decoding import decode
from realtime.stream.messages import Angles, Meta, Pose, encode
from realtime.stream.to_messages import Envelope, angles_of, meta_of, model_of, pose_of
from tests.support.poses import lost_sample, random_sample

SKELETON = load_skeleton()
SESSIONS = ("0f8fad5b-d9cb-469f-a165-70867728950e", "11111111-2222-3333-4444-555555555555")


def messages(k: int, session: str = SESSIONS[0]) -> tuple[Pose, Angles]:
    sample = (
        lost_sample(SKELETON, k, t_capture_ns=k) if k == 3 else random_sample(SKELETON, k, t_capture_ns=k)
    )
    envelope = Envelope(session, k, k + 1)
    return pose_of(sample, envelope, SKELETON), angles_of(sample, envelope)


def written(path: Path, n: int = 6) -> bytes:
    log = LogWriter(path)
    log.add(meta_of(SESSIONS[0], model_of(SKELETON), rate_hz=30.0))
    for k in range(n):
        log.add(*messages(k))
    log.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written(tmp_path / LOG_NAME)
    return tmp_path / LOG_NAME


def test_samples_come_back_with_their_poses(path: Path) -> None:
    log = StreamLog(path)
    assert log.meta.model.sha == SKELETON.sha and log.meta.rate_hz == 30.0
    for k, (angles, pose) in enumerate(log.samples()):
        expected_pose, expected = messages(k)
        assert pose is not None
        assert encode(angles) == encode(expected) and encode(pose) == encode(expected_pose)
    assert k == 5 and log.n_damaged == 0
    assert [a.seq for a, _ in log.samples()] == list(range(6))


def test_any_msgpack_library_reads_the_file(path: Path) -> None:
    with path.open("rb") as file:
        frames = list(msgpack.Unpacker(file))
    assert [frame.partition(b" ")[0] for frame in frames] == [b"meta", *[b"pose", b"angles"] * 6]
    body = msgpack.unpackb(frames[2].partition(b" ")[2])
    np.testing.assert_array_equal(body["q"], random_sample(SKELETON, 0).q)


def test_what_is_whole_is_read_wherever_the_file_was_cut(path: Path) -> None:
    whole = path.read_bytes()
    unpacker, ends = msgpack.Unpacker(), []
    unpacker.feed(whole)
    for frame in unpacker:
        if frame.startswith(b"angles "):
            ends.append(unpacker.tell())
    start = whole.index(b"pose ")
    cuts = np.random.default_rng(0).integers(start, len(whole), 60).tolist()
    for cut in [*cuts, *(end - 1 for end in ends), *ends]:
        path.write_bytes(whole[:cut])
        log = StreamLog(path)
        n_whole = sum(end <= cut for end in ends)
        assert [angles.seq for angles, _ in log.samples()] == list(range(n_whole))
        assert log.n_damaged == 0


@pytest.mark.parametrize("content", [b"", b"\xc4", b"\xc6\xff\xff\xff\xff", b"angles 1", b"\xc4\x04abcd"])
def test_files_that_are_no_log_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOG_NAME).write_bytes(content)
    with pytest.raises(RecordingError, match="not the log"):
        StreamLog(tmp_path / LOG_NAME)
    with pytest.raises(RecordingError, match="cannot be read"):
        StreamLog(tmp_path / "gone")


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12), st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_counted(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], spares_meta: bool
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    data = bytearray(written(folder / LOG_NAME, n=3))
    first = data.index(b"pose ") if spares_meta else 0
    for place, value in changes:
        data[first + place % (len(data) - first)] = value
    (folder / LOG_NAME).write_bytes(data)
    try:
        log = StreamLog(folder / LOG_NAME)
        samples = list(log.samples())
        finish_recording(folder)
    except RecordingError:
        return
    for angles, pose in samples:
        assert len(angles.q) == len(log.meta.model.coordinate_names)
        assert pose is None or len(pose.marker_m) == len(log.meta.model.marker_names)
    assert len(samples) <= 3


def test_a_tracker_that_restarts_and_one_with_another_model(tmp_path: Path) -> None:
    first = meta_of(SESSIONS[0], model_of(SKELETON), rate_hz=30.0)
    second = structs.replace(first, session=SESSIONS[1])
    other = structs.replace(second, model=structs.replace(first.model, marker_names=[]))
    log = LogWriter(tmp_path / LOG_NAME)
    log.add(first, *messages(0), *messages(9, SESSIONS[1]), other, *messages(9, SESSIONS[1]))
    log.add(second, *messages(5, SESSIONS[1]), *messages(1))
    log.close()
    read = StreamLog(tmp_path / LOG_NAME)
    assert [angles.seq for angles, _ in read.samples()] == [0, 5, 1]
    assert read.n_damaged == 5


def test_a_heard_stream_is_recorded_word_by_word(tmp_path: Path) -> None:
    first = meta_of(SESSIONS[0], model_of(SKELETON), rate_hz=30.0, source="camera 0")
    second = structs.replace(first, session=SESSIONS[1])
    with Recorder(tmp_path, first) as recorder:
        for k in range(3):
            pose, angles = messages(k)
            recorder.write_messages(angles, None if k == 1 else pose, meta=first)
        for k in range(4, 6):
            pose, angles = messages(k, SESSIONS[1])
            recorder.write_messages(angles, pose, meta=second)
    log = StreamLog(tmp_path / LOG_NAME)
    assert [type(m) for m in log.messages()] == [
        Meta, Pose, Angles, Angles, Pose, Angles, Meta, Pose, Angles, Pose, Angles
    ]  # fmt: skip
    assert [encode(a) for a, _ in log.samples()] == [
        encode(messages(k, SESSIONS[k > 3])[1]) for k in (0, 1, 2, 4, 5)
    ]
    assert [pose is None for _, pose in log.samples()] == [False, True, False, False, False]
    assert decode(encode(log.meta)) == first
