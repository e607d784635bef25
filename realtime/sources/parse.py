"""Parses what a user types as a source: a camera's number, a path, a URL or `synthetic`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.source_names import public_source, public_words
from realtime.sources.cameras import CameraSource, StreamSource
from realtime.sources.files import PictureSource, VideoSource
from realtime.sources.source import DEFAULT_FPS, PICTURE_SUFFIXES, VIDEO_SUFFIXES, FrameSource
from realtime.sources.synthetic import SIZE_PX, SyntheticSource

URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
ACCEPTED = (
    "a camera's number (0, 1, ...)",
    "a video",
    "a folder of images",
    "a URL such as rtsp://host/path",
    "synthetic",
)


def parse_source(
    text: str,
    *,
    fps: float | None = None,
    size_px: tuple[int, int] | None = None,
    capture_fps: float | None = None,
) -> FrameSource:
    """The source that a user means: a camera's number, a path, a URL, or `synthetic`.

    Args:
        text: "0", "walk.mp4", "images/", "rtsp://host/stream" or "synthetic".
        fps: Frame rate asked of a camera, or given to the images of a folder or to a video without times.
        size_px: Width and height asked of a camera.
        capture_fps: Frames a second that the camera of a slow or fast motion video took.

    Raises:
        SourceError: it is none of these, or cannot do what is asked.
    """
    text = local_path(text)
    if text == "synthetic":
        _refuse("a drawn person", text, capture_fps=capture_fps)
        return SyntheticSource(fps=fps or DEFAULT_FPS, size_px=size_px or SIZE_PX)
    if re.fullmatch(r"\d{1,4}", text):
        _refuse("a camera", text, capture_fps=capture_fps)
        return CameraSource(int(text), size_px=size_px, fps=fps or DEFAULT_FPS)
    if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE) is None:
        return _parse_path(text, fps, size_px, capture_fps)
    if _is_video(text):
        _refuse("a video", text, size_px=size_px)
        return VideoSource(text, fps, capture_fps)
    _refuse("a network stream", text, fps=fps, size_px=size_px, capture_fps=capture_fps)
    return StreamSource(text)


def local_path(text: str) -> str:
    """The path in a URL of a file on this computer; any other text as it is.

    Raises:
        SourceError: the URL names another computer.
    """
    if not text.lower().startswith("file://"):
        return text
    host, slash, path = text[len("file://") :].partition("/")
    if host not in ("", "localhost"):
        raise SourceError(
            f"{text}: a file on another computer; accepted: file:///path of a file on this one",
            name="source",
            value=text,
        )
    return unquote(slash + path)


def _is_video(url: str) -> bool:
    """Whether a URL is that of a video file, and not of a stream.

    Raises:
        SourceError: the URL is of another kind, or malformed.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in URL_SCHEMES:
        raise SourceError(
            f"{scheme}:// is not a stream; accepted: {', '.join(URL_SCHEMES)}",
            name="source", value=public_source(url), accepted=URL_SCHEMES,
        )  # fmt: skip
    try:
        return scheme.startswith("http") and urlsplit(url).path.lower().endswith(VIDEO_SUFFIXES)
    except ValueError as error:
        shown = public_source(url)
        raise SourceError(f"{shown}: not a URL that can be read", name="source", value=shown) from error


OPTIONS = {
    "fps": ("--rate", "a camera, a folder of images, or a video without time stamps"),
    "size_px": ("--size", "a camera"),
    "capture_fps": ("--capture-rate", "a video that is slower or faster than life"),
}
"""Option of a source, and the sources that obey it."""


def _refuse(kind: str, text: str, **given: object) -> None:
    """Refuse options that this kind of source cannot obey.

    Raises:
        SourceError: one of them is given.
    """
    for name, value in given.items():
        if value is not None:
            option, accepted = OPTIONS[name]
            raise SourceError(
                f"{public_source(text)}: {option} has no meaning for {kind}; accepted: {accepted}",
                name=name,
                value=value,
            )


def read_frames(source: FrameSource) -> Iterator[Frame]:
    """Open a source, give all its frames, close it."""
    try:
        source.open()
        while (frame := source.read()) is not None:
            yield frame
    finally:
        source.close()


def _parse_path(
    text: str, fps: float | None, size_px: tuple[int, int] | None, capture_fps: float | None
) -> FrameSource:
    try:
        path = Path(text).expanduser()
        is_folder, is_file = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long, unknown user, NUL
        is_folder = is_file = False
    if not text.strip() or not (is_folder or is_file):
        shown = public_words(text)
        raise SourceError(
            f"{shown!r}: no such file or folder; a source is {', '.join(ACCEPTED[:-1])}, or: {ACCEPTED[-1]}",
            name="source", value=shown, accepted=ACCEPTED,
        )  # fmt: skip
    if is_folder or path.suffix.lower() in PICTURE_SUFFIXES:
        _refuse("images", text, size_px=size_px, capture_fps=capture_fps)
        return PictureSource(path, fps=fps or DEFAULT_FPS)
    _refuse("a video", text, size_px=size_px)
    return VideoSource(str(path), fps, capture_fps)
