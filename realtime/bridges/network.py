"""Where bridges may send: this computer, unless asked for more."""

from __future__ import annotations

import ipaddress
import logging
import socket

from realtime.errors import BridgeError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535


def check_host(host: str, *, allow_network: bool) -> None:
    """Refuse an address of other computers, or warn where it was asked for.

    Raises:
        BridgeError: it is not an address, or not of this computer and `allow_network` is False.
    """
    if is_loopback(host):
        return
    if not allow_network:
        raise BridgeError(
            f"{host} is not this computer alone, and joint angles are personal data; accepted: {LOOPBACK}, "
            "::1 or localhost, or any address with --allow-network"
        )
    logger.warning("other computers get what is sent at %s, unencrypted", host)


def is_loopback(host: str) -> bool:
    """Whether nobody else is behind an address.

    Raises:
        BridgeError: it is not an address.
    """
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise BridgeError(f"{host!r} is not an address: {error}") from error
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
