"""Where frames come from: one protocol for cameras, videos, pictures, network streams and drawn people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from realtime.errors import SourceError
from realtime.sample import Frame

DEFAULT_FPS = 30.0
"""For pictures in a folder, and for videos that do not state a usable rate."""
FPS_RANGE = (1.0, 1000.0)
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ogv", ".wmv", ".3gp")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")


class FrameSource(Protocol):
    """Gives frames one after the other, all of one size, with strictly increasing stamps.

    `open`, `read` and `close` belong to one thread at a time; `interrupt` may come from any thread.
    """

    @property
    def description(self) -> str:
        """What is read, for messages."""

    @property
    def width_px(self) -> int:
        """Known once open."""

    @property
    def height_px(self) -> int:
        """Known once open."""

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
        """What a user should know about the source now, such as that a camera is gone; else empty."""

    def open(self) -> None:
        """Prepare to read; may be called again after `close`.

        Raises:
            SourceError: nothing can be read; the message says what was tried.
        """

    def read(self) -> Frame | None:
        """The next frame; None at the end and after `interrupt`.

        Raises:
            SourceError: the source broke in a way that waiting does not mend.
        """

    def interrupt(self) -> None:
        """Make a waiting `read` return soon."""

    def close(self) -> None:
        """Release everything; harmless if not open."""


def parse_source(
    text: str, *, fps: float | None = None, size_px: tuple[int, int] | None = None
) -> FrameSource:
    """The source that a user means: a camera's number, a path, a URL, or `synthetic`.

    Args:
        text: "0", "walk.mp4", "pictures/", "rtsp://host/stream" or "synthetic".
        fps: Rate asked of a camera, or given to pictures in a folder.
        size_px: Width and height asked of a camera.

    Raises:
        SourceError: it is none of these.
    """
    from realtime.sources import (
        cameras,  # all build on this module
        synthetic,  # all build on this module
    )
    from realtime.sources import files as file_sources  # all build on this module

    if text == "synthetic":
        return synthetic.SyntheticSource(fps=fps or DEFAULT_FPS)
    if re.fullmatch(r"\d{1,4}", text):
        return cameras.CameraSource(int(text), size_px=size_px, fps=fps or DEFAULT_FPS)
    url = re.match(r"([a-z][a-z0-9+.-]*)://", text, re.IGNORECASE)
    if url:
        if url[1].lower() not in URL_SCHEMES:
            raise SourceError(f"{url[1]}:// is not a stream; accepted: {', '.join(URL_SCHEMES)}")
        is_file = url[1].lower().startswith("http") and urlsplit(text).path.lower().endswith(VIDEO_SUFFIXES)
        return file_sources.VideoSource(text) if is_file else cameras.StreamSource(text)
    return _parse_path(text, fps or DEFAULT_FPS)


def _parse_path(text: str, fps: float) -> FrameSource:
    from realtime.sources import files as file_sources

    try:
        path = Path(text).expanduser()
        is_folder, is_file = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long, unknown user, NUL
        is_folder = is_file = False
    if not text.strip() or not (is_folder or is_file):
        raise SourceError(
            f"{text!r}: no such file or folder; a source is a camera's number (0, 1, ...), a video, "
            f"a folder of pictures, a URL such as rtsp://host/path, or: synthetic"
        )
    if is_folder or path.suffix.lower() in PICTURE_SUFFIXES:
        return file_sources.PictureSource(path, fps=fps)
    return file_sources.VideoSource(str(path))


def read_frames(source: FrameSource) -> Iterator[Frame]:
    """Open a source, give all its frames, close it."""
    try:
        source.open()
        while (frame := source.read()) is not None:
            yield frame
    finally:
        source.close()


def quiet_opencv() -> None:
    """Keep OpenCV and FFmpeg from writing about failures that kinecast reports itself."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # the only switch OpenCV offers for FFmpeg
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def as_bgr(image: MatLike) -> NDArray[np.uint8]:
    """Three colour channels, read-only."""
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    picture: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8)
    picture.flags.writeable = False
    return picture


def hide_password(text: str) -> str:
    """A URL without the password that it may carry."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", text)
