"""Collection of what several cameras see at the same moments: a board's corners, or a person's joints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardFinder, BoardView
from calib.boards.camera_views import Verdict, ViewCollector
from calib.boards.two_views import JointTracks
from realtime.calibration.two_view_session import LOOKS_PER_S, MOST_PAIRS, joint_tracks
from realtime.sources.files import PictureSource

if TYPE_CHECKING:
    from engines.blazepose.tracker import BlazePose, BlazePoseResult
    from realtime.views.live_source import LiveViewsSource
    from realtime.views.source import ViewsSource

Array = NDArray[np.float64]


def collect_joints_of_all(
    source: ViewsSource | LiveViewsSource, networks: Sequence[BlazePose], n_frames: int | None = None
) -> list[JointTracks]:
    """Track the person's joints in every camera.

    Args:
        source: Open source of all cameras.
        networks: One tracker for each.
        n_frames: Largest number of moments; None for all.
    """
    tracks: list[list[BlazePoseResult | None]] = [[] for _ in networks]
    while (n_frames is None or len(tracks[0]) < n_frames) and (frame := source.read()) is not None:
        images = source.tiles.split(frame.image)
        for image, network, track in zip(images, networks, tracks, strict=True):
            track.append(None if image is None else network.step(image, frame.t_capture_ns))
    return [joint_tracks(track) for track in tracks]


def collect_boards_of_all(
    source: ViewsSource | LiveViewsSource, board: Board
) -> list[tuple[BoardView | None, ...]]:
    """Moments in which at least two cameras see the board, each in another position than those before.

    All images of folders are used.

    Args:
        source: Open source of all cameras.
        board: Board shown to them.
    """
    finder = BoardFinder(board)
    are_pictures = all(isinstance(one, PictureSource) for one in source.sources)
    collectors = [
        ViewCollector(board, *size_px, needs_still=source.is_live) for size_px in source.tiles.sizes_px
    ]
    moments: list[tuple[BoardView | None, ...]] = []
    next_ns = 0
    while len(moments) < MOST_PAIRS * len(collectors) and (frame := source.read()) is not None:
        if frame.t_capture_ns < next_ns and not are_pictures:
            continue
        next_ns = frame.t_capture_ns + round(1e9 / LOOKS_PER_S)
        images = source.tiles.split(frame.image)
        seen = tuple(None if image is None else finder.find(image) for image in images)
        shown = [(k, one) for k, one in enumerate(seen) if one is not None]
        if len(shown) < 2:
            continue
        first, view = shown[0]
        image = images[first]
        if image is None:
            continue
        if are_pictures or collectors[first].judge(image, view) is Verdict.TAKEN:
            collectors[first].add(view)
            moments.append(seen)
    return moments


def corners_as_points(moments: Sequence[Sequence[BoardView | None]], board: Board) -> Array:
    """Corners of moment after moment; NaN where a camera does not see one. Shape: (n_cameras, n, 2)."""
    uv_px = np.full((len(moments[0]), len(moments), board.n_corners, 2), np.nan)
    for moment, views in enumerate(moments):
        for camera, view in enumerate(views):
            if view is not None:
                uv_px[camera, moment, view.ids] = view.uv_px
    return uv_px.reshape(len(moments[0]), -1, 2)
