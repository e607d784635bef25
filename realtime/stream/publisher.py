"""The tracker's end of the stream: samples in, messages out.

The socket is an XPUB that greets late joiners, sends a heartbeat and never makes its user wait.
"""

from __future__ import annotations

import errno
import logging
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import msgspec
import zmq
from msgspec.structs import replace

from realtime.errors import StreamError
from realtime.sample import LiveStats, PersonState, PoseSample, SampleGround, Status
from realtime.stream.messages import TOPICS, Angles, Encoding, Message, Meta, Pose, StatusMessage, encode
from realtime.stream.security import ACCEPTED_ADDRESSES, ServerKeys, require_local, serve, split_address
from realtime.stream.to_messages import (
    Envelope,
    angles_of,
    heartbeat_of,
    in_ground,
    meta_of,
    model_of,
    pose_of,
    root_of,
)

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

logger = logging.getLogger(__name__)

DEFAULT_ADDRESS = "tcp://127.0.0.1:5570"
META_INTERVAL_NS = 1_000_000_000
SEND_QUEUE = 128
"""Messages queued for a subscriber that does not keep up; further ones are dropped for it alone. Enough for
one second in which the operating system does not schedule libzmq's own thread."""
LONGEST_WAIT_MS = 1000
"""Longest wait of a lossless publisher for a slow subscriber; after it, messages are lost."""
CLOSE_MS = 200
LOSSLESS_CLOSE_MS = 5000
"""Time that `close` gives the last messages to leave."""
_MAX_REQUEST_BYTES = 1024
"""A subscriber that asks for a longer topic is disconnected: libzmq stores topics in a recursive tree. The
CURVE handshake needs more than 256."""
_REQUESTS_PER_TICK = 256
_PREFIXES = tuple(f"{topic} ".encode() for topic in TOPICS)


class MessagePublisher:
    """Sends the messages of samples, `meta` and the heartbeat to all subscribers.

    Use it from one thread at a time: it may be handed to a thread as that starts, but never shared. Calls
    do not block: messages that a subscriber cannot take are dropped for that subscriber, which sees the gap
    in `seq`.

    Args:
        address: Address to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        meta: Description of the stream; its time stamps are updated before sending.
        encoding: "msgpack", or "json" for readers without msgpack.
        keys: CURVE keys and allow-list; required for addresses that other computers can reach.
        lossless: Whether to wait for subscribers that do not keep up, up to a second per message. Not for
            a live tracker.
        queue: Number of messages queued for each subscriber that does not keep up; further ones are dropped.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        meta: Meta,
        *,
        encoding: Encoding = "msgpack",
        keys: ServerKeys | None = None,
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
        self._status, self._person, self._advice = Status.WARM_UP, PersonState.UNKNOWN, ""
        self._stats = LiveStats()
        self._wanted: set[bytes] = set()
        self._next_beat_ns = 0
        self._open(address, keys)

    def send_messages(self, angles: Angles, pose: Pose | None) -> None:
        """Send the messages of one sample, made for the `envelope`; the pose only if it has a subscriber."""
        self._status, self._person, self._advice = angles.status, angles.person, angles.advice
        if pose is not None and self.is_wanted("pose"):
            self._send(pose)
        self._send(angles)
        self.seq += 1

    def change_meta(self, meta: Meta) -> None:
        """Describe the following samples otherwise: subscribers hear it before the next one."""
        self._meta = meta
        self._send_meta(time.perf_counter_ns())

    def is_wanted(self, topic: str) -> bool:
        """Whether anybody has subscribed to a topic, as far as the last `tick` saw."""
        prefix = f"{topic} ".encode()
        return any(prefix.startswith(wanted) for wanted in self._wanted)

    def envelope(self) -> Envelope:
        """The fields that the messages of the next sample share."""
        return Envelope(self.session, self.seq, time.perf_counter_ns())

    def tick(self, stats: LiveStats | None = None) -> None:
        """Send `meta` to new subscribers and a heartbeat each second; to be called without frames, too."""
        if stats is not None:
            self._stats = stats
        is_greeting = self._read_requests()
        envelope = self.envelope()
        is_beat = envelope.t_publish_ns >= self._next_beat_ns
        if is_greeting or is_beat:
            self._send_meta(envelope.t_publish_ns)
        if is_beat:
            self._next_beat_ns = envelope.t_publish_ns + META_INTERVAL_NS
            self._send(self._heartbeat(self._stats, envelope))

    def _heartbeat(self, stats: LiveStats, envelope: Envelope) -> StatusMessage:
        return heartbeat_of(self._status, stats, envelope, person=self._person, advice=self._advice)

    def _send_meta(self, now_ns: int) -> None:
        offset_ns = time.time_ns() - time.perf_counter_ns()
        self._send(msgspec.structs.replace(self._meta, t_publish_ns=now_ns, wall_offset_ns=offset_ns))

    def close(self) -> None:
        """Announce the end of the stream and release the address; may be called twice."""
        if self._socket.closed:
            return
        farewell = LiveStats(note="the stream has ended")
        self._send(self._heartbeat(farewell, self.envelope()))
        self._socket.close(linger=LOSSLESS_CLOSE_MS if self._lossless else CLOSE_MS)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, address: str, keys: ServerKeys | None) -> None:
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
        self._authenticator = None if keys is None else serve(socket, keys)
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
            if self._lossless:  # one subscriber is stuck and nobody got the message: skip that one this time
                self._socket.setsockopt(zmq.XPUB_NODROP, 0)
                self._socket.send(frame, zmq.NOBLOCK)
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)

    def _read_requests(self) -> bool:
        """Process (un)subscriptions; True if there was a new subscription."""
        is_new = False
        for _ in range(_REQUESTS_PER_TICK):
            if not int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:  # cheaper than the error of an empty queue
                break
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
    return StreamError(f"cannot publish at {address}: {error.strerror}; accepted: {ACCEPTED_ADDRESSES}")


class Publisher(MessagePublisher):
    """Publishes a tracker's samples; `MessagePublisher` describes its socket.

    Args:
        address: Address to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        skeleton: Skeleton of the samples, described in `meta`.
        camera: Camera described in `meta`, if there is one.
        cameras: All cameras, where there are several.
        source: Name of the source, such as "camera 0".
        estimator: Name of the estimator.
        smoothing_lag_s: Delay added by smoothing; None where unknown.
        rate_hz: Nominal rate of the samples; None where unknown.
        versions: Versions of software and models, by name.
        encoding: "msgpack", or "json" for readers without msgpack.
        keys: CURVE keys and allow-list; required for addresses that other computers can reach.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        skeleton: Skeleton,
        camera: CameraCalibration | None = None,
        *,
        cameras: Sequence[CameraCalibration] = (),
        source: str = "",
        estimator: str = "",
        smoothing_lag_s: float | None = None,
        rate_hz: float | None = None,
        versions: dict[str, str] | None = None,
        encoding: Encoding = "msgpack",
        keys: ServerKeys | None = None,
    ) -> None:
        meta = meta_of(
            str(uuid.uuid4()),
            model_of(skeleton),
            camera,
            cameras=cameras,
            source=source,
            estimator=estimator,
            smoothing_lag_s=smoothing_lag_s,
            rate_hz=rate_hz,
            versions=versions,
        )
        super().__init__(address, meta, encoding=encoding, keys=keys)
        self._skeleton = skeleton
        self._root = root_of(skeleton)
        self._ground: SampleGround | None = None

    def send(self, sample: PoseSample, stats: LiveStats | None = None) -> int:
        """Publish one sample and, when due, `meta` and the heartbeat.

        Returns:
            The time of publication, in ns of `time.perf_counter_ns`.
        """
        self.tick(stats)
        if sample.ground is not None and sample.ground is not self._ground:
            self._ground = sample.ground
            self.change_meta(in_ground(self._meta, sample.ground))
        envelope = self.envelope()
        pose = pose_of(sample, envelope, self._skeleton) if self.is_wanted("pose") else None
        angles = angles_of(sample, envelope, self._root)
        # Encoding counts as the tracker's time, not as the transport to subscribers.
        t_publish_ns = self.envelope().t_publish_ns
        if pose is not None:
            pose = replace(pose, t_publish_ns=t_publish_ns)
        self.send_messages(replace(angles, t_publish_ns=t_publish_ns), pose)
        return t_publish_ns
