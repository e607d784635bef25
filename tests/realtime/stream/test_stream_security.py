"""Who may publish where, who may listen, and what hostile peers can do: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import zmq
from msgspec import structs

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton, load_skeleton
from realtime import client
from realtime.client import subscribe
from realtime.errors import StreamError
from realtime.stream.decoding import decode
from realtime.stream.messages import Angles, encode
from realtime.stream.publisher import Publisher
from realtime.stream.security import ClientKeys, ServerKeys, split_address
from tests.support.poses import random_sample
from tests.support.streams import ANY_PORT, PATIENCE_S, join


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture
def publisher(skeleton: Skeleton) -> Iterator[Publisher]:
    with Publisher(
        ANY_PORT, skeleton, CameraCalibration.assumed(640, 480), source="test", rate_hz=30.0
    ) as opened:
        yield opened


def garbage(rng: np.random.Generator) -> list[bytes]:
    return [
        b"",
        b"\x01",
        b"\x01" + bytes(10),
        b"\x00angles ",
        b"\x02hello",
        rng.bytes(100),
        b"\x01" + bytes(200),
    ]


def test_a_hostile_subscriber_cannot_disturb_the_publisher(publisher: Publisher, skeleton: Skeleton) -> None:
    rng = np.random.default_rng(0)
    hostile = zmq.Context.instance().socket(zmq.XSUB)
    oversized = zmq.Context.instance().socket(zmq.XSUB)
    hostile.linger = oversized.linger = 0
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        hostile.connect(publisher.address)
        oversized.connect(publisher.address)
        for k in range(300):
            hostile.send(b"\x01" + str(k).encode())
            for request in garbage(rng):
                hostile.send(request)
        oversized.send(b"\x01" + bytes(10_000))
        for k in range(300):
            publisher.send(random_sample(skeleton, k % 3))
            assert next(stream).missed == 0
    hostile.close()
    oversized.close()


def test_hostile_messages_are_counted_and_skipped(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(1)
    captured: list[bytes] = []
    with Publisher(ANY_PORT, skeleton) as publisher:
        tap = zmq.Context.instance().socket(zmq.SUB)
        tap.subscribe(b"")
        tap.connect(publisher.address)
        while len(captured) < 3:
            publisher.send(random_sample(skeleton))
            while tap.poll(20):
                captured.append(tap.recv())
        tap.close()
    meta = next(frame for frame in captured if frame.startswith(b"meta "))
    angles = next(frame for frame in captured if frame.startswith(b"angles "))
    source = zmq.Context.instance().socket(zmq.PUB)
    source.sndhwm = 0
    port = source.bind_to_random_port("tcp://127.0.0.1")
    with subscribe(f"tcp://127.0.0.1:{port}", timeout_s=PATIENCE_S) as stream:
        while stream.meta is None:
            source.send(meta)
            assert stream.receive(0.02) is None
        n = 2000
        for _ in range(n):
            broken = bytearray(angles)
            for at in rng.integers(7, len(broken), 5):
                broken[at] = rng.integers(256)
            source.send(bytes(broken[: rng.integers(8, len(broken))]))
        source.send(b"angles " + bytes(2_000_000))
        sample = None
        while sample is None or sample.message.seq != 1_000_000:
            source.send(with_seq(angles, 1_000_000))
            sample = stream.receive(0.05)
        assert stream.refused.total() >= 0.9 * n
    source.close()


def with_seq(frame: bytes, seq: int) -> bytes:
    message = decode(frame)
    assert isinstance(message, Angles)
    return encode(structs.replace(message, seq=seq))


def test_a_connection_that_libzmq_gave_up_is_made_again(
    skeleton: Skeleton, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE_S", 0.3)
    with subscribe(publisher.address, timeout_s=PATIENCE_S) as stream:
        join(publisher, stream, skeleton)
        publisher._socket.send(b"angles " + bytes(client._MAX_BUFFERED_BYTES))
        assert join(publisher, stream, skeleton).meta.session == publisher.session


@pytest.mark.parametrize(
    "address",
    ["tcp://0.0.0.0:5570", "tcp://*:5570", "tcp://192.168.1.2:5570", "tcp://[::]:5570", "tcp://eth0:5570",
     "tcp://example.org:5570", "tcp://128.0.0.1:5570"],
)  # fmt: skip
def test_other_machines_are_refused_without_keys(address: str, skeleton: Skeleton) -> None:
    with pytest.raises(StreamError, match=r"tcp://127\.0\.0\.1:PORT.*CURVE keys with an allow-list"):
        Publisher(address, skeleton)


@pytest.mark.parametrize(
    "address",
    ["", "tcp://", "127.0.0.1:5570", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
     "tcp://127.0.0.1:99999", "tcp://127.0.0.1:-1", "udp://127.0.0.1:5570", "ipc:///tmp/x", "tcp://127.0.0.1:1;tcp://*:2"],
)  # fmt: skip
def test_malformed_addresses_are_refused_at_both_ends(address: str, skeleton: Skeleton) -> None:
    for use in (lambda: Publisher(address, skeleton), lambda: subscribe(address)):
        with pytest.raises(StreamError, match="accepted: tcp://127"):
            use()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "[::1]"])
def test_loopback_is_accepted(host: str, skeleton: Skeleton) -> None:
    with Publisher(f"tcp://{host}:*", skeleton) as publisher:
        assert split_address(publisher.address)[1].isdigit()


def test_an_address_in_use_is_refused_and_free_after_close(publisher: Publisher, skeleton: Skeleton) -> None:
    with pytest.raises(StreamError, match=r"in use.*--publish"):
        Publisher(publisher.address, skeleton)
    publisher.close()
    publisher.close()
    Publisher(publisher.address, skeleton).close()


@pytest.fixture(scope="module")
def key_pair() -> Callable[[], tuple[str, str]]:
    if not zmq.has("curve"):
        pytest.skip("this libzmq is built without CURVE")

    def make() -> tuple[str, str]:
        public, secret = zmq.curve_keypair()
        return public.decode(), secret.decode()

    return make


def test_only_allowed_keys_get_anything(skeleton: Skeleton, key_pair: Callable[[], tuple[str, str]]) -> None:
    server, friend, stranger, wrong = (key_pair() for _ in range(4))
    keys = ServerKeys(*server, allowed_clients=frozenset({friend[0]}))
    with Publisher("tcp://0.0.0.0:*", skeleton, keys=keys) as publisher:
        address = publisher.address.replace("0.0.0.0", "127.0.0.1")
        outsiders = [
            subscribe(address, keys=ClientKeys(*stranger, server_public=server[0])),
            subscribe(address, keys=ClientKeys(*friend, server_public=wrong[0])),
            subscribe(address),
        ]
        with subscribe(
            address, timeout_s=PATIENCE_S, keys=ClientKeys(*friend, server_public=server[0])
        ) as stream:
            join(publisher, stream, skeleton)
            for k in range(50):
                publisher.send(random_sample(skeleton, k))
                assert next(stream).frame_id == k
        for outsider in outsiders:
            assert outsider.receive(0.1) is None
            assert outsider.meta is None and outsider.status is None
            outsider.close()


def test_keys_that_are_not_keys_are_refused(key_pair: Callable[[], tuple[str, str]]) -> None:
    public, secret = key_pair()
    for bad in ("", "short", "x" * 40 + "y", '"' * 40, "é" * 40):
        with pytest.raises(StreamError, match="CURVE key"):
            ServerKeys(public, secret, frozenset({bad}))
        with pytest.raises(StreamError, match="CURVE key"):
            ClientKeys(public, bad, public)
