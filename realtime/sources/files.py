"""Sources on disk: videos and folders of images, stamped by their own presentation clock."""

from __future__ import annotations

import re
import time
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.sources.source import (
    DEFAULT_FPS,
    FPS_RANGE,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    as_bgr,
    hide_password,
    quiet_opencv,
)

COMPLETE_SHARE = 0.95
"""Containers often announce a few frames too many; a video with a smaller share is reported as cut."""
RATE_FRAMES = 30


class _FileSource:
    """What videos and folders share: stamps by the presentation clock, one size."""

    is_live = False
    note = ""

    def __init__(self, description: str) -> None:
        self.description = description
        self.width_px = 0
        self.height_px = 0
        self.fps = DEFAULT_FPS
        self.n_frames: int | None = 0
        self._interrupted = False
        self._rewind()

    def _rewind(self) -> None:
        self._interrupted = False
        self._frame_id = 0
        self._start_ns = 0
        self._last_ns = -1

    def interrupt(self) -> None:
        """Make the next `read` return None."""
        self._interrupted = True

    def _frame(self, image: MatLike, presented_ns: int) -> Frame:
        """Stamp one image.

        Raises:
            SourceError: its size differs from that of the first.
        """
        if image.shape[:2] != (self.height_px, self.width_px):
            raise SourceError(
                f"{self.description}: frame {self._frame_id} is {image.shape[1]}x{image.shape[0]}, the first "
                f"was {self.width_px}x{self.height_px}; all frames of a source must have one size",
                name="size_px",
                value=(image.shape[1], image.shape[0]),
                accepted=[(self.width_px, self.height_px)],
            )
        if self._frame_id == 0:
            self._start_ns = time.perf_counter_ns()
        elif presented_ns <= self._last_ns:
            # Missing, repeated or restarted time stamps: go on at the nominal rate.
            presented_ns = self._last_ns + round(1e9 / self.fps)
        self._last_ns = presented_ns
        frame = Frame(self._frame_id, self._start_ns + presented_ns, as_bgr(image))
        self._frame_id += 1
        return frame


class VideoSource(_FileSource):
    """A video file or the URL of one, read frame by frame in the order of presentation.

    Seeking and the container's frame count are not relied upon: both are often wrong. Rotation that
    phones store as metadata is applied.
    """

    def __init__(self, path: str) -> None:
        super().__init__(hide_password(path))
        self._path = path
        self._capture: cv2.VideoCapture | None = None
        self._first: tuple[MatLike, int] | None = None
        self.is_cut = False
        """True once the video has ended well before its announced length."""

    def open(self) -> None:
        """Open the file and decode its first frame.

        Raises:
            SourceError: it is missing, empty, cut before the first frame, or not a video.
        """
        quiet_opencv()
        self.close()
        self._rewind()
        self.is_cut = False
        if "://" not in self._path:
            _require_readable_file(Path(self._path))
        self._capture = self._open_capture()
        self.fps = self._measure_fps(self._capture.get(cv2.CAP_PROP_FPS))
        self._first = self._decode()
        if self._first is None:
            self.close()
            raise SourceError(
                f"{self.description}: not a single frame can be decoded; the file may be cut short or use a "
                f"codec this OpenCV lacks; try: ffmpeg -i {self.description} -c:v libx264 repaired.mp4",
                name="source",
                value=self.description,
            )
        self.height_px, self.width_px = self._first[0].shape[:2]
        self.n_frames = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def _open_capture(self) -> cv2.VideoCapture:
        for backend in (cv2.CAP_FFMPEG, cv2.CAP_ANY):
            capture = cv2.VideoCapture(self._path, backend)
            if capture.isOpened():
                capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
                return capture
            capture.release()
        raise SourceError(
            f"{self.description}: not a video that can be read: unknown format, or cut short before its "
            f"index was written; accepted: mp4, mov, avi, mkv, webm and whatever else FFmpeg reads",
            name="source",
            value=self.description,
            accepted=VIDEO_SUFFIXES,
        )

    def _measure_fps(self, stated_fps: float) -> float:
        """The rate of the first frames: headers average over frames that are not there."""
        usable = stated_fps if FPS_RANGE[0] <= stated_fps <= FPS_RANGE[1] else DEFAULT_FPS
        if "://" in self._path:
            return usable
        capture = self._open_capture()
        stamps_ms: list[float] = []
        while len(stamps_ms) <= RATE_FRAMES and capture.grab():
            stamps_ms.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        capture.release()
        if len(stamps_ms) < 3 or stamps_ms[-1] <= stamps_ms[0]:
            return usable
        measured = (len(stamps_ms) - 1) * 1e3 / (stamps_ms[-1] - stamps_ms[0])
        # Some containers round stamps to 1 ms: then the header knows better.
        is_rounding = abs(measured / usable - 1.0) < 1.5 / (stamps_ms[-1] - stamps_ms[0])
        return usable if is_rounding or not FPS_RANGE[0] <= measured <= FPS_RANGE[1] else measured

    def _decode(self) -> tuple[MatLike, int] | None:
        """The next image and its presentation time in ns; None at the end."""
        assert self._capture is not None
        while self._capture.grab():
            presented_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            decoded, image = self._capture.retrieve()
            if decoded:
                return image, presented_ns
        return None

    def read(self) -> Frame | None:
        """The next frame."""
        if self._interrupted or self._capture is None:
            return None
        decoded, self._first = self._first or self._decode(), None
        if decoded is None:
            self.is_cut = self._frame_id < COMPLETE_SHARE * (self.n_frames or 0)
            return None
        return self._frame(*decoded)

    @property
    def note(self) -> str:  # type: ignore[override]
        """A note that the video ended early, or an empty text."""
        if not self.is_cut:
            return ""
        return (
            f"{self.description}: {self._frame_id} frames could be read of {self.n_frames} that its header "
            f"announces; the file is cut short, or the header is wrong"
        )

    def close(self) -> None:
        """Release the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = self._first = None


class PictureSource(_FileSource):
    """The images of a folder in the order of their names (2 before 10), or one image."""

    def __init__(self, path: Path, fps: float = DEFAULT_FPS) -> None:
        super().__init__(str(path))
        self.fps = fps
        self._path = path
        self._pictures: list[Path] = []

    def open(self) -> None:
        """List the images and decode the first.

        Raises:
            SourceError: there is none, or the first cannot be read.
        """
        self._rewind()
        self._pictures = _list_pictures(self._path)
        if not self._pictures:
            raise SourceError(
                f"{self._path}: no images in this folder; accepted: {', '.join(PICTURE_SUFFIXES)}",
                name="source",
                value=self._path,
                accepted=PICTURE_SUFFIXES,
            )
        self.height_px, self.width_px = self._decode(self._pictures[0]).shape[:2]
        self.n_frames = len(self._pictures)

    def name_of(self, frame: Frame) -> str:
        """The file that a frame was read from."""
        return self._pictures[frame.frame_id].name

    def _decode(self, path: Path) -> MatLike:
        try:
            data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be read ({error.strerror})", name="source", value=path
            ) from error
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise SourceError(
                f"{path}: not an image that can be read; remove it or save it again",
                name="source",
                value=path,
            )
        return image

    def read(self) -> Frame | None:
        """The next image."""
        if self._interrupted or self._frame_id >= len(self._pictures):
            return None
        image = self._decode(self._pictures[self._frame_id])
        return self._frame(image, round(self._frame_id * 1e9 / self.fps))

    def close(self) -> None:
        """Forget the list."""
        self._pictures = []


def _list_pictures(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        found = [p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()]
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be listed ({error.strerror})", name="source", value=path
        ) from error
    return sorted(found, key=lambda p: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", p.name)])


def _require_readable_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: the file is empty", name="source", value=path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})", name="source", value=path) from error
