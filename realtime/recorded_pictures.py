"""The pictures of a recording: the overlay's, and on request the camera's own, without loss."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.lossless_video import LosslessVideo
from realtime.recording_files import RowFile
from realtime.video_file import VideoFile

OVERLAY_NAME, LOSSLESS_NAME, FRAMES_NAME = "overlay.mp4", "video.mkv", "video.csv"
FRAMES_HEADER = b"frame_id,time_ns\n"
DEFAULT_VIDEO_HZ = 30.0


class RecordedPictures:
    """Writes `overlay.mp4`, and `video.mkv` with the number and time of each of its frames in `video.csv`.

    Files are made when the first picture for them comes. `close` may come from another thread than `write`;
    what is written after it is ignored.

    Args:
        folder: of the recording.
        rate_hz: nominal rate of the frames; None takes 30.
    """

    def __init__(self, folder: Path, rate_hz: float | None) -> None:
        self._folder = folder
        self._rate_hz = rate_hz or DEFAULT_VIDEO_HZ
        self._using = threading.Lock()
        self._is_open = True
        self._first_ns: int | None = None
        self._overlay: VideoFile | None = None
        self._lossless: LosslessVideo | None = None
        self._frames: RowFile | None = None

    def write(
        self,
        frame_id: int,
        t_capture_ns: int,
        picture: NDArray[np.uint8] | None,
        image: NDArray[np.uint8] | None,
    ) -> None:
        """Add the pictures of one frame.

        Args:
            frame_id: of the source's frame.
            t_capture_ns: its stamp.
            picture: of the overlay; None for none.
            image: of the camera, to be kept without loss; None to keep none.

        Raises:
            RecordingError: they cannot be written.
            OSError: they do not fit.
        """
        with self._using:
            if not self._is_open:
                return
            if self._first_ns is None:
                self._first_ns = t_capture_ns
            time_ns = t_capture_ns - self._first_ns
            if image is not None:
                self._write_image(frame_id, time_ns, image)
            if picture is not None:
                self._write_overlay(picture, time_ns * 1e-9)

    def close(self) -> None:
        """Finish the files; may be called twice."""
        with self._using:
            self._is_open = False
            for file in (self._overlay, self._lossless, self._frames):
                if file is not None:
                    file.close()

    def _write_overlay(self, picture: NDArray[np.uint8], time_s: float) -> None:
        if self._overlay is None:
            height, width = picture.shape[:2]
            self._overlay = VideoFile(self._folder / OVERLAY_NAME, self._rate_hz, (width, height))
        self._overlay.write(picture, time_s)

    def _write_image(self, frame_id: int, time_ns: int, image: NDArray[np.uint8]) -> None:
        if self._lossless is None or self._frames is None:
            self._lossless = LosslessVideo(self._folder / LOSSLESS_NAME, image, self._rate_hz)
            self._frames = RowFile(self._folder / FRAMES_NAME)
            self._frames.append(FRAMES_HEADER)
        # A killed process may leave a picture without its row, never a row without its picture.
        self._lossless.write(image, time_ns)
        self._frames.append(b"%d,%d\n" % (frame_id, time_ns))


def read_frames_table(folder: Path) -> list[tuple[int, int]]:
    """Number, and time in ns since the first, of each frame of `video.mkv`.

    Raises:
        RecordingError: the table is missing or damaged.
    """
    path = folder / FRAMES_NAME
    try:
        header, *lines = path.read_bytes().split(b"\n")[:-1]
        if header + b"\n" != FRAMES_HEADER:
            raise ValueError(f"it begins with {header[:40]!r}")
        rows = [tuple(int(cell) for cell in line.split(b",")) for line in lines]
        return [(frame_id, time_ns) for frame_id, time_ns in rows]
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: not the frames of a recording's video ({error})") from error
