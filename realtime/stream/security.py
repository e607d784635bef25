"""CURVE keys of a stream that leaves this machine.

CURVE encrypts and proves the server to its clients; only together with an allow-list of client keys does
it also prove the clients to the server (zmq_curve(7), and `ironhouse` in the ZeroMQ guide).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from realtime.errors import StreamError

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

_KEY_LENGTH = 40
_DOMAIN = "kinecast"


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What a publisher needs: its own pair and the public keys of those who may subscribe (Z85 text)."""

    public: str
    secret: str
    allowed_clients: frozenset[str]

    def __post_init__(self) -> None:
        for key in (self.public, self.secret, *self.allowed_clients):
            _check_key(key)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a subscriber needs: its own pair and the publisher's public key (Z85 text)."""

    public: str
    secret: str
    server_public: str

    def __post_init__(self) -> None:
        for key in (self.public, self.secret, self.server_public):
            _check_key(key)


def serve(socket: zmq.Socket[bytes], keys: ServerKeys) -> ThreadAuthenticator:
    """Make `socket` demand an allowed key from its peers; call before bind, stop what it returns after.

    One context can have one authenticator, so the socket needs a context of its own.
    """
    from zmq.auth.thread import ThreadAuthenticator

    authenticator = ThreadAuthenticator(socket.context)
    authenticator.start()
    authenticator.configure_curve_callback(_DOMAIN, _AllowList(keys.allowed_clients))
    # Without these two, libzmq lets everyone in while no authenticator answers.
    socket.zap_domain = _DOMAIN.encode()
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.curve_server = True
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    return authenticator


def join(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Make `socket` talk CURVE to the server of `keys`; call before connect."""
    socket.curve_serverkey = keys.server_public.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


class _AllowList:
    """Answers the authenticator's question about each new peer."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = frozenset(key.encode() for key in allowed)

    def callback(self, domain: str, key: bytes) -> bool:
        return key in self._allowed


def _check_key(key: str) -> None:
    try:
        if len(key) == _KEY_LENGTH and len(z85.decode(key.encode())) == 32:
            return
    except (KeyError, ValueError):
        pass
    raise StreamError(f"a CURVE key has {_KEY_LENGTH} characters of Z85 text; this is {len(key)} characters")
