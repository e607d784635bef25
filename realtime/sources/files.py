"""Sources on disk: videos and folders of images, stamped by their own presentation clock."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.source_names import public_source
from realtime.sources.pixels import PixelShape
from realtime.sources.source import (
    DEFAULT_FPS,
    FPS_RANGE,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    as_bgr,
    quiet_opencv,
)
from realtime.sources.video_rate import (
    MissingFrames,
    h264_rate,
    has_time_stamps,
    rate_of_stamps,
    read_head,
)

logger = logging.getLogger(__name__)

COMPLETE_SHARE = 0.95
"""Containers often announce a few frames too many; a video with a smaller share is reported as cut."""
COUNTING_SUFFIXES = (".mp4", ".mov", ".m4v", ".3gp", ".avi")
"""Containers that state how many frames they hold; of others, OpenCV guesses it from their duration."""
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
    phones store as metadata is applied, and images of non-square pixels are brought to square ones.

    Args:
        path: Path or URL of the video.
        fps: Frame rate of a stream without time stamps; refused for videos that have them.
        capture_fps: Frames a second that the camera took, where the file is slower or faster than life;
            None believes the file.
    """

    def __init__(self, path: str, fps: float | None = None, capture_fps: float | None = None) -> None:
        super().__init__(public_source(path))
        # FFmpeg takes the start of a relative name such as trial:1.mp4 for a protocol.
        self._path = path if "://" in path else str(Path(path).absolute())
        self._asked_fps, self._capture_fps = fps, capture_fps
        self._capture: cv2.VideoCapture | None = None
        self._first: tuple[MatLike, int] | None = None
        self._pixels = PixelShape()
        self._stated_fps = 0.0
        self._presented_ms = 0.0
        self._missing = MissingFrames(DEFAULT_FPS)
        self._stretch = 1.0
        self._has_clock = True
        self._note = ""

    def open(self) -> None:
        """Open the file and decode its first frame.

        Raises:
            SourceError: it is missing, empty, cut before the first frame, or not a video; or a rate is given
                and its frames have time stamps.
        """
        quiet_opencv()
        self.close()
        self._rewind()
        self._note, self._has_clock = "", True
        if "://" not in self._path:
            _require_readable_file(Path(self._path))
        self._capture = self._open_capture()
        self._stated_fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._pixels = PixelShape.of(self._capture)
        if not self._pixels.is_square:
            logger.warning(
                "%s: its pixels are not square; images are stretched to square ones", self.description
            )
        stored_fps = self._find_rate()
        self.fps = self._capture_fps or stored_fps
        self._missing = MissingFrames(stored_fps)
        self._stretch = stored_fps / self.fps
        self._first = self._decode()
        if self._first is None:
            self.close()
            shown = self.description if "://" in self._path else self._path
            raise SourceError(
                f"{self.description}: not a single frame can be decoded; the file may be cut short or use a "
                f"codec this OpenCV lacks; try: ffmpeg -i {shown} -c:v libx264 repaired.mp4",
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

    def _find_rate(self) -> float:
        """The rate of the file's own clock, or the asked one where it has none.

        Raises:
            SourceError: a rate is asked for, and the file has a clock.
        """
        is_usable = FPS_RANGE[0] <= self._stated_fps <= FPS_RANGE[1]
        usable = self._stated_fps if is_usable else DEFAULT_FPS
        stamps_ms = [] if "://" in self._path else self._first_stamps_ms()
        head = b"" if "://" in self._path else read_head(Path(self._path))
        if not has_time_stamps(stamps_ms, head):
            return self._assume_rate(h264_rate(head), usable)
        if self._asked_fps is not None:
            raise SourceError(
                f"{self.description}: a video has its own times, so --rate does not apply; if it is slower "
                "or faster than life, give live, replay or evaluate the camera's rate: --capture-rate HZ",
                name="rate",
                value=self._asked_fps,
            )
        return rate_of_stamps(stamps_ms, usable)

    def _first_stamps_ms(self) -> list[float]:
        capture = self._open_capture()
        stamps_ms: list[float] = []
        while len(stamps_ms) <= RATE_FRAMES and capture.grab():
            stamps_ms.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        capture.release()
        return stamps_ms

    def _assume_rate(self, coded_fps: float | None, usable_fps: float) -> float:
        """The rate of a file without time stamps, and a warning that it is assumed."""
        fps = self._asked_fps or coded_fps or usable_fps
        self._has_clock = False
        if self._asked_fps is None:
            origin = "as its stream states" if coded_fps else "a guess"
            logger.warning(
                "%s: its frames have no time stamps; times are assumed at %.4g frames a second, %s; --rate "
                "HZ sets another rate",
                self.description,
                fps,
                origin,
            )
        return fps

    def _decode(self) -> tuple[MatLike, int] | None:
        """The next image and its presentation time in ns; None at the end."""
        assert self._capture is not None
        while self._capture.grab():
            self._presented_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC) if self._has_clock else 0.0
            decoded, image = self._capture.retrieve()
            if decoded:
                self._missing.see(self._presented_ms)
                return self._pixels.square(image), round(self._presented_ms * self._stretch * 1e6)
        return None

    def read(self) -> Frame | None:
        """The next frame."""
        if self._interrupted or self._capture is None:
            return None
        decoded, self._first = self._first or self._decode(), None
        if decoded is None:
            self._note = self._shortage()
            return None
        return self._frame(*decoded)

    def _shortage(self) -> str:
        """A note if frames are missing inside, or much of what the header announces; else an empty text."""
        if self._missing.note:
            return f"{self.description}: {self._missing.note}"
        if self._path.lower().partition("?")[0].endswith(COUNTING_SUFFIXES):
            if self._frame_id >= COMPLETE_SHARE * (self.n_frames or 0):
                return ""
            read = f"{self._frame_id} frames could be read of {self.n_frames}"
        else:
            # The end of the last frame; a lost one in between changes nothing.
            read_s = self._presented_ms * 1e-3 + self._stretch / self.fps
            announced_s = (self.n_frames or 0) / self._stated_fps if self._stated_fps > 0.0 else 0.0
            if read_s >= COMPLETE_SHARE * announced_s:
                return ""
            read = f"{read_s:.2f} s could be read of {announced_s:.2f} s"
        return (
            f"{self.description}: {read} that its header announces; the file is cut short or damaged, or the "
            "header is wrong"
        )

    @property
    def note(self) -> str:  # type: ignore[override]
        """A note that frames are missing inside or at the end of the video, or an empty text."""
        return self._note

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
