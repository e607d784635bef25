"""Addresses of the stream: tcp only, checked here because libzmq wraps port numbers above 65535."""

from __future__ import annotations

import ipaddress
import re

from realtime.errors import StreamError

ACCEPTED = "tcp://127.0.0.1:PORT, tcp://[::1]:PORT or tcp://localhost:PORT, with a PORT from 1 to 65535"
_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.*-]+):(?P<port>\*|\d{1,5})")


def split_address(address: str) -> tuple[str, str]:
    """Host, without brackets, and port of an address; port `*` lets the system choose.

    Raises:
        StreamError: the address is not of the form tcp://HOST:PORT.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or (match["port"] != "*" and not 1 <= int(match["port"]) <= 65535):
        raise StreamError(f"{address!r} is not an address of a stream; accepted: {ACCEPTED}")
    return match["host"].strip("[]"), match["port"]


def require_local(address: str) -> None:
    """Refuse an address that other machines can reach.

    Raises:
        StreamError: the address is malformed or not loopback.
    """
    host, _ = split_address(address)
    if not _is_loopback(host):
        raise StreamError(
            f"{address} can be reached from other machines; accepted without keys: {ACCEPTED}; any other "
            "address needs CURVE keys with an allow-list of clients, as joint angles are personal data"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
