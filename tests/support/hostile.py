"""Messages that no kinecast sends: damaged, cut, lying about lengths and types, or nested without end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import msgspec

from calib.camera import CameraCalibration
from calib.skeleton import Skeleton
from realtime.sample import LiveStats, Status
from realtime.stream.messages import encode
from realtime.stream.to_messages import Envelope, angles_of, heartbeat_of, meta_of, model_of, pose_of
from tests.support.poses import random_sample

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 2**64 - 1, -(2**63), 1e308, float("nan"), float("inf"), "", "x" * 5000, b"\xff",
    [], [[]], [None] * 5000, {}, {"a": {"b": []}}, [1.0, "two", None], "tracking", "0" * 36,
)  # fmt: skip


def good_messages(skeleton: Skeleton) -> dict[str, bytes]:
    """One whole message of each topic, as msgpack."""
    sample, envelope = random_sample(skeleton, 1), Envelope(SESSION, 0, 1)
    camera = CameraCalibration.assumed(640, 480)
    messages = {
        "meta": meta_of(SESSION, model_of(skeleton), camera, source="test", rate_hz=30.0),
        "status": heartbeat_of(Status.TRACKING, LiveStats(fps=30.0), envelope),
        "pose": pose_of(sample, envelope, skeleton),
        "angles": angles_of(sample, envelope),
    }
    return {topic: encode(message) for topic, message in messages.items()}


def hostile_messages(skeleton: Skeleton, seed: int) -> Iterator[bytes]:
    """Frames without end, each with the topic of a real message."""
    rng, good = random.Random(seed), list(good_messages(skeleton).values())
    while True:
        topic, _, body = rng.choice(good).partition(b" ")
        spoil = rng.choice(SPOILERS)
        if rng.random() < 0.2:
            body = msgspec.json.encode(msgspec.msgpack.decode(body))
            spoil = rng.choice((flip_bits, cut, swap_bytes))
        yield topic + b" " + spoil(body, rng)


def flip_bits(body: bytes, rng: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body))]


def swap_bytes(body: bytes, rng: random.Random) -> bytes:
    data, n = bytearray(body), rng.randrange(1, 20)
    at = rng.randrange(len(data))
    data[at : at + n] = rng.randbytes(rng.randrange(20))
    return bytes(data)


def lie_about_length(body: bytes, rng: random.Random) -> bytes:
    """A header of an array, map, text or binary that promises up to 4 GiB."""
    at = rng.randrange(len(body))
    return body[:at] + rng.choice(b"\xdd\xdf\xdb\xc6\xc9").to_bytes(1) + rng.randbytes(4) + body[at:]


def nest(body: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"\x91", b"\x81\xa1a", b'{"a":', b"\x81\xa1q\x91")) * rng.randrange(1, 20_000)


def odd_field(body: bytes, rng: random.Random) -> bytes:
    """One field, at any depth, that is something else."""
    content = msgpack.unpackb(body)
    where = content
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        key = rng.choice(keys)
        if isinstance(where[key], dict | list) and where[key] and rng.random() < 0.6:
            where = where[key]
            continue
        where[key] = rng.choice(ODD_VALUES)
        return msgpack.packb(content)


def drop_field(body: bytes, rng: random.Random) -> bytes:
    content = msgpack.unpackb(body)
    del content[rng.choice(list(content))]
    return msgpack.packb(content)


def shorten(body: bytes, rng: random.Random) -> bytes:
    """Arrays that agree with each other, but not with the model."""
    content = msgpack.unpackb(body)
    for name in ("q", "qdot", "confidence", "marker_m"):
        if name in content:
            del content[name][-1]
    return msgpack.packb(content)


def grow(body: bytes, rng: random.Random) -> bytes:
    """Longer than readers accept, now and then."""
    return body * rng.choice((2, 2, 2, 50, 400))


SPOILERS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits, flip_bits, cut, swap_bytes, lie_about_length, nest, odd_field, odd_field, drop_field, shorten,
    grow,
)  # fmt: skip
