"""The publisher's socket: an XPUB that greets late joiners, beats, and never makes its user wait."""

from __future__ import annotations

import errno
import logging
import time
from typing import Self

import msgspec
import zmq

from realtime.errors import StreamError
from realtime.sample import LiveStats, Status
from realtime.stream import security as curve
from realtime.stream.address import ACCEPTED, require_local, split_address
from realtime.stream.messages import TOPICS, Angles, Encoding, Message, Meta, Pose, encode
from realtime.stream.to_messages import Envelope, heartbeat_of

logger = logging.getLogger(__name__)

META_INTERVAL_NS = 1_000_000_000
SEND_QUEUE = 128
"""Messages kept for a subscriber that does not keep up; further ones are dropped for it alone. Enough for a
second in which the system lets libzmq's own thread wait."""
LONGEST_WAIT_MS = 1000
"""For a subscriber that does not keep up, where none may lose anything; then it does lose."""
CLOSE_MS = 200
LOSSLESS_CLOSE_MS = 5000
"""How long `close` lets the last messages leave."""
_MAX_REQUEST_BYTES = 1024
"""A subscriber that asks for a longer topic is cut off: libzmq keeps topics in a recursive tree. The CURVE
handshake needs more than 256."""
_REQUESTS_PER_TICK = 256
_PREFIXES = tuple(f"{topic} ".encode() for topic in TOPICS)


class MessagePublisher:
    """Sends the messages of samples, `meta` and the heartbeat to whoever subscribes.

    Make it in one thread and use it from one thread; a socket may be handed to a thread as it starts,
    never shared. Nothing here waits: what a subscriber cannot take is dropped for that subscriber, who
    sees the gap in `seq`.

    Args:
        address: where to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        meta: what the stream says about itself; its stamps are brought up to date.
        encoding: "msgpack", or "json" for readers without it.
        keys: CURVE keys and allow-list; required at addresses that other machines reach.
        lossless: wait for subscribers that do not keep up, up to a second for each message. Never for a live
            tracker.
        queue: messages kept for each subscriber that does not keep up; further ones are dropped.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        meta: Meta,
        *,
        encoding: Encoding = "msgpack",
        keys: curve.ServerKeys | None = None,
        lossless: bool = False,
        queue: int = SEND_QUEUE,
    ) -> None:
        if keys is None:
            require_local(address)
        else:
            split_address(address)
        self.session = meta.session
        self.seq = 0
        """Samples sent so far."""
        self._meta = meta
        self._encoding: Encoding = encoding
        self._lossless, self._queue = lossless, queue
        self._status = Status.WARM_UP
        self._stats = LiveStats()
        self._wanted: set[bytes] = set()
        self._next_beat_ns = 0
        self._open(address, keys)

    def send_messages(self, angles: Angles, pose: Pose | None) -> None:
        """Send the messages of one sample, made for the `envelope`; the pose only if anybody wants it."""
        self._status = angles.status
        if pose is not None and self.is_wanted("pose"):
            self._send(pose)
        self._send(angles)
        self.seq += 1

    def is_wanted(self, topic: str) -> bool:
        """Whether anybody has subscribed to a topic, as far as the last `tick` saw."""
        prefix = f"{topic} ".encode()
        return any(prefix.startswith(wanted) for wanted in self._wanted)

    def envelope(self) -> Envelope:
        """What the messages of the next sample share."""
        return Envelope(self.session, self.seq, time.perf_counter_ns())

    def tick(self, stats: LiveStats | None = None) -> None:
        """Greet new subscribers and beat if a second has passed; call it while no frame arrives, too."""
        if stats is not None:
            self._stats = stats
        is_greeting = self._read_requests()
        envelope = self.envelope()
        is_beat = envelope.t_publish_ns >= self._next_beat_ns
        if is_greeting or is_beat:
            offset_ns = time.time_ns() - time.perf_counter_ns()
            now_ns = envelope.t_publish_ns
            self._send(msgspec.structs.replace(self._meta, t_publish_ns=now_ns, wall_offset_ns=offset_ns))
        if is_beat:
            self._next_beat_ns = envelope.t_publish_ns + META_INTERVAL_NS
            self._send(heartbeat_of(self._status, self._stats, envelope))

    def close(self) -> None:
        """Say goodbye and free the address; may be called twice."""
        if self._socket.closed:
            return
        farewell = LiveStats(note="the stream has ended")
        self._send(heartbeat_of(self._status, farewell, self.envelope()))
        self._socket.close(linger=LOSSLESS_CLOSE_MS if self._lossless else CLOSE_MS)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, address: str, keys: curve.ServerKeys | None) -> None:
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.XPUB)
        socket.linger = 0
        socket.sndhwm = self._queue
        socket.maxmsgsize = _MAX_REQUEST_BYTES
        socket.ipv6 = "[" in address
        if self._lossless:
            socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.sndtimeo = LONGEST_WAIT_MS
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # every subscription, not only the first of each topic
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10000)
        self._authenticator = None if keys is None else curve.serve(socket, keys)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.close(linger=0)
            if self._authenticator is not None:
                self._authenticator.stop()
            self._context.term()
            raise _bind_error(address, error) from error
        self.address = socket.get_string(zmq.LAST_ENDPOINT)
        """Where subscribers connect."""
        logger.info("publishing at %s", self.address)

    def _send(self, message: Message) -> None:
        frame = encode(message, self._encoding)
        try:
            self._socket.send(frame, 0 if self._lossless else zmq.NOBLOCK)
        except zmq.Again:
            if self._lossless:  # somebody is stuck, and nobody got it: leave that one out this time
                self._socket.setsockopt(zmq.XPUB_NODROP, 0)
                self._socket.send(frame, zmq.NOBLOCK)
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)

    def _read_requests(self) -> bool:
        """Take in (un)subscriptions; True if there was a new one."""
        is_new = False
        for _ in range(_REQUESTS_PER_TICK):
            try:
                request = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            topic = request[1:]
            if not any(prefix.startswith(topic) for prefix in _PREFIXES):
                continue
            if request[:1] == b"\x01":
                self._wanted.add(topic)
                is_new = True
            elif request[:1] == b"\x00":
                self._wanted.discard(topic)
        return is_new


def _bind_error(address: str, error: zmq.ZMQError) -> StreamError:
    if error.errno == errno.EADDRINUSE:
        return StreamError(
            f"{address} is in use, perhaps by another kinecast; stop it, or publish elsewhere with "
            "`--publish tcp://127.0.0.1:PORT`"
        )
    return StreamError(f"cannot publish at {address}: {error.strerror}; accepted: {ACCEPTED}")
