"""Collecting views of a board for a calibration: from pictures, a video, or a camera with guidance."""

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
"""Shows what a live calibration sees; False ends it."""


@dataclass(slots=True)
class BoardSession:
    """Views of a board, and where they are from."""

    source: str
    views: list[BoardView] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the pictures that the views are from."""
    without_board: list[str] = field(default_factory=list)
    """Pictures in which the board was not found."""

    def add(self, view: BoardView, name: str) -> None:
        """Keep a view."""
        self.views.append(view)
        self.names.append(name)


def collect_pictures(source: FrameSource, board: Board) -> BoardSession:
    """Look for the board in every picture.

    Raises:
        SourceError: the pictures cannot be read, or differ in size.
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
    """Take the sharp and different views of a video.

    Args:
        source: the video.
        board: what it shows.
        looks_per_s: how often to look for the board.

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
        source: an open camera; stays open.
        board: what is shown to it.
        show: shows each picture with what was found; False ends the collection.
        say: tells what to do next, each time that changes.

    Raises:
        SourceError: the camera broke.
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
    """Look again, as well as possible, and keep what is found."""
    view = finder.find(frame.image)
    if view is None:
        return False
    collector.add(view)
    session.add(view, f"frame {frame.frame_id}")
    return True


def save_fit(
    path: Path, fit: IntrinsicsFit, session: BoardSession, board: Board, *, name: str, device: str
) -> None:
    """Write a calibration, and how it came about.

    Args:
        path: replaced if it exists.
        fit: what was measured.
        session: from what.
        board: with what.
        name: of the camera, for people.
        device: what the computer calls it; empty where not known.

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
    """The result as a few lines for people."""
    k = fit.intrinsics
    across, down = k.fov_deg
    lines = [
        f"{len(session.views)} views, {len(fit.rejected)} of them left out; {len(session.without_board)} "
        "pictures without the board"
    ]
    lines += [f"  {session.names[index]}: {reason}" for index, reason in sorted(fit.rejected.items())]
    lines += [
        f"focal length {k.fx:.1f}, {k.fy:.1f} px (+- {fit.focal_sd_px:.1f}); field of view "
        f"{across:.1f} x {down:.1f} deg",
        f"centre {k.cx:.1f}, {k.cy:.1f} px (+- {fit.centre_sd_px:.1f}) of {k.width_px}x{k.height_px}",
        "distortion " + ", ".join(f"{value:.4g}" for value in k.distortion),
        f"corners {fit.rms_px:.2f} px off, in the worst view {np.nanmax(fit.view_rms_px):.2f} px",
    ]
    return "\n".join(lines)
