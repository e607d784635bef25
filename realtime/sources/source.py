"""The protocol of all sources of frames, and what their implementations share."""

from __future__ import annotations

import os
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from realtime.sample import Frame

DEFAULT_FPS = 30.0
"""Frame rate of images in a folder, and of videos that do not state a usable one."""
FPS_RANGE = (1.0, 1000.0)
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ogv", ".wmv", ".3gp")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


class FrameSource(Protocol):
    """Gives frames one after the other, all of one size, with strictly increasing stamps.

    `open`, `read` and `close` belong to one thread at a time; `interrupt` may come from any thread.
    """

    @property
    def description(self) -> str:
        """Name of the source in messages."""

    @property
    def width_px(self) -> int:
        """Size of the frames; known once open."""

    @property
    def height_px(self) -> int:
        """Size of the frames; known once open."""

    @property
    def fps(self) -> float:
        """Nominal rate; known once open."""

    @property
    def is_live(self) -> bool:
        """True if frames are lost unless they are read in time."""

    @property
    def n_frames(self) -> int | None:
        """Announced length, for progress bars only: files are often wrong. 0: not known. None: endless."""

    @property
    def note(self) -> str:
        """A note for the user, such as that a camera is gone; empty without one."""

    def open(self) -> None:
        """Prepare to read; may be called again after `close`.

        Raises:
            SourceError: nothing can be read; the message names what was tried.
        """

    def read(self) -> Frame | None:
        """The next frame; None at the end and after `interrupt`.

        Raises:
            SourceError: the source failed for good.
        """

    def interrupt(self) -> None:
        """Make a waiting `read` return soon."""

    def close(self) -> None:
        """Release everything; harmless if not open."""


def quiet_opencv() -> None:
    """Keep OpenCV and FFmpeg from writing about failures that kinecast reports itself."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # the only switch OpenCV offers for FFmpeg
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def as_bgr(image: MatLike) -> NDArray[np.uint8]:
    """Three colour channels, read-only."""
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    bgr: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8)
    bgr.flags.writeable = False
    return bgr
