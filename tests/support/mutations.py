"""Messages of a stream, damaged at random: what bridges and readers have to live with.

`python -m tests.support.mutations 100000` sends that many through every bridge and counts refusals.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice

import zmq

from realtime.bridges.json_websocket import JsonWebSocketBridge
from realtime.bridges.lsl import LslBridge
from realtime.bridges.opencap import OpencapBridge
from realtime.bridges.runner import Bridge
from realtime.bridges.vmc import VmcBridge
from realtime.sample import LiveStats, Status
from realtime.stream.messages import SCHEMA, Meta, encode
from realtime.stream.to_messages import Envelope, angles_of, heartbeat_of, model_of, pose_of
from tests.support.bridging import SKELETON, bridged
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import PATIENCE_S

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
META_EVERY = 3
TOPICS = (b"angles ", b"pose ", b"meta ", b"status ")


def good_messages(k: int) -> list[bytes]:
    """What a tracker sends for one sample, and now and then its meta and heartbeat, as msgpack or JSON."""
    encoding = "json" if k % 3 == 0 else "msgpack"
    sample = random_sample(SKELETON, k % 50) if k % 11 else lost_sample(SKELETON, k, t_capture_ns=k)
    envelope = Envelope(SESSION, k, time.perf_counter_ns())
    messages = [pose_of(sample, envelope, SKELETON), angles_of(sample, envelope)]
    if k % META_EVERY == 0:
        meta = Meta(
            schema=SCHEMA,
            session=SESSION,
            t_publish_ns=1,
            wall_offset_ns=0,
            model=model_of(SKELETON),
            rate_hz=30.0,
        )
        messages = [meta, heartbeat_of(Status.TRACKING, LiveStats(), envelope), *messages]
    return [encode(message, encoding) for message in messages]


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """The frame with bytes changed, cut, doubled or swapped; three in eight are left whole."""
    data = bytearray(frame)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 8, 64))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 2:
            data[place:place] = rng.randbytes(rng.randrange(1, 12))
        elif kind == 3:
            data[place:place] = data[place : place + rng.randrange(1, 60)]
        else:
            end = place + 8
            data[place:end] = rng.choice(
                (b"\xff" * 8, b"\x7f\xf0" + b"\0" * 6, b"\x7f\xef" + b"\xff" * 6, b"\0" * 8)
            )
    return bytes(data)


def damaged_stream(n: int, seed: int = 0) -> Iterator[bytes]:
    """`n` frames."""
    rng, k, sent = random.Random(seed), 0, 0
    while sent < n:
        for frame in good_messages(k):
            yield mutated(frame, rng)
            sent += 1
        k += 1


def survive(bridge: Bridge, n: int, seed: int = 0) -> dict[str, int]:
    """Send `n` damaged frames through a bridge, then whole ones; counts of what became of them.

    Raises:
        AssertionError: a message is not accounted for, or the bridge no longer passes whole messages on.
    """
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.linger = 0
    socket.sndhwm = 0
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    frames, n_sent = damaged_stream(n, seed), 0
    try:
        with bridged(bridge, f"tcp://127.0.0.1:{port}") as running:
            decoder = running.subscription._decoder
            while not decoder.received:
                socket.send(b"meta ")
                time.sleep(0.02)
            time.sleep(0.2)
            ahead = decoder.received
            while batch := list(islice(frames, 200)):
                for frame in batch:
                    socket.send(frame)
                # The socket drops frames whose topic was hit, so what arrives is fewer than what was sent.
                n_sent += sum(frame.startswith(TOPICS) for frame in batch)
                wait_until(lambda expected=ahead + n_sent: decoder.received >= expected)
            damaged = running.counts.sent

            def is_well() -> bool:
                for frame in good_messages(META_EVERY):
                    socket.send(frame)
                time.sleep(0.02)
                return running.counts.sent >= damaged + 5

            wait_until(is_well)
            refused = sum(running.subscription.refused.values())
            return {"received": n_sent, "refused": refused, **asdict(running.counts)}
    finally:
        socket.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Give the other side time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the bridge hangs"
        time.sleep(0.001)


def bridges() -> dict[str, Bridge]:
    """One of each."""
    return {
        "websocket": JsonWebSocketBridge(port=0, poses=True),
        "opencap": OpencapBridge(port=0),
        "vmc": VmcBridge(port=9),
        "lsl": LslBridge("mutations", markers=True, name="kinecast-mutations", allow_network=True),
    }


if __name__ == "__main__":
    for name, bridge in bridges().items():
        print(name, survive(bridge, int(sys.argv[1])), flush=True)
