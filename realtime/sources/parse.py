"""Parses what a user types as a source: a camera's number, a path, a URL or `synthetic`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.sources.cameras import CameraSource, StreamSource
from realtime.sources.files import PictureSource, VideoSource
from realtime.sources.source import DEFAULT_FPS, PICTURE_SUFFIXES, VIDEO_SUFFIXES, FrameSource
from realtime.sources.synthetic import SyntheticSource

URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
ACCEPTED = (
    "a camera's number (0, 1, ...)",
    "a video",
    "a folder of images",
    "a URL such as rtsp://host/path",
    "synthetic",
)


def parse_source(
    text: str, *, fps: float | None = None, size_px: tuple[int, int] | None = None
) -> FrameSource:
    """The source that a user means: a camera's number, a path, a URL, or `synthetic`.

    Args:
        text: "0", "walk.mp4", "images/", "rtsp://host/stream" or "synthetic".
        fps: Frame rate asked of a camera, or given to the images of a folder.
        size_px: Width and height asked of a camera.

    Raises:
        SourceError: it is none of these.
    """
    if text == "synthetic":
        return SyntheticSource(fps=fps or DEFAULT_FPS)
    if re.fullmatch(r"\d{1,4}", text):
        return CameraSource(int(text), size_px=size_px, fps=fps or DEFAULT_FPS)
    url = re.match(r"([a-z][a-z0-9+.-]*)://", text, re.IGNORECASE)
    if url is None:
        return _parse_path(text, fps or DEFAULT_FPS)
    scheme = url[1].lower()
    if scheme not in URL_SCHEMES:
        raise SourceError(
            f"{url[1]}:// is not a stream; accepted: {', '.join(URL_SCHEMES)}",
            name="source", value=text, accepted=URL_SCHEMES,
        )  # fmt: skip
    is_file = scheme.startswith("http") and urlsplit(text).path.lower().endswith(VIDEO_SUFFIXES)
    return VideoSource(text) if is_file else StreamSource(text)


def read_frames(source: FrameSource) -> Iterator[Frame]:
    """Open a source, give all its frames, close it."""
    try:
        source.open()
        while (frame := source.read()) is not None:
            yield frame
    finally:
        source.close()


def _parse_path(text: str, fps: float) -> FrameSource:
    try:
        path = Path(text).expanduser()
        is_folder, is_file = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long, unknown user, NUL
        is_folder = is_file = False
    if not text.strip() or not (is_folder or is_file):
        raise SourceError(
            f"{text!r}: no such file or folder; a source is {', '.join(ACCEPTED[:-1])}, or: {ACCEPTED[-1]}",
            name="source", value=text, accepted=ACCEPTED,
        )  # fmt: skip
    if is_folder or path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureSource(path, fps=fps)
    return VideoSource(str(path))
