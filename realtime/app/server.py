"""Starts the app: pages, media, guard, and the server."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from nicegui import app, ui
from nicegui.server import Server

from realtime.app.guard import Guard
from realtime.app.layout import STYLE_PATH
from realtime.app.media import add_media
from realtime.app.options import DEFAULT_HOST, AppError, AppOptions
from realtime.app.state import AppState
from realtime.recording.private_file import write_private

GRACE_S = 1
"""Longest wait for open pages at the end."""
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#0f766e" '
    'stroke-width="2.4" stroke-linecap="round"><circle cx="12" cy="4" r="2.4" fill="#0f766e" stroke="none"/>'
    '<path d="M12 8v6M6 9h12M12 14l-4 8M12 14l4 8"/></svg>'
)


def serve(options: AppOptions, add_pages: Callable[[AppState], None]) -> None:
    """Serve the pages until Ctrl-C, then end the tracker in order.

    Args:
        options: Options of the app.
        add_pages: Function that declares the pages.

    Raises:
        AppError: the address cannot be used.
    """
    check_address(options.host, options.port)
    token = read_token(options.token_path) if options.token_path is not None else ""
    state = AppState(options)
    ui.add_css(STYLE_PATH.read_text("utf-8"), shared=True)
    add_pages(state)
    add_media(app, state, lambda: Server.instance.should_exit)
    is_public = options.host != DEFAULT_HOST
    app.add_middleware(Guard, token=token, is_public=is_public, is_secure=options.certificate is not None)
    app.on_shutdown(state.close)
    more: dict[str, Any] = {}
    if options.certificate is not None:
        more = {"ssl_certfile": str(options.certificate[0]), "ssl_keyfile": str(options.certificate[1])}
    try:
        ui.run(
            host=options.host,
            port=options.port,
            title="kinecast",
            favicon=FAVICON,
            dark=False,
            reload=False,
            show=options.opens_browser,
            tailwind=False,
            show_welcome_message=False,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,  # live images never end by themselves
            **more,
        )
    finally:
        state.close()  # once more, harmlessly, where the server could not start


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be used, before anything is started.

    Raises:
        AppError: it is in use, or not this computer's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AppError(
                f"{host}:{port} cannot be used ({error.strerror}), perhaps because the app runs already; "
                f"open http://{host}:{port}, or use another port: kinecast app --port {port + 1}",
                name="port",
                value=port,
            ) from error


def read_token(path: Path) -> str:
    """The token in a file; a new file gets a new one.

    Raises:
        AppError: the file cannot be read or written, or holds no token.
    """
    try:
        if not path.exists():
            write_private(path, base64.b32encode(secrets.token_bytes(10)) + b"\n")
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(f"{path}: no token can be read there ({error})", name="token", value=path) from error
    if len(token) < 12:
        raise AppError(
            f"{path}: the token is shorter than 12 characters; remove the file to get a new one",
            name="token",
            value=path,
        )
    return token
