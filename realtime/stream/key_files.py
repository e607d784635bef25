"""Files of CURVE keys, in the format of ZeroMQ's own tools (`zmq.auth`, czmq's zcert).

A key pair is two files: `NAME.key` holds the public key and may be shared; `NAME.key_secret` holds both keys
and must stay private. A publisher's folder holds its own pair, named `server`, and a folder `clients` with
the public keys of the clients that may subscribe.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import zmq
import zmq.auth

from realtime.errors import StreamError
from realtime.stream.security import ClientKeys, ServerKeys

SERVER_NAME = "server"
CLIENTS_FOLDER = "clients"
_NAME = re.compile(r"[\w-][\w.-]{0,63}")


def make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a new key pair; only its owner can read the secret file.

    Args:
        folder: Folder of the files; created if needed, without access for other users.
        name: Name of the files without suffix.

    Returns:
        The public and the secret file.

    Raises:
        StreamError: the name is invalid, a file exists already, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise StreamError(f"{name!r} is not a valid key name; accepted: up to 64 letters, digits, -, _ and .")
    require_curve()
    public, secret = (key.decode() for key in zmq.curve_keypair())
    public_path, secret_path = folder / f"{name}.key", folder / f"{name}.key_secret"
    for path in (public_path, secret_path):
        if path.exists():
            raise StreamError(f"{path} exists already; a new key would lock out clients of the old one")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(secret_path, _certificate(public, secret), mode=0o600)
        _write(public_path, _certificate(public), mode=0o644)
    except OSError as error:
        raise StreamError(f"{folder}: cannot write keys here ({error.strerror})") from error
    return public_path, secret_path


def allow(folder: Path, public_path: Path) -> Path:
    """Add a client's public key to the allow-list of the publisher's keys in `folder`.

    Raises:
        StreamError: the file holds no key, or the allow-list cannot be written.
    """
    public, _ = _read(public_path)
    listed = folder / CLIENTS_FOLDER / f"{public_path.stem}.key"
    try:
        listed.parent.mkdir(mode=0o700, exist_ok=True)
        _write(listed, _certificate(public), mode=0o644)
    except FileExistsError as error:
        raise StreamError(f"{listed} exists already; remove it first to replace this client") from error
    except OSError as error:
        raise StreamError(f"{listed}: cannot be written ({error.strerror})") from error
    return listed


def load_server_keys(folder: Path) -> ServerKeys:
    """Load the keys and the allow-list of a publisher.

    Raises:
        StreamError: there are no keys, or other users can read the secret key.
    """
    path = folder / f"{SERVER_NAME}.key_secret"
    if not path.is_file():
        raise StreamError(f"{folder} holds no keys of a publisher; make them with: kinecast keys {folder}")
    public, secret = _read_secret(path)
    listed = sorted((folder / CLIENTS_FOLDER).glob("*.key"))
    return ServerKeys(public, secret, frozenset(_read(client)[0] for client in listed))


def load_client_keys(secret_path: Path, server_path: Path | None = None) -> ClientKeys:
    """Load the keys of a subscriber.

    Args:
        secret_path: The subscriber's own `NAME.key_secret`.
        server_path: The publisher's public key; None takes `server.key` beside the secret file.

    Raises:
        StreamError: a file is missing or holds no key, or other users can read the secret key.
    """
    public, secret = _read_secret(secret_path)
    return ClientKeys(public, secret, _read(server_path or secret_path.parent / f"{SERVER_NAME}.key")[0])


def require_curve() -> None:
    """Check that libzmq can encrypt.

    Raises:
        StreamError: libzmq is built without CURVE.
    """
    if not zmq.has("curve"):
        raise StreamError("this libzmq is built without CURVE; install pyzmq from PyPI: pip install pyzmq")


def _certificate(public: str, secret: str | None = None) -> str:
    kind = "Public key: may be shared." if secret is None else "SECRET key: keep it private."
    lines = [f"#   kinecast, ZeroMQ CURVE. {kind}", "", "metadata", "curve", f'    public-key = "{public}"']
    if secret is not None:
        lines.append(f'    secret-key = "{secret}"')
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a new file that at no time has more permissions than `mode`."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


def _read(path: Path) -> tuple[str, str | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
        return public.decode("ascii"), None if secret is None else secret.decode("ascii")
    except OSError as error:
        raise StreamError(f"{path}: no such key file, or it cannot be read") from error
    except ValueError as error:
        raise StreamError(f"{path}: holds no key; accepted: a file made by `kinecast keys`") from error


def _read_secret(path: Path) -> tuple[str, str]:
    public, secret = _read(path)
    if secret is None:
        raise StreamError(f"{path}: holds only a public key; name the file that ends with .key_secret")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StreamError(f"{path}: other users can read this secret key; close it with: chmod 600 {path}")
    return public, secret
