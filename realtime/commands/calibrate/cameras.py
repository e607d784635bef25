"""`kinecast calibrate cameras`: positions of several cameras, in one rig file."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realtime.commands.arguments import check_can_write, positive_int, size_px
from realtime.commands.calibrate.board_options import add_board_options, board_of
from realtime.commands.options import height_m
from realtime.commands.views import offsets_s
from realtime.estimators.build import load_camera_for

if TYPE_CHECKING:
    from calib.boards.many_cameras import ManyFit
    from calib.camera import CameraCalibration
    from realtime.views.live_source import LiveViewsSource
    from realtime.views.source import ViewsSource

HELP = "measure the positions of several cameras with a board or a person, as a rig"
NETWORKS = ("pose_landmark_full", "pose_detection")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--source", action="append", required=True,
        help="camera, video or folder of images; once for each camera",
    )  # fmt: skip
    parser.add_argument(
        "--camera-file", action="append", required=True, type=Path, metavar="FILE.json",
        help="its calibration by kinecast calibrate camera; once for each source, in the same order",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="RIG.json", help="output: all cameras")
    parser.add_argument(
        "--height", type=height_m, metavar="M", help="use a person of this stature instead of a board"
    )
    parser.add_argument(
        "--offsets", type=offsets_s, metavar="S,S",
        help="when the first frame of each video was taken, in seconds on one clock; default: 0",
    )  # fmt: skip
    parser.add_argument("--frames", type=positive_int, metavar="N", help="stop after N moments")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from cameras")
    parser.add_argument("--offline", action="store_true", help="do not use the network")
    add_board_options(parser, is_required=False)


def run(args: argparse.Namespace) -> int:
    """Collect what the cameras see, relate them, and write and print the rig."""
    from calib.rig import make_rig, save_rig
    from realtime.errors import RealtimeError

    if (args.height is None) == (args.square_m is None):
        raise RealtimeError("choose one: --square-m M for a board, or --height M for a person's stature")
    if len(args.source) != len(args.camera_file):
        raise RealtimeError(
            f"{len(args.source)} sources and {len(args.camera_file)} camera files; give one file for each "
            "source, in the same order", name="camera_file",
        )  # fmt: skip
    check_can_write(args.out)
    source = _source(args)
    source.open()
    try:
        cameras = [
            load_camera_for(path, width_px, height_px)
            for path, (width_px, height_px) in zip(args.camera_file, source.tiles.sizes_px, strict=True)
        ]
        fit = _by_board(args, source, cameras) if args.height is None else _by_person(args, source, cameras)
    finally:
        source.close()
    rig = make_rig(_placed(cameras, fit))
    save_rig(args.out, rig, {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "reprojection_px": [round(float(error_px), 3) for error_px in fit.rms_px],
        "points": fit.n_points,
    })  # fmt: skip
    for camera, error_px in zip(rig.cameras, fit.rms_px.tolist(), strict=True):
        away_m = float(np.linalg.norm(camera.T_ground_cam[:3, 3] - rig.cameras[0].T_ground_cam[:3, 3]))
        print(f"{camera.name}: {away_m:.3f} m from {rig.names[0]}, reprojection error {error_px:.2f} px")
    print(f"from {fit.n_points} points that two or more cameras see; written to {args.out}")
    return 0


def _source(args: argparse.Namespace) -> ViewsSource | LiveViewsSource:
    from realtime.sources.parse import parse_source
    from realtime.views.live_source import LiveViewsSource
    from realtime.views.source import ViewsSource

    sources = [parse_source(text, size_px=args.size) for text in args.source]
    kind = LiveViewsSource if any(source.is_live for source in sources) else ViewsSource
    return kind(sources, args.offsets)


def _placed(cameras: list[CameraCalibration], fit: ManyFit) -> list[CameraCalibration]:
    """The cameras in the ground of the first, with names of their own."""
    from dataclasses import replace

    names = [camera.name for camera in cameras]
    are_unique = all(names) and len(set(names)) == len(names)
    return [
        replace(
            camera,
            name=camera.name if are_unique else f"cam{k}",
            T_ground_cam=cameras[0].T_ground_cam @ fit.T_first_cam[k],
        )
        for k, camera in enumerate(cameras)
    ]


def _by_board(
    args: argparse.Namespace, source: ViewsSource | LiveViewsSource, cameras: list[CameraCalibration]
) -> ManyFit:
    from calib.boards.many_cameras import fit_cameras
    from calib.boards.two_cameras import PairFit, pair_from_boards
    from calib.errors import CameraError
    from realtime.calibration.many_view_session import collect_boards_of_all, corners_as_points

    board, intrinsics = board_of(args), [camera.intrinsics for camera in cameras]
    moments = collect_boards_of_all(source, board)
    if not moments:
        raise CameraError("no two cameras saw the board at the same moment; hold it where they both see it")

    def pair(a: int, b: int) -> PairFit:
        both = [(one[a], one[b]) for one in moments]
        seen = [(first, second) for first, second in both if first is not None and second is not None]
        return pair_from_boards(seen, board, intrinsics[a], intrinsics[b])

    across = np.arange(len(moments), dtype=np.int64) * board.n_corners
    lengths = [
        (across, across + k, float(np.linalg.norm(board.corners_m[k] - board.corners_m[0])))
        for k in range(1, board.n_corners)
    ]
    return fit_cameras(corners_as_points(moments, board), intrinsics, pair, lengths=lengths)


def _by_person(
    args: argparse.Namespace, source: ViewsSource | LiveViewsSource, cameras: list[CameraCalibration]
) -> ManyFit:
    from calib.boards.many_cameras import fit_cameras, limb_lengths
    from calib.boards.two_cameras import PairFit
    from calib.boards.two_views import MIN_CONFIDENCE, pair_from_joints
    from engines.assets import fetch
    from engines.blazepose.tracker import BlazePose
    from realtime.calibration.many_view_session import collect_joints_of_all
    from realtime.calibration.two_view_session import limbs_of_person

    landmarks, detector = (fetch(name, offline=args.offline) for name in NETWORKS)
    networks = [BlazePose(landmarks, detector) for _ in cameras]
    tracks = collect_joints_of_all(source, networks, args.frames)
    intrinsics, limbs = [camera.intrinsics for camera in cameras], limbs_of_person(args.height)

    def pair(a: int, b: int) -> PairFit:
        return pair_from_joints(tracks[a], tracks[b], intrinsics[a], intrinsics[b], limbs)

    uv_px = np.stack(
        [np.where(one.confidence[..., None] >= MIN_CONFIDENCE, one.uv_px, np.nan) for one in tracks]
    )
    n_moments, n_joints = uv_px.shape[1:3]
    lengths = limb_lengths(limbs, n_moments, n_joints)
    return fit_cameras(uv_px.reshape(len(cameras), -1, 2), intrinsics, pair, lengths=lengths)
