"""`kinecast calibrate two-cameras`: pose of a second camera relative to the first."""

from __future__ import annotations

import argparse
import re
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.commands.arguments import check_can_write, positive_int, size_px
from realtime.commands.calibrate.board_options import add_board_options, board_of
from realtime.commands.options import height_m
from realtime.estimators.build import load_camera_for

if TYPE_CHECKING:
    from calib.boards.two_cameras import PairFit
    from calib.camera import CameraCalibration
    from realtime.sources.source import FrameSource

HELP = "measure the relative pose of two cameras with a board or a person that both see"
NETWORKS = ("pose_landmark_full", "pose_detection")


def offset(text: str) -> int:
    """A number of frames, possibly negative."""
    if not re.fullmatch(r"[+-]?\d{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of frames, such as 12 or -3")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    for letter, which in (("a", "first"), ("b", "second")):
        parser.add_argument(
            f"--{letter}",
            required=True,
            metavar="SOURCE",
            help=f"{which} source: camera, video or folder of images",
        )
        parser.add_argument(
            f"--camera-{letter}", required=True, type=Path, metavar="FILE.json",
            help="its calibration by kinecast calibrate camera",
        )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE.json", help="output: both cameras with their poses"
    )
    parser.add_argument(
        "--height", type=height_m, metavar="M", help="use a person of this stature instead of a board"
    )
    parser.add_argument(
        "--offset",
        type=offset,
        default=0,
        metavar="N",
        help="frames by which the second recording began earlier",
    )
    parser.add_argument("--frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from cameras")
    parser.add_argument("--offline", action="store_true", help="do not use the network")
    add_board_options(parser, is_required=False)


def run(args: argparse.Namespace) -> int:
    """Collect simultaneous observations, fit the relative pose, and write and print the result."""
    from calib.boards.two_cameras import place_pair, save_pair
    from realtime.errors import RealtimeError
    from realtime.sources.cameras import device_name
    from realtime.sources.parse import parse_source

    if (args.height is None) == (args.square_m is None):
        raise RealtimeError("choose one: --square-m M for a board, or --height M for a person's stature")
    check_can_write(args.out)
    with ExitStack() as stack:
        sources, cameras = [], []
        for text, path in ((args.a, args.camera_a), (args.b, args.camera_b)):
            source = parse_source(text, size_px=args.size)
            source.open()
            stack.callback(source.close)
            sources.append(source)
            cameras.append(load_camera_for(path, source.width_px, source.height_px, device_name(source)))
        fit, by = (
            _by_board(args, sources, cameras) if args.height is None else _by_person(args, sources, cameras)
        )
    first, second = place_pair(cameras[0], cameras[1], fit)
    details: dict[str, object] = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "by": by,
        "rms_px": round(fit.rms_px, 4),
        "used": fit.n_used,
        "left_out": fit.n_rejected,
    }
    save_pair(args.out, first, second, details)
    apart_m = float(np.linalg.norm(fit.T_a_b[:3, 3]))
    turn_deg = float(np.degrees(np.arccos(np.clip((np.trace(fit.T_a_b[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))))
    print(
        f"cameras {apart_m:.3f} m apart, rotated by {turn_deg:.1f} deg; reprojection error "
        f"{fit.rms_px:.2f} px, from {fit.n_used} {by['what']}, {fit.n_rejected} left out"
    )
    print(f"written to {args.out}")
    return 0


def _by_board(
    args: argparse.Namespace, sources: list[FrameSource], cameras: list[CameraCalibration]
) -> tuple[PairFit, dict[str, object]]:
    from calib.boards.two_cameras import pair_from_boards
    from realtime.calibration.two_view_session import collect_board_pairs

    board = board_of(args)
    pairs = collect_board_pairs(sources[0], sources[1], board, args.offset)
    fit = pair_from_boards(pairs, board, cameras[0].intrinsics, cameras[1].intrinsics)
    return fit, {"what": "views of the board", **board.as_dict()}


def _by_person(
    args: argparse.Namespace, sources: list[FrameSource], cameras: list[CameraCalibration]
) -> tuple[PairFit, dict[str, object]]:
    from calib.boards.two_views import pair_from_joints
    from engines.assets import fetch
    from engines.blazepose.tracker import BlazePose
    from realtime.calibration.two_view_session import collect_joints, limbs_of_person

    landmarks, detector = (fetch(name, offline=args.offline) for name in NETWORKS)
    networks = BlazePose(landmarks, detector), BlazePose(landmarks, detector)
    first, second = collect_joints(sources[0], sources[1], networks, offset=args.offset, n_frames=args.frames)
    limbs = limbs_of_person(args.height)
    fit = pair_from_joints(first, second, cameras[0].intrinsics, cameras[1].intrinsics, limbs)
    return fit, {"what": "joints", "height_m": args.height}
