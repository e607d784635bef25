"""Check of the hosts to which bridges may send: only this computer unless the user allows others."""

from __future__ import annotations

import ipaddress
import logging
import socket

from realtime.errors import BridgeError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


def check_host(host: str, *, allow_network: bool) -> None:
    """Refuse an address of other computers, or warn if it is allowed.

    Raises:
        BridgeError: the host is invalid, or not this computer while `allow_network` is False.
    """
    if is_loopback(host):
        return
    if not allow_network:
        raise BridgeError(
            f"{host} can be reached from other computers, and joint angles are personal data; accepted: "
            f"{LOOPBACK}, ::1 or localhost, or any address with --allow-network"
        )
    logger.warning("other computers can read what is sent at %s, unencrypted", host)


def is_loopback(host: str) -> bool:
    """Whether an address leads to this computer only.

    Raises:
        BridgeError: the host is invalid.
    """
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise BridgeError(f"{host!r} is not a host name or address: {error}") from error
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
