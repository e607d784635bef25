"""The tracker's end of the stream: an XPUB socket that never makes the tracker wait."""

from __future__ import annotations

import errno
import logging
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import zmq

from realtime import curve
from realtime.address import ACCEPTED, require_local, split_address
from realtime.errors import StreamError
from realtime.messages import SCHEMA, TOPICS, Encoding, Message, Meta, encode
from realtime.types import LiveStats, PoseSample, Status
from realtime.wire import Envelope, angles_of, camera_of, heartbeat_of, known, model_of, pose_of

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

logger = logging.getLogger(__name__)

DEFAULT_ADDRESS = "tcp://127.0.0.1:5570"
META_INTERVAL_NS = 1_000_000_000
SEND_QUEUE = 32
"""Messages kept for a subscriber that does not keep up; further ones are dropped for it alone."""
CLOSE_MS = 200
"""How long `close` lets the last messages leave."""
_MAX_REQUEST_BYTES = 1024
"""A subscriber that asks for a longer topic is cut off: libzmq keeps topics in a recursive tree. The CURVE
handshake needs more than 256."""
_REQUESTS_PER_TICK = 256
_PREFIXES = tuple(f"{topic} ".encode() for topic in TOPICS)


class Publisher:
    """Sends samples, `meta` and the heartbeat to whoever subscribes.

    Make it in one thread and use it from one thread; a socket may be handed to a thread as it starts,
    never shared. Nothing here waits: what a subscriber cannot take is dropped for that subscriber, who
    sees the gap in `seq`.

    Args:
        address: where to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        skeleton: names and limits that `meta` tells.
        camera: told in `meta`; None where there is none.
        source: what is watched, such as "camera 0".
        estimator: name of the estimator.
        smoothing_lag_s: delay that smoothing adds; None where it is not known.
        rate_hz: nominal rate of samples; None where it is not known.
        versions: further names and versions for `meta`.
        encoding: "msgpack", or "json" for readers without it.
        keys: CURVE keys and allow-list; required at addresses that other machines reach.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        skeleton: Skeleton,
        camera: CameraCalibration | None = None,
        *,
        source: str = "",
        estimator: str = "",
        smoothing_lag_s: float | None = None,
        rate_hz: float | None = None,
        versions: dict[str, str] | None = None,
        encoding: Encoding = "msgpack",
        keys: curve.ServerKeys | None = None,
    ) -> None:
        if keys is None:
            require_local(address)
        else:
            split_address(address)
        self.session = str(uuid.uuid4())
        self.seq = 0
        """Samples sent so far."""
        self._encoding: Encoding = encoding
        self._skeleton = skeleton
        self._root = skeleton.body_names.index("pelvis") if "pelvis" in skeleton.body_names else 0
        self._meta = Meta(
            schema=SCHEMA,
            session=self.session,
            t_publish_ns=0,
            wall_offset_ns=0,
            model=model_of(skeleton),
            camera=None if camera is None else camera_of(camera),
            source=source[:1024],
            estimator=estimator,
            smoothing_lag_s=known(smoothing_lag_s),
            rate_hz=known(rate_hz),
            versions=versions or {},
        )
        self._status = Status.WARM_UP
        self._stats = LiveStats()
        self._wanted: set[bytes] = set()
        self._next_beat_ns = 0
        self._open(address, keys)

    def send(self, sample: PoseSample, stats: LiveStats | None = None) -> int:
        """Publish one sample and whatever else is due.

        Returns:
            The stamp of publication, in ns of `time.perf_counter_ns`.
        """
        self._status = sample.status
        self.tick(stats)
        envelope = self._envelope()
        if self._is_wanted(b"pose "):
            self._send(pose_of(sample, envelope, self._skeleton))
        self._send(angles_of(sample, envelope, self._root))
        self.seq += 1
        return envelope.t_publish_ns

    def tick(self, stats: LiveStats | None = None) -> None:
        """Greet new subscribers and beat if a second has passed; call it while no frame arrives, too."""
        if stats is not None:
            self._stats = stats
        is_greeting = self._read_requests()
        envelope = self._envelope()
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
        self._send(heartbeat_of(self._status, farewell, self._envelope()))
        self._socket.close(linger=CLOSE_MS)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, address: str, keys: curve.ServerKeys | None) -> None:
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.XPUB)
        socket.linger = 0
        socket.sndhwm = SEND_QUEUE
        socket.maxmsgsize = _MAX_REQUEST_BYTES
        socket.ipv6 = "[" in address
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

    def _envelope(self) -> Envelope:
        return Envelope(self.session, self.seq, time.perf_counter_ns())

    def _send(self, message: Message) -> None:
        try:
            self._socket.send(encode(message, self._encoding), zmq.NOBLOCK)
        except zmq.Again:  # XPUB drops for slow peers by itself; this covers a socket that is closing
            logger.debug("dropped a %s message", type(message).__name__)

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

    def _is_wanted(self, prefix: bytes) -> bool:
        return any(prefix.startswith(topic) for topic in self._wanted)


def _bind_error(address: str, error: zmq.ZMQError) -> StreamError:
    if error.errno == errno.EADDRINUSE:
        return StreamError(
            f"{address} is in use, perhaps by another kinecast; stop it, or publish elsewhere with "
            "`--publish tcp://127.0.0.1:PORT`"
        )
    return StreamError(f"cannot publish at {address}: {error.strerror}; accepted: {ACCEPTED}")
