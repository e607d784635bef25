"""Why a publisher sends nothing: it does not run, or the keys of the two ends do not fit.

libzmq connects again and again without a word, whatever the cause; only its socket monitor
(zmq_socket_monitor(3)) tells how a handshake ended. It watches a second, short-lived connection: the events
of a subscription that nobody reads would pile up until libzmq's thread stands still.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from enum import Enum
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from realtime.stream.security import ClientKeys, join

WATCH_S = 1.0
"""Longest observation; a definite event ends it earlier."""
RETRY_MS = 20
_SIGNATURE = b"\xff" + 8 * b"\0" + b"\x7f"
_MAJOR_VERSION = b"\x03"
_GREETING_BYTES = 64
_MECHANISM = slice(12, 32)
"""Parts of a greeting (RFC 23, ZMTP 3.0): signature, version, mechanism, and the rest."""
_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_CLOSED
)


class Handshake(Enum):
    """How an attempt to connect ends; the value is what to tell the user after "nothing received"."""

    UNANSWERED = "is `kinecast live` or `kinecast replay --publish` running there?"
    SUCCEEDED = "the connection stands, but nothing is sent; is the tracker there stopped or still starting?"
    KEY_REFUSED = (
        "the publisher there refuses your key, which is not on its list of clients; on its computer run "
        "`kinecast keys DIR --allow NAME.key` with your public key, and start it again"
    )
    OTHER_SERVER_KEY = (
        "the publisher there has another key than your copy of server.key; get its server.key again, and put "
        "it beside your own key or name it with `--server-key FILE.key`"
    )
    KEY_REQUIRED = (
        "the publisher there requires a key; add `--key NAME.key_secret`, a file that its owner makes with "
        "`kinecast keys DIR --client NAME`"
    )
    KEY_UNWANTED = "the publisher there uses no keys; leave `--key` and `--server-key` out"


def try_handshake(address: str, keys: ClientKeys | None) -> Handshake:
    """Connect for up to `WATCH_S` and see how the handshake ends.

    Args:
        address: Address of the publisher, such as "tcp://127.0.0.1:5570".
        keys: Keys for a publisher that requires CURVE.
    """
    is_broken_off = False
    for event in _events(address, keys):
        match event["event"], event["value"]:
            case zmq.EVENT_HANDSHAKE_SUCCEEDED, _:
                return Handshake.SUCCEEDED
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH, _:
                return Handshake.KEY_REFUSED
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
                return Handshake.KEY_REQUIRED if keys is None else Handshake.KEY_UNWANTED
            case zmq.EVENT_CLOSED, _:
                return Handshake.UNANSWERED
            case (
                _
            ):  # The peer hung up, too early to see whether it uses keys at all: a later attempt may tell.
                is_broken_off = True
    if not is_broken_off:
        return Handshake.UNANSWERED
    if keys is None:
        return Handshake.KEY_REQUIRED
    return Handshake.KEY_UNWANTED if read_mechanism(address) == "NULL" else Handshake.OTHER_SERVER_KEY


def read_mechanism(address: str) -> str | None:
    """Name of the security mechanism in a publisher's greeting, such as "NULL" or "CURVE"; None unanswered.

    A publisher tells it to everybody who has sent signature and version, and has no reason to hang up before
    it knows the mechanism of the other end, which is never sent here: so, unlike libzmq's own attempt, this
    one does not depend on who is faster (RFC 23, ZMTP 3.0, "Greeting").
    """
    if not address.startswith("tcp://"):
        return None
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    greeting = b""
    with (
        contextlib.suppress(OSError, ValueError),
        socket.create_connection((host.strip("[]"), int(port)), WATCH_S) as peer,
    ):
        peer.sendall(_SIGNATURE + _MAJOR_VERSION)
        while len(greeting) < _GREETING_BYTES and (part := peer.recv(_GREETING_BYTES - len(greeting))):
            greeting += part
    return greeting[_MECHANISM].rstrip(b"\0").decode("ascii", "replace") or None


def _events(address: str, keys: ClientKeys | None) -> Iterator[dict[str, Any]]:
    """Events of a connection as they come, until `WATCH_S` have passed."""
    # An own context, so that nothing of the watch outlives it.
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.ipv6 = "[" in address
        socket.setsockopt(zmq.RECONNECT_IVL, RETRY_MS)
        if keys is not None:
            join(socket, keys)
        monitor = socket.get_monitor_socket(_EVENTS)
        try:
            socket.connect(address)
            deadline_s = time.monotonic() + WATCH_S
            while monitor.poll(max(0, round(1e3 * (deadline_s - time.monotonic())))):
                yield recv_monitor_message(monitor)  # type: ignore[misc]
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)  # or the context would wait for ever
