"""The WebSocket bridges: clients of another library get every sample; nobody can hold the others up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import opensim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from calib.coordinates import PELVIC_ANGLES
from realtime.bridges.json_websocket import JsonWebSocketBridge
from realtime.bridges.opencap import SEGMENTS, OpencapBridge, body_fixed_xyz
from realtime.bridges.websocket_server import LONGEST_REQUEST_BYTES, MOST_CLIENTS, BroadcastServer
from realtime.errors import BridgeError
from realtime.sample import LiveStats
from tests.support.bridging import SKELETON, bridged, new_publisher, pose, publish_until
from tests.support.environment import import_or_skip
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import PATIENCE_S


def joined(server: BroadcastServer, **options: Any) -> connect:
    """A client; parting does not wait for what it has not read."""
    return connect(server.address, close_timeout=0.2, **options)


def next_of(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        message = json.loads(client.recv(PATIENCE_S))
        if message["type"] == kind:
            return message
    raise AssertionError(f"no {kind}")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_client_gets_names_angles_and_the_heartbeat():
    bridge = JsonWebSocketBridge(port=0, poses=True)
    with new_publisher() as publisher, bridged(bridge, publisher.address) as running:
        publish_until(publisher, random_sample_at, lambda: running.subscription.meta is not None)
        with joined(bridge.server) as client:
            wait_for(lambda: bridge.server.n_clients == 1)
            sent = replace(random_sample(SKELETON, 7), pelvic_angles=np.array([0.1, -0.2, 0.3]))
            publish_until(publisher, random_sample_at, lambda: running.subscription.status is not None)
            publisher.send(sent, LiveStats(fps=30.0))
            meta, angles = next_of(client, "meta"), next_of(client, "angles")
            while angles["frame_id"] != 7 or angles["t_capture_ns"] != sent.t_capture_ns:
                angles = next_of(client, "angles")
            names = list(SKELETON.coordinate_names)
            assert meta["coordinates"] == names and meta["units"]["knee_angle_r"] == "deg"
            assert meta["units"]["pelvis_tx"] == "m" and meta["skeleton_sha"] == SKELETON.sha
            unit = np.where(SKELETON.is_rotational, np.degrees(1.0), 1.0)
            np.testing.assert_allclose([angles["angles"][n] for n in names], sent.q * unit, rtol=1e-12)
            np.testing.assert_allclose([angles["confidence"][n] for n in names], sent.confidence)
            clinical_deg = [angles["pelvic_angles"][name] for name in PELVIC_ANGLES]
            np.testing.assert_allclose(clinical_deg, np.degrees([0.1, -0.2, 0.3]))
            assert abs(angles["t_wall_ms"] / 1e3 - time.time()) < 60.0
            body = SKELETON.body_index("tibia_r")
            T = sent.T_ground_body[body]
            np.testing.assert_allclose(angles["bodies"]["tibia_r"]["position_m"], T[:3, 3])
            w, x, y, z = angles["bodies"]["tibia_r"]["rotation_wxyz"]
            np.testing.assert_allclose(Rotation.from_quat((x, y, z, w)).as_matrix(), T[:3, :3], atol=1e-9)
            assert len(angles["markers_m"]) == SKELETON.n_markers
            while next_of(client, "status")["status"] != "tracking":
                publisher.send(sent)
            publisher.send(lost_sample(SKELETON, 8, t_capture_ns=sent.t_capture_ns + 1))
            while (angles := next_of(client, "angles"))["status"] != "lost":
                pass
            assert set(angles["angles"].values()) == {None} and set(angles["confidence"].values()) == {0.0}


def random_sample_at(k: int):
    return random_sample(SKELETON, k)


def test_a_bridge_survives_the_tracker():
    bridge = JsonWebSocketBridge(port=0)
    with new_publisher() as first, bridged(bridge, first.address) as running:
        address = first.address
        with joined(bridge.server) as client:
            publish_until(first, random_sample_at, lambda: running.subscription.meta is not None)
            session = next_of(client, "meta")["session"]
            first.close()
            with new_publisher(address) as second:
                publish_until(second, random_sample_at, lambda: running.subscription.restarts == 1)
                again = next_of(client, "meta")
                while again["session"] == session:
                    again = next_of(client, "meta")
                assert again["session"] == second.session
                assert next_of(client, "angles")["angles"]
            assert running.is_alive


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not():
    server = BroadcastServer("127.0.0.1", 0, list)
    with joined(server) as reader, joined(server, max_queue=1):
        wait_for(lambda: server.n_clients == 2)
        n_heard = 0
        for _ in range(4000):
            server.send("x" * 20_000)
            reader.recv(PATIENCE_S)
            n_heard += 1
            if server.dropped:
                break
        assert server.dropped == 1 and server.n_clients == 1
        server.send("last")
        assert reader.recv(PATIENCE_S) == "last"
    server.close()


def test_clients_cannot_say_anything_that_matters():
    server = BroadcastServer("127.0.0.1", 0, lambda: ["hello"])
    with joined(server) as good, joined(server) as bad:
        good.send("anything")
        bad.send("x" * (LONGEST_REQUEST_BYTES + 1))
        wait_for(lambda: server.n_clients == 1)
        assert good.recv(PATIENCE_S) == "hello"
        server.send("on")
        assert good.recv(PATIENCE_S) == "on"
    server.close()
    server.close()


def test_there_is_room_for_many_clients_but_not_for_any_number():
    server = BroadcastServer("127.0.0.1", 0, list)
    with ExitStack() as stack:
        clients = [stack.enter_context(joined(server)) for _ in range(MOST_CLIENTS)]
        wait_for(lambda: server.n_clients == MOST_CLIENTS)
        late = stack.enter_context(joined(server))
        wait_for(lambda: server.dropped == 1)
        with pytest.raises(ConnectionClosed, match="too many clients"):
            late.recv(PATIENCE_S)
        server.send("all")
        assert [client.recv(PATIENCE_S) for client in clients] == ["all"] * MOST_CLIENTS
        server.close()


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("https://friend.example", True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
    ],
)
def test_only_pages_that_were_named_may_connect(origin: str | None, is_welcome: bool):
    server = BroadcastServer("127.0.0.1", 0, lambda: ["hello"], origins=["https://friend.example"])
    try:
        if is_welcome:
            with joined(server, origin=origin) as client:
                assert client.recv(PATIENCE_S) == "hello"
        else:
            with pytest.raises(InvalidStatus, match="403"), joined(server, origin=origin):
                pass
    finally:
        server.close()


@pytest.mark.parametrize(
    ("origin", "advice"), [("null", "http.server"), ("https://a.example", "--allow-origin")]
)
def test_a_refused_page_is_said_once(origin: str, advice: str, caplog: pytest.LogCaptureFixture):
    server = BroadcastServer("127.0.0.1", 0, lambda: ["hello"])
    try:
        for _ in range(2):
            with pytest.raises(InvalidStatus, match="403"), joined(server, origin=origin):
                pass
        with joined(server, origin="http://localhost:8000") as client:
            assert client.recv(PATIENCE_S) == "hello"
    finally:
        server.close()
    said = [record.getMessage() for record in caplog.records if "refused a web page" in record.getMessage()]
    assert len(said) == 1 and origin in said[0] and advice in said[0]


def test_addresses_that_cannot_be_used_are_refused(caplog: pytest.LogCaptureFixture):
    with pytest.raises(BridgeError, match="--allow-network"):
        JsonWebSocketBridge("0.0.0.0", 0)
    assert not caplog.text
    JsonWebSocketBridge("0.0.0.0", 0, allow_network=True).close()
    assert "other computers" in caplog.text
    taken = JsonWebSocketBridge(port=0)
    port = int(taken.server.address.rpartition(":")[2])
    with pytest.raises(BridgeError, match="--port"):
        JsonWebSocketBridge(port=port)
    taken.close()


def test_the_visualizer_gets_bodies_where_opensim_has_them():
    bridge = OpencapBridge(port=0)
    with new_publisher() as publisher, bridged(bridge, publisher.address):
        with joined(bridge.server, origin="https://visualizer.opencap.ai") as client:
            wait_for(lambda: bridge.server.n_clients == 1)
            sample = random_sample(SKELETON, 3)
            publish_until(publisher, lambda k: sample, lambda: bridge.server.served and publisher.seq > 20)
            init, frame = next_of(client, "init"), next_of(client, "frame")
        with joined(bridge.server) as late:
            assert json.loads(late.recv(PATIENCE_S)) == init
    (subject,) = init["subjects"]
    assert init["frameRate"] == 30.0 and subject["model"] == "LaiArnold"
    assert set(subject["bodies"]) == set(SEGMENTS)
    scale = subject["bodies"]["femur_r"]["scaleFactors"]
    assert scale == pytest.approx([0.42875 / 0.4061] * 3)
    bodies = frame["streams"][subject["id"]]["bodies"]
    assert set(bodies) == set(SEGMENTS)
    for name, body in bodies.items():
        T = sample.T_ground_body[SKELETON.body_index(name)]
        np.testing.assert_allclose(body["translation"], T[:3, 3], atol=1e-12)
        # The visualizer's three.js turns by intrinsic X, Y, Z.
        np.testing.assert_allclose(
            Rotation.from_euler("XYZ", body["rotation"]).as_matrix(), T[:3, :3], atol=1e-9
        )


def test_the_visualizers_own_library_would_have_said_the_same():
    """Its builder of `init` and `frame` messages, given our bodies, gives our messages."""
    theirs = import_or_skip("opencap_visualizer.live_stream", "install it: pip install -e '.[dev]'")
    bridge = OpencapBridge(port=0)
    with new_publisher() as publisher, bridged(bridge, publisher.address):
        with joined(bridge.server) as client:
            wait_for(lambda: bridge.server.n_clients == 1)
            publish_until(publisher, lambda k: pose(k), lambda: publisher.seq > 20)
            init, frame = next_of(client, "init"), next_of(client, "frame")
    (subject,) = init["subjects"]
    assert theirs.build_live_init_dict([subject], frame_rate=init["frameRate"]) == init
    assert theirs.build_live_frame_dict(frame["streams"]) == frame


def test_the_meshes_are_those_of_the_model(shared_data):
    """Names of meshes and unscaled lengths against the model that the visualizer draws."""
    model = opensim.Model(str(shared_data / "models" / "LaiUhlrich2022.osim"))
    state = model.initSystem()
    origin = {}
    for body in model.getBodySet():
        place = body.getTransformInGround(state).p()
        origin[body.getName()] = np.array([place.get(k) for k in range(3)])
        segment = SEGMENTS.get(body.getName())
        if segment is None:
            assert "patella" in body.getName()
            continue
        n = body.getPropertyByName("attached_geometry").size()
        meshes = [opensim.Mesh.safeDownCast(body.get_attached_geometry(k)).get_mesh_file() for k in range(n)]
        assert sorted(segment.meshes) == sorted(meshes)
    for segment in SEGMENTS.values():
        a, b = segment.ends
        assert np.linalg.norm(origin[a] - origin[b]) == pytest.approx(segment.length_m, abs=1e-3)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_body_fixed_angles_are_opensims(seed: int, is_locked: bool):
    a, b, c = np.random.default_rng(seed).uniform(-np.pi, np.pi, 3)
    R = Rotation.from_euler("XYZ", (a, np.pi / 2 if is_locked else b, c)).as_matrix()
    found = body_fixed_xyz(R[None])[0]
    np.testing.assert_allclose(Rotation.from_euler("XYZ", found).as_matrix(), R, atol=1e-7)
    if is_locked:
        return
    theirs = opensim.Rotation()
    for i in range(3):
        for j in range(3):
            theirs.set(i, j, float(R[i, j]))
    expected = theirs.convertRotationToBodyFixedXYZ()
    np.testing.assert_allclose(found, [expected.get(k) for k in range(3)], atol=1e-7)
