"""The publisher's socket: an XPUB that knows who wants what, and never makes its user wait."""

from __future__ import annotations

import errno
import logging

import zmq

from realtime.errors import StreamError
from realtime.stream.messages import TOPICS, topic_of_person
from realtime.stream.security import ACCEPTED_ADDRESSES, ServerKeys, require_local, serve, split_address

logger = logging.getLogger(__name__)

LONGEST_WAIT_MS = 1000
"""Longest wait of a lossless publisher for a slow subscriber; after it, messages are lost."""
CLOSE_MS = 200
LOSSLESS_CLOSE_MS = 5000
"""Time that `close` gives the last messages to leave."""
_MAX_REQUEST_BYTES = 1024
"""A subscriber that asks for a longer topic is disconnected: libzmq stores topics in a recursive tree. The
CURVE handshake needs more than 256."""
_REQUESTS_PER_TICK = 256


class SendingSocket:
    """Sends messages to their subscribers; used from one thread at a time.

    Args:
        address: Address to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        keys: CURVE keys and allow-list; required for addresses that other computers can reach.
        lossless: Whether to wait for subscribers that do not keep up, up to a second per message.
        queue: Number of messages queued for each subscriber that does not keep up; further ones are dropped.
        n_people: Number of people whose topics may be asked for.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self, address: str, keys: ServerKeys | None, *, lossless: bool, queue: int, n_people: int = 1
    ) -> None:
        if keys is None:
            require_local(address)
        else:
            split_address(address)
        self.n_requests = 0
        """Number of new subscriptions so far."""
        self._lossless = lossless
        self._wanted: set[bytes] = set()
        people = range(1, n_people + 1)
        self._prefixes = tuple(
            f"{topic_of_person(topic, person)} ".encode() for topic in TOPICS for person in people
        )
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.XPUB)
        socket.linger = 0
        socket.sndhwm = queue
        socket.maxmsgsize = _MAX_REQUEST_BYTES
        socket.ipv6 = "[" in address
        if lossless:
            socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.sndtimeo = LONGEST_WAIT_MS
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # every subscription, not only the first of each topic
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10000)
        self._authenticator = None if keys is None else serve(socket, keys)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            self._release(linger_ms=0)
            raise _bind_error(address, error) from error
        self.address = socket.get_string(zmq.LAST_ENDPOINT)
        """Where subscribers connect."""
        logger.info("publishing at %s", self.address)

    @property
    def is_closed(self) -> bool:
        """Whether the address is released."""
        return bool(self._socket.closed)

    def is_wanted(self, topic: str) -> bool:
        """Whether anybody has subscribed to a topic, as far as the requests were read."""
        prefix = f"{topic} ".encode()
        return any(prefix.startswith(wanted) for wanted in self._wanted)

    def send(self, frame: bytes) -> None:
        """Send one message."""
        try:
            self._socket.send(frame, 0 if self._lossless else zmq.NOBLOCK)
        except zmq.Again:
            if self._lossless:  # one subscriber is stuck and nobody got the message: skip that one this time
                self._socket.setsockopt(zmq.XPUB_NODROP, 0)
                self._socket.send(frame, zmq.NOBLOCK)
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)

    def read_requests(self) -> None:
        """Process (un)subscriptions."""
        for _ in range(_REQUESTS_PER_TICK):
            if not int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:  # cheaper than the error of an empty queue
                break
            try:
                request = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            topic = request[1:]
            if not any(prefix.startswith(topic) for prefix in self._prefixes):
                continue
            if request[:1] == b"\x01":
                self._wanted.add(topic)
                self.n_requests += 1
            elif request[:1] == b"\x00":
                self._wanted.discard(topic)

    def close(self) -> None:
        """Give the last messages time to leave, and release the address."""
        self._release(linger_ms=LOSSLESS_CLOSE_MS if self._lossless else CLOSE_MS)

    def _release(self, *, linger_ms: int) -> None:
        self._socket.close(linger=linger_ms)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()


def _bind_error(address: str, error: zmq.ZMQError) -> StreamError:
    if error.errno == errno.EADDRINUSE:
        return StreamError(
            f"{address} is in use, perhaps by another kinecast; stop it, or publish elsewhere with "
            "`--publish tcp://127.0.0.1:PORT`"
        )
    return StreamError(f"cannot publish at {address}: {error.strerror}; accepted: {ACCEPTED_ADDRESSES}")
