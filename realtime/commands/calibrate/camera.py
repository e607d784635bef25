"""`kinecast calibrate camera`: focal length, principal point and distortion from views of a board."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import check_can_write, rate_hz, size_px
from realtime.commands.calibrate.board_options import add_board_options, board_of

if TYPE_CHECKING:
    from calib.boards.board import Board, BoardView
    from calib.boards.camera_views import Verdict, ViewCollector
    from realtime.calibration.camera_session import BoardSession, Image
    from realtime.sources.source import FrameSource

HELP = "calibrate a camera with a printed board"
LOOKS_PER_S = 6.0
"""Frames per second of a video in which the board is looked for."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sources = parser.add_argument_group("source, one of").add_mutually_exclusive_group(required=True)
    sources.add_argument("--images", metavar="DIR", help="a folder of images")
    sources.add_argument("--video", metavar="FILE", help="a video in which the board is moved slowly")
    sources.add_argument("--source", metavar="N", help="camera number or URL, with guidance on the screen")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE.json", help="output, for --camera-file"
    )
    parser.add_argument("--name", help="name of the camera; default: the device's name")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from a camera")
    parser.add_argument("--rate", type=rate_hz, metavar="HZ", help="frame rate requested from a camera")
    parser.add_argument("--no-window", "--headless", action="store_true", help="guidance as text only")
    add_board_options(parser)


def run(args: argparse.Namespace) -> int:
    """Collect views, fit the camera, and write and print the result."""
    from calib.boards.camera_fit import fit_intrinsics
    from realtime.calibration.camera_session import collect_pictures, collect_video, describe_fit, save_fit
    from realtime.sources.cameras import device_name
    from realtime.sources.parse import parse_source

    board = board_of(args)
    check_can_write(args.out)
    source = parse_source(args.images or args.video or args.source, fps=args.rate, size_px=args.size)
    if args.images:
        session = collect_pictures(source, board)
    elif args.video:
        session = collect_video(source, board, LOOKS_PER_S)
    else:
        session = _collect_live(source, board, with_window=not args.no_window)
    fit = fit_intrinsics(session.views, board)
    device = device_name(source)
    name = args.name or device or Path(source.description).name
    save_fit(args.out, fit, session, board, name=name, device=device)
    print(describe_fit(fit, session))
    print(f"written to {args.out}; use it with: kinecast live --camera-file {args.out}")
    return 0


def _collect_live(source: FrameSource, board: Board, *, with_window: bool) -> BoardSession:
    """Guide the person in a window, or by text without a window."""
    from realtime.calibration.board_picture import draw_guidance
    from realtime.calibration.camera_session import collect_live
    from realtime.overlay.style import Typeface
    from realtime.overlay.window import Window, display_problem

    problem = display_problem() if with_window else None
    if problem:
        logger.warning("%s; continuing without a window", problem)
    window, typeface = Window(), Typeface()
    source.open()
    try:
        if with_window and not problem:
            window.open(source.width_px, source.height_px)

        def show(image: Image, view: BoardView | None, collector: ViewCollector, verdict: Verdict) -> bool:
            if window.is_shown:
                window.show(draw_guidance(image, view, collector, verdict, typeface, window.size_px))
            return window.is_open()

        return collect_live(source, board, show=show)
    finally:
        window.close()
        source.close()
