"""`kinecast view`: the streamed skeleton in a 3D window, in a separate process."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import (
    add_key_options,
    check_can_write,
    client_keys,
    names,
    positive_float,
    positive_int,
    size_px,
)
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.client import Subscription
    from realtime.stream.security import ClientKeys
    from realtime.viewer.body import MeshMaker
    from realtime.viewer.people import FurtherPerson

HELP = "show the skeleton of a running tracker in 3D"
TITLE = "kinecast view"
NICENESS = 5
HINT_AFTER_S = 3.0
"""Lowered priority, so that rendering in software does not slow a tracker on the same processor."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    from realtime.viewer.hud import KEYS

    parser.add_argument("--connect", default=DEFAULT_ADDRESS, metavar="ADDR", help="default: %(default)s")
    add_key_options(parser)
    parser.add_argument(
        "--people",
        type=positive_int,
        default=1,
        metavar="N",
        help="show up to N people of a tracker with --people; default: %(default)s",
    )
    parser.add_argument(
        "--show", type=names, metavar="NAMES", help="coordinates to show as numbers, separated by commas"
    )
    parser.add_argument(
        "--trails",
        type=names,
        metavar="BODIES",
        help="bodies whose joints leave trails; default: hands and toes",
    )
    parser.add_argument(
        "--ghost",
        metavar="ADDR|DIR|FILE",
        help="second figure: another stream, a recording, or a .mot or .sto file",
    )
    parser.add_argument(
        "--geometry", type=Path, metavar="DIR", help="folder with the meshes (.vtp, .stl, .obj) of --skeleton"
    )
    parser.add_argument(
        "--skeleton", type=Path, metavar="FILE.osim", help="model for --geometry and for a file as --ghost"
    )
    parser.add_argument("--size", type=size_px, default=(1280, 720), metavar="WxH", help="default: 1280x720")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="save an image and exit")
    parser.add_argument(
        "--after",
        type=positive_float,
        default=5.0,
        metavar="S",
        help="delay of --screenshot; default: %(default)s",
    )
    listed = "; ".join(f"{key}: {does}" for key, does in KEYS)
    parser.epilog = f"Keys and mouse: {listed}."


def run(args: argparse.Namespace) -> int:
    """Show the stream until the window is closed."""
    from realtime.client import subscribe
    from realtime.overlay.style import person_colour
    from realtime.viewer.ghost import open_ghost
    from realtime.viewer.scene import ViewerScene
    from realtime.viewer.viewer import Viewer
    from realtime.viewer.window import ViewerWindow

    _check(args)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    make_meshes = _meshes(args)
    keys = client_keys(args)
    with ExitStack() as opened, suppress(KeyboardInterrupt):
        ghost = None if args.ghost is None else open_ghost(args.ghost, args.skeleton, keys)
        if ghost is not None:
            opened.callback(ghost.close)
        further = [opened.enter_context(closing(one)) for one in _further_people(args, make_meshes, keys)]
        stream = opened.enter_context(subscribe(args.connect, poses=True, keys=keys))
        window = ViewerWindow(TITLE, args.size)
        opened.callback(window.close)
        viewer = Viewer(
            window,
            stream,
            address=args.connect,
            coordinates=args.show,
            scene=ViewerScene(args.trails, make_meshes, person_colour(1) if further else None),
            ghost=ghost,
            further=further,
        )
        hint = threading.Timer(HINT_AFTER_S, _hint, [stream])
        hint.daemon = True
        hint.start()
        viewer.run(until_s=None if args.screenshot is None else time.monotonic() + args.after)
        hint.cancel()
        if args.screenshot is not None:
            window.save(args.screenshot)
            print(f"{args.screenshot}: {viewer.described()}")
    return 0


def _further_people(
    args: argparse.Namespace, make_meshes: MeshMaker, keys: ClientKeys | None
) -> list[FurtherPerson]:
    from realtime.client import subscribe
    from realtime.overlay.style import person_colour
    from realtime.viewer.body import DrawnBody
    from realtime.viewer.people import FurtherPerson

    return [
        FurtherPerson(
            subscribe(args.connect, latest=True, poses=True, keys=keys, person=number),
            DrawnBody(make_meshes, person_colour(number)),
            number,
        )
        for number in range(2, args.people + 1)
    ]


def _hint(stream: Subscription) -> None:
    """Say why the window stays empty; in a thread of its own, as finding out takes time."""
    if not stream.received:
        print(f"kinecast: {stream.described_silence(HINT_AFTER_S)}", file=sys.stderr)


def _check(args: argparse.Namespace) -> None:
    """Check the options before a window opens."""
    from realtime.errors import RealtimeError
    from realtime.viewer.window import screen_problem

    problem = screen_problem()
    if problem and args.screenshot is None:
        raise RealtimeError(
            f"{problem}; to save an image without a screen: kinecast view --screenshot FILE.png"
        )
    if args.geometry is not None and args.skeleton is None:
        raise RealtimeError("--geometry holds the meshes of a model; give the model: --skeleton FILE.osim")
    check_can_write(args.screenshot)


def _meshes(args: argparse.Namespace) -> MeshMaker:
    from realtime.viewer.body import parametric_bones

    if args.geometry is None:
        return parametric_bones
    from realtime.viewer.model_meshes import ModelMeshes

    meshes = ModelMeshes(args.skeleton, args.geometry)
    print(f"{args.geometry}: {meshes.described}")
    return meshes
