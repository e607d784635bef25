"""Collection of board views for a camera calibration: from images, a video, or a camera with guidance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardFinder, BoardView
from calib.boards.camera_views import Verdict, ViewCollector
from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration
from calib.camera_file import save_camera
from realtime.sample import Frame
from realtime.sources.files import PictureSource
from realtime.sources.parse import read_frames
from realtime.sources.source import FrameSource

if TYPE_CHECKING:
    from calib.boards.camera_fit import IntrinsicsFit

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]
Shower = Callable[[Image, BoardView | None, ViewCollector, Verdict], bool]
"""Callback that shows a frame of a live calibration; False ends it."""


@dataclass(slots=True)
class BoardSession:
    """Views of a board and their source."""

    source: str
    views: list[BoardView] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Names of the images with the views."""
    without_board: list[str] = field(default_factory=list)
    """Names of images in which the board was not found."""

    def add(self, view: BoardView, name: str) -> None:
        """Add a view."""
        self.views.append(view)
        self.names.append(name)


def collect_pictures(source: FrameSource, board: Board) -> BoardSession:
    """Detect the board in every image.

    Raises:
        SourceError: the images cannot be read, or differ in size.
    """
    finder, session = BoardFinder(board), BoardSession(source.description)
    for frame in read_frames(source):
        name = source.name_of(frame) if isinstance(source, PictureSource) else f"frame {frame.frame_id}"
        view = finder.find(frame.image)
        if view is None:
            session.without_board.append(name)
        else:
            session.add(view, name)
    return session


def collect_video(source: FrameSource, board: Board, looks_per_s: float) -> BoardSession:
    """Collect sharp and distinct views from a video.

    Args:
        source: The video.
        board: The board in the video.
        looks_per_s: Number of frames per second in which the board is looked for.

    Raises:
        SourceError: the video cannot be read.
    """
    quick, thorough = BoardFinder(board, thorough=False), BoardFinder(board)
    session, next_ns = BoardSession(source.description), 0
    collector: ViewCollector | None = None
    for frame in read_frames(source):
        if frame.t_capture_ns < next_ns:
            continue
        next_ns = frame.t_capture_ns + round(1e9 / looks_per_s)
        if collector is None:
            height_px, width_px = frame.image.shape[:2]
            collector = ViewCollector(board, width_px, height_px, needs_still=False)
        name = f"frame {frame.frame_id}"
        view = quick.find(frame.image)
        if view is None:
            session.without_board.append(name)
        elif collector.judge(frame.image, view) is Verdict.TAKEN:
            _take(frame, thorough, collector, session)
        if collector.is_done:
            break
    return session


def collect_live(
    source: FrameSource,
    board: Board,
    *,
    show: Shower | None = None,
    say: Callable[[str], None] = print,
) -> BoardSession:
    """Guide a person who holds the board until the views suffice.

    Args:
        source: Open camera; left open.
        board: Board shown to the camera.
        show: Callback that shows each frame with the detection; False ends the collection.
        say: Callback for the next instruction, called when it changes.

    Raises:
        SourceError: the camera failed.
    """
    quick, thorough = BoardFinder(board, thorough=False), BoardFinder(board)
    collector = ViewCollector(board, source.width_px, source.height_px)
    session, said = BoardSession(source.description), ""
    while not collector.is_done and (frame := source.read()) is not None:
        view = quick.find(frame.image)
        verdict = collector.judge(frame.image, view)
        if verdict is Verdict.TAKEN and not _take(frame, thorough, collector, session):
            verdict = Verdict.NO_BOARD
        if collector.advice != said:
            said = collector.advice
            say(f"{len(collector.views)} views, {collector.coverage.mean():.0%} covered: {said}")
        if show is not None and not show(frame.image, view, collector, verdict):
            break
    return session


def _take(frame: Frame, finder: BoardFinder, collector: ViewCollector, session: BoardSession) -> bool:
    """Detect the board again with the thorough detector and keep the view."""
    view = finder.find(frame.image)
    if view is None:
        return False
    collector.add(view)
    session.add(view, f"frame {frame.frame_id}")
    return True


def save_fit(
    path: Path, fit: IntrinsicsFit, session: BoardSession, board: Board, *, name: str, device: str
) -> None:
    """Write a calibration with details of its measurement.

    Args:
        path: Path of the file; replaced if it exists.
        fit: Result of the calibration.
        session: Views used.
        board: Board used.
        name: Name of the camera for people.
        device: Name of the device on this computer; empty if unknown.

    Raises:
        CameraError: the file cannot be written.
    """
    camera = CameraCalibration(fit.intrinsics, T_GROUND_LEVEL_CAM.copy(), fit.rms_px, name, device)
    views: list[dict[str, object]] = [
        {"picture": picture, "rms_px": round(float(rms_px), 4)}
        if index not in fit.rejected
        else {"picture": picture, "left_out": fit.rejected[index]}
        for index, (picture, rms_px) in enumerate(zip(session.names, fit.view_rms_px, strict=True))
    ]
    details = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "source": session.source,
        "board": board.as_dict(),
        "focal_sd_px": round(fit.focal_sd_px, 3),
        "centre_sd_px": round(fit.centre_sd_px, 3),
        "views": views,
        "without_board": session.without_board if len(session.without_board) <= len(views) else [],
    }
    save_camera(path, camera, details)


def describe_fit(fit: IntrinsicsFit, session: BoardSession) -> str:
    """Description of the result in a few lines."""
    k = fit.intrinsics
    across, down = k.fov_deg
    lines = [
        f"{len(session.views)} views, {len(fit.rejected)} of them left out; {len(session.without_board)} "
        "images without the board"
    ]
    lines += [f"  {session.names[index]}: {reason}" for index, reason in sorted(fit.rejected.items())]
    lines += [
        f"focal length {k.fx:.1f}, {k.fy:.1f} px (+- {fit.focal_sd_px:.1f}); field of view "
        f"{across:.1f} x {down:.1f} deg",
        f"centre {k.cx:.1f}, {k.cy:.1f} px (+- {fit.centre_sd_px:.1f}) of {k.width_px}x{k.height_px}",
        "distortion " + ", ".join(f"{value:.4g}" for value in k.distortion),
        f"reprojection error {fit.rms_px:.2f} px, in the worst view {np.nanmax(fit.view_rms_px):.2f} px",
    ]
    return "\n".join(lines)
