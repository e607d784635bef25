"""`kinecast calibrate floor`: height and orientation of the camera relative to the floor."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import check_can_write, positive_float, rate_hz, size_px
from realtime.commands.calibrate.board_options import add_board_options, board_of
from realtime.commands.options import add_camera_options, camera_options, height_m
from realtime.estimators.build import make_camera

if TYPE_CHECKING:
    from calib.boards.floor import FloorFit
    from calib.camera import CameraCalibration
    from realtime.sample import Frame
    from realtime.sources.source import FrameSource

HELP = "measure the camera's height and tilt above the floor"
DEFAULT_SQUARE_M = 0.028
"""Default of `kinecast calibrate board`."""
DURATION_S = 20.0
LOOKS_PER_S = 4.0
"""Frames per second in which the board is looked for."""
MAX_VIEWS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sources = parser.add_argument_group("source, one of").add_mutually_exclusive_group(required=True)
    sources.add_argument("--images", metavar="DIR", help="a folder of images")
    sources.add_argument("--video", metavar="FILE", help="a video; the camera must not move")
    sources.add_argument("--source", metavar="N", help="camera number or URL")
    parser.add_argument(
        "--by",
        choices=("person", "board"),
        default="person",
        help="a person who stands, then walks to the camera and away, or a board lying on the floor; "
        "default: %(default)s",
    )
    parser.add_argument("--height", type=height_m, metavar="M", help="the person's stature in metres")
    parser.add_argument("--thickness-m", type=float, default=0.0, metavar="M", help="thickness of the board")
    add_camera_options(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE.json", help="output, for --camera-file"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="write an image with the floor's grid"
    )
    parser.add_argument(
        "--duration",
        type=positive_float,
        default=DURATION_S,
        metavar="S",
        help="duration with a camera; default: %(default)g",
    )
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from a camera")
    parser.add_argument(
        "--rate", type=rate_hz, metavar="HZ", help="frame rate requested from a camera, or of images"
    )
    parser.add_argument("--offline", action="store_true", help="do not use the network")
    add_board_options(parser, square_m=DEFAULT_SQUARE_M)


def run(args: argparse.Namespace) -> int:
    """Collect observations, fit the floor, and write and print the result."""
    from calib.camera_file import save_camera
    from realtime.errors import RealtimeError
    from realtime.sources.parse import parse_source

    if args.by == "person" and args.height is None:
        raise RealtimeError(
            "the floor is measured by the person's stature; give it with --height 1.75 (or use --by board)"
        )
    for path in (args.out, args.picture):
        check_can_write(path)
    source = parse_source(args.images or args.video or args.source, fps=args.rate, size_px=args.size)
    source.open()
    try:
        camera = make_camera(camera_options(args), source.width_px, source.height_px)
        print(f"{source.description}: {camera.description}", flush=True)
        fit, shown = (
            _by_board(args, source, camera) if args.by == "board" else _by_person(args, source, camera)
        )
    finally:
        source.close()
    placed = replace(camera, T_ground_cam=fit.T_ground_cam, has_floor=True)
    save_camera(args.out, placed, {"floor": _details(fit, args.by)})
    if args.picture is not None:
        _write_picture(args.picture, shown, placed)
    print(_describe(fit, args.by))
    print(f"written to {args.out}; check it: kinecast live --camera-file {args.out} --floor")
    return 0


def _frames(source: FrameSource, duration_s: float) -> Iterator[Frame]:
    """Frames until the end of the source, from a camera for the given duration."""
    from tqdm import tqdm

    first_ns = None
    with tqdm(desc="floor", unit="frame", leave=False, disable=None) as progress:
        while (frame := source.read()) is not None:
            first_ns = frame.t_capture_ns if first_ns is None else first_ns
            if source.is_live and frame.t_capture_ns - first_ns > duration_s * 1e9:
                return
            progress.update()
            yield frame


def _by_board(
    args: argparse.Namespace, source: FrameSource, camera: CameraCalibration
) -> tuple[FloorFit, Frame | None]:
    """Fit the floor to a board lying on it; also returns a frame that shows the board."""
    import numpy as np

    from calib.boards.board import BoardFinder, board_pose
    from calib.boards.floor import floor_from_boards

    board = board_of(args)
    finder = BoardFinder(board)
    poses, shown, next_ns = [], None, None
    for frame in _frames(source, args.duration):
        # All images of a folder are used.
        if next_ns is not None and frame.t_capture_ns < next_ns and not args.images:
            continue
        next_ns = frame.t_capture_ns + int(1e9 / LOOKS_PER_S)
        view = finder.find(frame.image)
        if view is not None:
            poses.append(board_pose(view, board, camera.intrinsics)[0])
            shown = frame
        if len(poses) == MAX_VIEWS:
            break
    return floor_from_boards(np.array(poses).reshape(-1, 4, 4), args.thickness_m), shown


def _by_person(
    args: argparse.Namespace, source: FrameSource, camera: CameraCalibration
) -> tuple[FloorFit, Frame | None]:
    """Fit the floor to a person who stands or walks; also returns a frame that shows them."""
    from calib.boards.floor import floor_from_person
    from engines.assets import fetch
    from engines.blazepose.tracker import BlazePose
    from realtime.calibration.floor_moments import INTERVAL_S, StandingMoments

    blazepose = BlazePose(
        fetch("pose_landmark_full", offline=args.offline), fetch("pose_detection", offline=args.offline)
    )
    if source.is_live:
        print(f"stand still for 3 s, then walk to the camera and away, for {args.duration:g} s", flush=True)
    interval_s = 0.0 if args.images else INTERVAL_S
    moments, shown = StandingMoments(camera, args.height, interval_s=interval_s), None
    for frame in _frames(source, args.duration):
        if moments.add(frame.t_capture_ns, blazepose.step(frame.image, frame.t_capture_ns)):
            shown = frame
    return floor_from_person(moments.collected()), shown


def _details(fit: FloorFit, by: str) -> dict[str, object]:
    """Details of the measurement for the camera file."""
    import math

    values = {
        "pitch_deg": fit.pitch_deg,
        "roll_deg": fit.roll_deg,
        "height_m": fit.height_m,
        "pitch_sigma_deg": fit.pitch_sigma_deg,
        "height_sigma_m": fit.height_sigma_m,
    }
    finite = {name: round(value, 4) for name, value in values.items() if math.isfinite(value)}
    return {"measured_by": by, "views": fit.n_used, **finite}


def _describe(fit: FloorFit, by: str) -> str:
    sure = fit.pitch_sigma_deg
    text = (
        f"camera {fit.height_m:.2f} m over the floor, looks {'down' if fit.pitch_deg < 0 else 'up'} by "
        f"{abs(fit.pitch_deg):.1f} deg, turned by {fit.roll_deg:.1f} deg; from {fit.n_used} "
        f"{'views of the board' if by == 'board' else 'moments of standing'}"
    )
    if sure == sure:
        text += f"; pitch +-{sure:.1f} deg, height +-{fit.height_sigma_m:.2f} m"
    if by == "person" and sure > 2.0:
        text += ". Walking towards the camera and away gives a more accurate pitch"
    return text


def _write_picture(path: Path, frame: Frame | None, camera: CameraCalibration) -> None:
    import cv2

    from realtime.errors import RealtimeError
    from realtime.overlay.floor_grid import draw_floor_grid

    assert frame is not None  # without a frame nothing was measured
    image = frame.image.copy()
    draw_floor_grid(image, camera)
    try:
        is_written = cv2.imwrite(str(path), image)
    except cv2.error:
        is_written = False
    if not is_written:
        raise RealtimeError(f"{path}: cannot write the image; accepted: a name that ends in .png or .jpg")
