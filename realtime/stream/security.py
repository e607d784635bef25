"""Access to the stream: checks of its address, and CURVE keys where it leaves this machine.

libzmq wraps port numbers above 65535, so addresses are checked here. CURVE encrypts and authenticates the
server; only together with an allow-list of client keys does it also authenticate the clients
(zmq_curve(7), and `ironhouse` in the ZeroMQ guide).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from realtime.errors import StreamError

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

ACCEPTED_ADDRESSES = (
    "tcp://127.0.0.1:PORT, tcp://[::1]:PORT or tcp://localhost:PORT, with a PORT from 1 to 65535"
)
_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.*-]+):(?P<port>\*|\d{1,5})")


def split_address(address: str) -> tuple[str, str]:
    """Host, without brackets, and port of an address; port `*` lets the system choose.

    Raises:
        StreamError: the address does not have the form tcp://HOST:PORT.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or (match["port"] != "*" and not 1 <= int(match["port"]) <= 65535):
        raise StreamError(f"{address!r} is not a stream address; accepted: {ACCEPTED_ADDRESSES}")
    return match["host"].strip("[]"), match["port"]


def require_local(address: str) -> None:
    """Refuse an address that other machines can reach.

    Raises:
        StreamError: the address is malformed or not a loopback address.
    """
    host, _ = split_address(address)
    if not _is_loopback(host):
        raise StreamError(
            f"{address} can be reached from other computers; accepted without keys: {ACCEPTED_ADDRESSES}; "
            "any other address needs CURVE keys with an allow-list of clients, because joint angles are "
            "personal data"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_KEY_LENGTH = 40
_DOMAIN = "kinecast"


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Keys of a publisher: its own pair and the public keys of allowed clients (Z85 text)."""

    public: str
    secret: str
    allowed_clients: frozenset[str]

    def __post_init__(self) -> None:
        for key in (self.public, self.secret, *self.allowed_clients):
            _check_key(key)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Keys of a subscriber: its own pair and the publisher's public key (Z85 text)."""

    public: str
    secret: str
    server_public: str

    def __post_init__(self) -> None:
        for key in (self.public, self.secret, self.server_public):
            _check_key(key)


def serve(socket: zmq.Socket[bytes], keys: ServerKeys) -> ThreadAuthenticator:
    """Make `socket` require an allowed key from its peers; call it before bind and stop the result after.

    One context can have one authenticator, so the socket needs a context of its own.
    """
    from zmq.auth.thread import ThreadAuthenticator

    authenticator = ThreadAuthenticator(socket.context)
    authenticator.start()
    authenticator.configure_curve_callback(_DOMAIN, _AllowList(keys.allowed_clients))
    # Without these two, libzmq accepts everyone while no authenticator answers.
    socket.zap_domain = _DOMAIN.encode()
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.curve_server = True
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    return authenticator


def join(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Make `socket` use CURVE with the server of `keys`; call it before connect."""
    socket.curve_serverkey = keys.server_public.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


class _AllowList:
    """Decides for the authenticator whether a new peer may connect."""

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
