"""The videos of a recording: the overlay and, on request, the camera's frames without loss."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.private_file import make_private
from realtime.recording.row_file import RowFile
from realtime.recording.video import OVERLAY_NAME
from realtime.recording.video.lossless import LosslessVideo
from realtime.recording.video.overlay import OverlayVideo, create_overlay_video

LOSSLESS_NAME, FRAMES_NAME = "video.mkv", "video.csv"
FRAMES_HEADER = b"frame_id,time_ns\n"
DEFAULT_VIDEO_HZ = 30.0


class RecordedPictures:
    """Writes `overlay.mp4`, and `video.mkv` with the number and time of each frame in `video.csv`.

    A file is created with its first image. Each of the two videos may be written by its own thread; `close`
    may be called from any thread, and images written after it are ignored.

    Args:
        folder: Folder of the recording.
        rate_hz: Nominal frame rate; None takes 30.
    """

    def __init__(self, folder: Path, rate_hz: float | None) -> None:
        self._folder = folder
        self._rate_hz = rate_hz or DEFAULT_VIDEO_HZ
        self._is_open = True
        self._using_overlay, self._using_video = threading.Lock(), threading.Lock()
        self._overlay: tuple[OverlayVideo, int] | None = None
        self._video: tuple[LosslessVideo, RowFile, int] | None = None

    def write_image(self, frame_id: int, t_capture_ns: int, image: NDArray[np.uint8]) -> None:
        """Add a frame of the camera.

        Args:
            frame_id: Number of the source's frame.
            t_capture_ns: Time of capture.
            image: BGR image. Shape: (height, width, 3).

        Raises:
            RecordingError: the image differs in size from the first.
            OSError: the image does not fit on the disk.
        """
        with self._using_video:
            if not self._is_open:
                return
            if self._video is None:
                frames = RowFile(self._folder / FRAMES_NAME)
                frames.append(FRAMES_HEADER)
                video = LosslessVideo(RowFile(self._folder / LOSSLESS_NAME), image, self._rate_hz)
                self._video = video, frames, t_capture_ns
            video, frames, first_ns = self._video
            # A killed process may leave an image without its row, never a row without its image.
            video.write(image, t_capture_ns - first_ns)
            frames.append(b"%d,%d\n" % (frame_id, t_capture_ns - first_ns))

    def write_overlay(self, t_capture_ns: int, picture: NDArray[np.uint8]) -> None:
        """Add the overlay image of a frame.

        Raises:
            RecordingError: the video cannot be created, or the image does not fit on the disk.
        """
        with self._using_overlay:
            if not self._is_open:
                return
            if self._overlay is None:
                height, width = picture.shape[:2]
                path = self._folder / OVERLAY_NAME
                make_private(path)
                self._overlay = create_overlay_video(path, self._rate_hz, (width, height)), t_capture_ns
            overlay, first_ns = self._overlay
            overlay.write(picture, (t_capture_ns - first_ns) * 1e-9)

    def close(self) -> None:
        """Finish the files; may be called twice.

        Raises:
            RecordingError: the overlay video could not be finished.
        """
        with self._using_overlay, self._using_video:
            self._is_open = False
            if self._video is not None:
                self._video[0].close()
                self._video[1].close()
            if self._overlay is not None:
                self._overlay[0].close()


def read_frames_table(folder: Path) -> list[tuple[int, int]]:
    """Number and time, in ns since the first, of each frame of `video.mkv`.

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
        raise RecordingError(f"{path}: not the frame table of a recording's video ({error})") from error
