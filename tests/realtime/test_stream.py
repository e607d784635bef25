"""Publisher and client over real sockets: what arrives, who may listen, and what can go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import zmq

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.geometry import quaternions, rotation_matrices
from realtime.sample import LiveStats, PoseSample, Status
from realtime.stream.messages import Meta
from realtime.stream.publisher import SEND_QUEUE, Publisher
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import ANY_PORT, PATIENCE_S, drain, join

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture
def publisher(skeleton: Skeleton) -> Iterator[Publisher]:
    with Publisher(
        ANY_PORT, skeleton, CameraCalibration.assumed(640, 480), source="test", rate_hz=30.0
    ) as opened:
        yield opened


def test_a_sample_arrives_with_its_names_in_degrees_and_metres(
    publisher: Publisher, skeleton: Skeleton
) -> None:
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        sent = random_sample(skeleton, 77)
        publisher.send(sent)
        sample = next(stream)
    assert sample.frame_id == 77 and sample.status is Status.TRACKING
    assert list(sample.keys()) == list(skeleton.coordinate_names)
    assert sample["knee_angle_r"] == np.degrees(sent.q[skeleton.coordinate_index("knee_angle_r")])
    assert sample["pelvis_ty"] == sent.q[skeleton.coordinate_index("pelvis_ty")]
    assert dict(sample).keys() == sample.keys()
    np.testing.assert_array_equal(sample.q_rad, sent.q)
    np.testing.assert_array_equal(sample.qdot_rad_s, sent.qdot)
    np.testing.assert_array_equal(sample.confidence, sent.confidence)
    assert sample.confidence_of("pelvis_tilt") == sent.confidence[0]
    pelvis = sent.T_ground_body[skeleton.body_index("pelvis"), :3, 3]
    assert sample.message.pelvis_position_m == tuple(pelvis)
    with pytest.raises(KeyError, match=r"no coordinate 'knee'.*knee_angle_l"):
        sample["knee"]


def test_bodies_and_markers_come_to_those_who_ask(publisher: Publisher, skeleton: Skeleton) -> None:
    with subscribe(publisher.address, timeout_s=PATIENCE_S, poses=True) as stream:
        join(publisher, stream, skeleton)
        sent = random_sample(skeleton, 5)
        publisher.send(sent)
        received = next(stream).pose_sample()
    np.testing.assert_allclose(received.T_ground_body, sent.T_ground_body, atol=1e-12)
    np.testing.assert_array_equal(received.markers_m, sent.markers_m)
    np.testing.assert_array_equal(received.q, sent.q)


def test_poses_are_not_sent_unasked(publisher: Publisher, skeleton: Skeleton) -> None:
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        sample = join(publisher, stream, skeleton)
        assert sample.pose is None
        assert np.isnan(sample.pose_sample().T_ground_body).all()


def test_undefined_values_arrive_as_undefined(publisher: Publisher, skeleton: Skeleton) -> None:
    lost = lost_sample(skeleton, 3)
    broken = random_sample(skeleton, 4)
    broken.q[0], broken.qdot[1] = np.inf, -np.inf
    with subscribe(publisher.address, timeout_s=PATIENCE_S, poses=True) as stream:
        join(publisher, stream, skeleton)
        publisher.send(lost)
        nothing = next(stream)
        publisher.send(broken)
        partial = next(stream)
    assert nothing.status is Status.LOST
    assert np.isnan(nothing.q_rad).all() and not nothing.confidence.any()
    assert np.isnan(nothing.pose_sample().T_ground_body[:, :3]).all()
    record = json.loads(json.dumps(nothing.as_record(), allow_nan=False))
    assert record["knee_angle_r"] is None and record["status"] == "lost"
    assert np.isnan(partial["pelvis_tilt"]) and partial.confidence[0] == 0.0
    assert np.isnan(partial.qdot_rad_s[1]) and np.isfinite(partial.q_rad[1:]).all()


def test_json_says_the_same_as_msgpack(skeleton: Skeleton) -> None:
    sent = replace(random_sample(skeleton, 9), q=np.append(random_sample(skeleton, 9).q[:-1], np.nan))
    received = []
    for encoding in ("msgpack", "json"):
        with (
            Publisher(ANY_PORT, skeleton, encoding=encoding) as publisher,  # type: ignore[arg-type]
            subscribe(publisher.address, timeout_s=PATIENCE_S) as stream,
        ):
            join(publisher, stream, skeleton)
            publisher.send(sent)
            received.append(next(stream))
    np.testing.assert_array_equal(received[0].q_rad, received[1].q_rad)
    np.testing.assert_array_equal(received[0].qdot_rad_s, received[1].qdot_rad_s)
    assert received[0].meta.model == received[1].meta.model


def test_a_late_joiner_learns_the_names_before_its_first_sample(
    publisher: Publisher, skeleton: Skeleton
) -> None:
    for k in range(20):
        publisher.send(random_sample(skeleton, k))
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        sample = join(publisher, stream, skeleton)
        assert sample.seq >= 20
        meta = stream.meta
    assert isinstance(meta, Meta)
    assert meta.model.sha == skeleton.sha and meta.model.body_names == list(skeleton.body_names)
    assert meta.model.body_parents == skeleton.tree.parent.tolist()
    assert meta.model.units[skeleton.coordinate_index("pelvis_tx")] == "m"
    np.testing.assert_array_equal(meta.model.q_lower, skeleton.q_lower)
    assert meta.camera is not None and meta.camera.width_px == 640 and meta.camera.rms_px is None
    assert (meta.source, meta.rate_hz) == ("test", 30.0)


def test_gaps_are_counted(publisher: Publisher, skeleton: Skeleton) -> None:
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        publisher.send(random_sample(skeleton))
        before = next(stream)
        publisher.seq += 3
        publisher.send(random_sample(skeleton))
        after = next(stream)
        assert after.seq == before.seq + 4
        assert (after.missed, stream.missed) == (3, 3)


def test_latest_skips_to_the_newest(publisher: Publisher, skeleton: Skeleton) -> None:
    with subscribe(publisher.address, latest=True, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        with subscribe(publisher.address, timeout_s=PATIENCE_S) as witness:
            join(publisher, witness, skeleton)
            drain(stream)
            for k in range(10):
                publisher.send(random_sample(skeleton, 100 + k))
            assert [next(witness).frame_id for _ in range(10)] == list(range(100, 110))
        newest = next(stream)
        while newest.frame_id < 109:
            newest = next(stream)
        assert newest.frame_id == 109 and stream.missed == 0
        assert stream.receive(0.0) is None


def test_a_restarted_tracker_is_followed(skeleton: Skeleton) -> None:
    with Publisher(ANY_PORT, skeleton) as first:
        address = first.address
        stream = subscribe(address, timeout_s=PATIENCE_S)
        join(first, stream, skeleton)
        first_session = stream.meta.session if stream.meta else ""
    with Publisher(address, skeleton) as second:
        join(second, stream, skeleton)
        assert stream.restarts == 1 and stream.missed == 0
        assert stream.meta is not None and stream.meta.session == second.session != first_session
    stream.close()


def test_heartbeats_come_without_frames_and_say_how_the_run_is_doing(skeleton: Skeleton) -> None:
    with (
        Publisher(ANY_PORT, skeleton) as publisher,
        subscribe(publisher.address, timeout_s=0.0) as stream,
    ):
        stats = LiveStats(fps=29.5, latency_ms=float("nan"), dropped_frames=7, note="camera 0 is gone")
        while stream.status is None or stream.status.dropped_frames != 7:
            publisher.tick(stats)
            assert stream.receive(0.02) is None
        assert stream.status.fps == 29.5 and stream.status.latency_ms is None
        assert stream.status.note == "camera 0 is gone" and stream.status.status is Status.WARM_UP
        with pytest.raises(StreamError, match="only its heartbeat"):
            next(stream)


def test_silence_ends_with_an_error_if_asked_to() -> None:
    with (
        subscribe("tcp://127.0.0.1:9", timeout_s=0.05) as stream,
        pytest.raises(StreamError, match="kinecast live"),
    ):
        next(stream)


def test_ages_are_told_on_the_readers_clock(publisher: Publisher, skeleton: Skeleton) -> None:
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        sent = random_sample(skeleton)
        published_ns = publisher.send(replace(sent, t_capture_ns=sent.t_capture_ns - 40_000_000))
        sample = next(stream)
    assert sample.message.t_publish_ns == published_ns
    transit_ms = (sample.t_receive_ns - sample.clock_offset_ns - published_ns) * 1e-6
    assert sample.age_ms == pytest.approx(transit_ms + (published_ns - sample.t_capture_ns) * 1e-6)
    # Both ends read the same clocks here, up to steps of the wall clock and pauses between two readings.
    assert abs(sample.clock_offset_ns) < 2_000_000_000
    assert sample.t_wall_ns == sample.t_capture_ns + sample.meta.wall_offset_ns


def test_a_stuck_subscriber_costs_only_itself(publisher: Publisher, skeleton: Skeleton) -> None:
    stuck = zmq.Context.instance().socket(zmq.SUB)
    stuck.linger, stuck.rcvhwm, stuck.rcvbuf = 0, 1, 4096
    stuck.subscribe(b"")
    stuck.connect(publisher.address)
    received = []
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        first = join(publisher, stream, skeleton)
        n = 25 * SEND_QUEUE
        reader = threading.Thread(target=lambda: received.extend(next(stream) for _ in range(n)))
        reader.start()
        sample = random_sample(skeleton)
        for k in range(n):
            publisher.send(replace(sample, frame_id=k))
            end_s = time.monotonic() + PATIENCE_S
            while k - len(received) > SEND_QUEUE // 2:  # a busy machine must not make the reader a stuck one
                assert time.monotonic() < end_s
                threading.Event().wait(0.0005)
        reader.join(PATIENCE_S)
    assert [s.frame_id for s in received] == list(range(n))
    assert received[-1].seq == first.seq + n
    n_stuck = 0
    while stuck.poll(200):
        stuck.recv()
        n_stuck += 1
    stuck.close()
    assert n_stuck < 2 * n


CLIENT_ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cv2", "numba", "openvino", "scipy", "opensim", "torch"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Absent())
from realtime.client import subscribe
for sample in subscribe(sys.argv[1], timeout_s=60, poses=True):
    print(sample["knee_angle_r"], sample.pose_sample().T_ground_body.shape)
    break
assert not {"cv2", "numba", "openvino"} & set(sys.modules)
"""


def test_the_client_needs_neither_opencv_nor_numba_nor_openvino(
    publisher: Publisher, skeleton: Skeleton
) -> None:
    command = [sys.executable, "-c", CLIENT_ALONE, publisher.address]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        sample: PoseSample = random_sample(skeleton)
        while process.poll() is None:
            publisher.send(sample)
            threading.Event().wait(0.02)
        assert process.stdout is not None and process.stderr is not None
        assert process.returncode == 0, process.stderr.read()
        value, *shape = process.stdout.read().split(maxsplit=1)
    assert float(value) == np.degrees(sample.q[skeleton.coordinate_index("knee_angle_r")])
    assert shape == [f"({skeleton.n_bodies}, 4, 4)\n"]


def test_quaternions_describe_the_same_rotations() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 3))
    vectors *= (rng.uniform(0.0, np.pi, 200) / np.linalg.norm(vectors, axis=1))[:, None]
    # Half turns about each axis are where naive formulas divide by zero.
    vectors = np.concatenate([vectors, np.pi * np.eye(3), np.zeros((1, 3)), (np.pi - 1e-9) * np.eye(3)])
    R = np.array([cv2.Rodrigues(v)[0] for v in vectors])
    q = quaternions(R)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-12)
    assert (q[:, 0] >= 0.0).all()
    angle = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(q[:200, 0], np.cos(angle[:200] / 2.0), atol=1e-12)
    np.testing.assert_allclose(rotation_matrices(q), R, atol=1e-9)
    assert np.isnan(quaternions(np.full((1, 3, 3), np.nan))).all()
