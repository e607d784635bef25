"""Subscribe to a kinecast stream; needs only pyzmq, msgspec and numpy.

```python
from realtime.client import subscribe

for sample in subscribe("tcp://127.0.0.1:5570"):
    print(sample["knee_angle_r"], sample.age_ms)
```

Of several people (`kinecast live --people 2`), each has a stream: `subscribe(address, person=2)`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import zmq

from realtime.errors import StreamError
from realtime.stream.angle_sample import AngleSample
from realtime.stream.decoding import MAX_MESSAGE_BYTES, Decoder, MessageError
from realtime.stream.handshake import try_handshake
from realtime.stream.messages import Angles, Meta, Pose, StatusMessage, topic_of_person
from realtime.stream.security import ACCEPTED_ADDRESSES, ClientKeys, join, split_address

_RECEIVE_QUEUE = 1000
_MAX_DRAINED = 10_000
"""Limit of messages read to reach the newest one, so that the loop ends even under a flood."""
_MAX_BUFFERED_BYTES = 4 * MAX_MESSAGE_BYTES
"""libzmq permanently closes a connection on which a longer message arrives."""
SILENCE_S = 5.0
"""Time without even a heartbeat after which the client reconnects."""


def subscribe(
    address: str,
    *,
    latest: bool = False,
    timeout_s: float | None = None,
    poses: bool = False,
    keys: ClientKeys | None = None,
    person: int = 1,
) -> Subscription:
    """Iterate over the samples of the stream at `address`; the tracker may start later or restart.

    Args:
        address: Address of the publisher, such as "tcp://127.0.0.1:5570".
        latest: Whether to skip to the newest sample each time, for readers slower than the tracker.
        timeout_s: Longest time without a sample; None waits for ever.
        poses: Whether to receive bodies and markers, too (`sample.pose`).
        keys: Keys for a publisher that requires CURVE.
        person: Number of the person among several, from 1.

    Raises:
        StreamError: the address is malformed, or, while iterating, `timeout_s` has passed.
    """
    return Subscription(address, latest=latest, timeout_s=timeout_s, poses=poses, keys=keys, person=person)


class Subscription(Iterator[AngleSample]):
    """Iterator over samples that also counts losses and restarts; made by `subscribe`, used by one thread."""

    def __init__(
        self,
        address: str,
        *,
        latest: bool = False,
        timeout_s: float | None = None,
        poses: bool = False,
        keys: ClientKeys | None = None,
        person: int = 1,
    ) -> None:
        self.address = address
        self.status: StatusMessage | None = None
        """The newest heartbeat."""
        self.missed = 0
        """Number of samples lost on the way, counted from gaps in `seq`."""
        self.restarts = 0
        """Number of times that a new run of the tracker took over."""
        self.clock_offset_ns = 0
        """Offset from the publisher's time stamps to this process's `time.perf_counter_ns`."""
        self._keys = keys
        self._latest = latest
        self._timeout_s = timeout_s
        self._decoder = Decoder()
        self._pose: Pose | None = None
        self._last_seq: int | None = None
        self._index: dict[str, int] = {}
        self._session = ""
        self._heard = time.monotonic()  # or connected last
        self._last_message = -math.inf
        self._wait_ms = -2  # differs from every wait that is asked for
        topics = ["angles", "meta", "status", *["pose"] * poses]
        self._socket = _connect(address, [topic_of_person(topic, person) for topic in topics], keys)

    @property
    def meta(self) -> Meta | None:
        """The newest description of the stream; None before the first arrives."""
        return self._decoder.meta

    @property
    def received(self) -> int:
        """Number of messages received, refused ones included."""
        return self._decoder.received

    @property
    def refused(self) -> Counter[str]:
        """Number of messages that could not be accepted, by reason."""
        return self._decoder.refused

    def __next__(self) -> AngleSample:
        """The next sample.

        Raises:
            StreamError: no sample arrived within `timeout_s`.
        """
        sample = self.receive(self._timeout_s)
        if sample is None:
            raise StreamError(self.described_silence(self._timeout_s or 0.0))
        return sample

    def described_silence(self, silent_s: float) -> str:
        """Why no sample arrives, for people, with what to do next; takes up to a second.

        Args:
            silent_s: Time without a sample, for the text.
        """
        if time.monotonic() - self._last_message < SILENCE_S:
            return (
                f"only its heartbeat received from {self.address} for {silent_s:g} s; see "
                "what the tracker there says, it may still be starting or have lost its camera"
            )
        reason = try_handshake(self.address, self._keys).value
        return f"nothing received from {self.address} for {silent_s:g} s; {reason}"

    def receive(self, timeout_s: float | None = 0.0) -> AngleSample | None:
        """The next sample, or None if none arrives within `timeout_s` (None waits for ever)."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        n_others = 0
        while True:
            now = time.monotonic()
            if now - self._heard > SILENCE_S:
                self._connect_anew()
            wait_s = min(deadline, self._heard + SILENCE_S) - now
            frame = self._wait(max(0, math.ceil(1e3 * wait_s)))
            if frame is not None:
                sample = self._take(frame)
                if sample is not None:
                    return self._newest(sample) if self._latest else sample
                # A pose precedes its sample: messages that have arrived are read even when time is up.
                n_others += 1
                if n_others < _MAX_DRAINED and self._socket.poll(0):
                    continue
            if time.monotonic() >= deadline:
                return None

    def close(self) -> None:
        """End the subscription."""
        self._socket.close(linger=0)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect_anew(self) -> None:
        with suppress(zmq.ZMQError):  # libzmq may have closed the connection already
            self._socket.disconnect(self.address)
        self._socket.connect(self.address)
        self._heard = time.monotonic()

    def _newest(self, sample: AngleSample) -> AngleSample:
        missed = sample.missed
        for _ in range(_MAX_DRAINED):
            frame = self._wait(0)
            if frame is None:
                break
            newer = self._take(frame)
            if newer is not None:
                missed += newer.missed
                sample = newer
        return replace(sample, missed=missed)

    def _wait(self, wait_ms: int) -> bytes | None:
        """The next message, in one call into libzmq (polling first would take several)."""
        if wait_ms != self._wait_ms:
            self._socket.rcvtimeo = self._wait_ms = wait_ms
        try:
            return self._socket.recv()
        except zmq.Again:
            return None

    def _take(self, frame: bytes) -> AngleSample | None:
        """Process a message; returns a sample if it is one whose coordinate names are known."""
        t_receive_ns = time.perf_counter_ns()
        self._heard = self._last_message = time.monotonic()
        try:
            message = self._decoder.decode(frame)
        except MessageError:
            return None  # counted in `refused`; one bad message must not end the subscription
        if isinstance(message, Meta):
            self._meet(message)
        elif message.session != self._session:
            return None  # from a run whose coordinate names are not known yet
        elif isinstance(message, Angles):
            return self._sample(message, t_receive_ns)
        elif isinstance(message, Pose):
            self._pose = message
        else:
            self.status = message
        return None

    def _meet(self, meta: Meta) -> None:
        self.clock_offset_ns = meta.wall_offset_ns - (time.time_ns() - time.perf_counter_ns())
        self._index = {name: k for k, name in enumerate(meta.model.coordinate_names)}
        if meta.session != self._session:
            self.restarts += bool(self._session)
            self._session = meta.session
            self._last_seq = self._pose = self.status = None

    def _sample(self, angles: Angles, t_receive_ns: int) -> AngleSample:
        # A step back is no loss; following it recovers from a damaged message with too high a number.
        missed = 0 if self._last_seq is None else max(0, angles.seq - self._last_seq - 1)
        self.missed += missed
        self._last_seq = angles.seq
        pose = self._pose if self._pose is not None and self._pose.seq == angles.seq else None
        meta = self._decoder.meta
        assert meta is not None  # the session is known from it
        return AngleSample(angles, meta, pose, missed, t_receive_ns, self.clock_offset_ns, self._index)


def _connect(address: str, topics: list[str], keys: ClientKeys | None) -> zmq.Socket[bytes]:
    split_address(address)
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.linger = 0
    socket.rcvhwm = _RECEIVE_QUEUE
    socket.maxmsgsize = _MAX_BUFFERED_BYTES
    socket.ipv6 = "[" in address
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10000)
    if keys is not None:
        join(socket, keys)
    for topic in topics:
        socket.subscribe(f"{topic} ")
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        text = f"cannot connect to {address}: {error.strerror}; accepted: {ACCEPTED_ADDRESSES}"
        raise StreamError(text) from error
    return socket
