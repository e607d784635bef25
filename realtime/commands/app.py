"""`kinecast app`: the app in the browser."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import RealtimeError

if TYPE_CHECKING:
    from realtime.app.options import AppOptions

HELP = "open the app in the browser: camera, live curves, recordings, reports"
DESCRIPTION = """
Serves pages for this computer's browser alone. With --host, phones and other computers may open them, too:
they have to give a token, and speak TLS.
"""
LEAST_PORT, HIGHEST_PORT = 1024, 65535


def port(text: str) -> int:
    """A port that needs no rights."""
    if not re.fullmatch(r"\d{1,5}", text) or not LEAST_PORT <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from {LEAST_PORT} to {HIGHEST_PORT}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="folder of recordings; default: Documents/kinecast",
    )
    parser.add_argument("--port", type=port, metavar="PORT", help="default: 5580")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument("--token", action="store_true", help="ask for a token on this computer, too")
    group = parser.add_argument_group("other devices")
    group.add_argument(
        "--host", metavar="ADDR", help="address to listen at, such as 0.0.0.0; needs a certificate"
    )
    group.add_argument("--certificate", type=Path, metavar="FILE.pem", help="TLS certificate")
    group.add_argument("--certificate-key", type=Path, metavar="FILE.pem", help="key of the certificate")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from realtime.commands.ending import ended_by_signals

    try:
        from realtime.app.pages.all_pages import add_pages
        from realtime.app.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("nicegui", "fastapi"):
            raise
        raise RealtimeError("the app needs NiceGUI; install it with: pip install 'kinecast[app]'") from error

    options = app_options(args)
    scheme = "http" if options.certificate is None else "https"
    print(f"kinecast app at {scheme}://{options.host}:{options.port} (Ctrl-C ends it)", flush=True)
    print(f"recordings: {options.recordings}", flush=True)
    if options.token_path is not None:
        print(f"the token that it asks for is in {options.token_path}", flush=True)
    with ended_by_signals(), suppress(KeyboardInterrupt):
        serve(options, add_pages)
    return 0


def app_options(args: argparse.Namespace) -> AppOptions:
    """Options that the command line asks for.

    Raises:
        AppError: other devices are to be served without a certificate, or a folder cannot be created.
    """
    from platformdirs import user_documents_path, user_state_path

    from realtime.app.options import DEFAULT_HOST, DEFAULT_PORT, AppError, AppOptions, make_folder

    given = args.certificate, args.certificate_key
    host = args.host or DEFAULT_HOST
    if host != DEFAULT_HOST and None in given:
        raise AppError(
            f"--host {host} shows camera and recordings to other devices: it needs --certificate FILE.pem "
            "and --certificate-key FILE.pem (how to make them: realtime/docs/app.md)",
            name="host",
            value=host,
        )
    for path in given:
        if path is not None and not path.is_file():
            raise AppError(f"{path}: no such file; give a certificate and its key in PEM", value=path)
    if (given[0] is None) != (given[1] is None):
        raise AppError(
            "a certificate needs its key: give both --certificate and --certificate-key", name="certificate"
        )
    folder = make_folder(user_state_path("kinecast") / "app")
    return AppOptions(
        recordings=make_folder(args.recordings or user_documents_path() / "kinecast"),
        folder=folder,
        host=host,
        port=args.port or DEFAULT_PORT,
        token_path=folder / "token" if args.token or host != DEFAULT_HOST else None,
        certificate=None if None in given else given,
        opens_browser=not args.no_browser,
    )
