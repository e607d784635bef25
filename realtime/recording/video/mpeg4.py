"""MPEG-4 Part 2 in mp4 by OpenCV: a constant frame rate that follows the samples' true times.

For installations without PyAV; browsers do not play it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.video.even_size import even_size, fitted

MAX_REPEATED_S = 5.0
"""Longer pauses of the source are shortened in the video; the times of the angles are not affected."""


class Mpeg4Video:
    """Writes an mp4 (MPEG-4 Part 2, which every OpenCV build has) at one rate.

    OpenCV cannot write time stamps. Each image is therefore assigned to the video frame nearest its time: an
    image is repeated while the next is late, and omitted where two fall on the same video frame. A source at
    a steady `rate_hz` is written one to one.

    Args:
        path: Path of the video; created, or replaced.
        rate_hz: Frame rate.
        size_px: Width and height; an odd last column or row is cut off because the codec needs even sizes.

    Raises:
        RecordingError: the video cannot be created.
    """

    def __init__(self, path: Path, rate_hz: float, size_px: tuple[int, int]) -> None:
        self.path = path
        self._rate_hz = rate_hz
        self._size_px = even_size(size_px)
        self._next = 0
        self._offset = 0
        self._last: NDArray[np.uint8] | None = None
        self.repeated = 0
        """Number of repeated images."""
        self.left_out = 0
        """Number of omitted images, which came too soon after the one before."""
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        # FFmpeg takes the start of a relative name such as trial:1/overlay.mp4 for a protocol.
        self._writer = cv2.VideoWriter(str(path.absolute()), fourcc, rate_hz, self._size_px)
        if not self._writer.isOpened():
            width, height = self._size_px
            raise RecordingError(f"{path}: cannot write a video of {width}x{height} at {rate_hz:g} fps")

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add an image.

        Args:
            image: BGR image; scaled if its size differs from the first. Shape: (height, width, 3).
            time_s: Time since the first image, increasing.
        """
        index = round(time_s * self._rate_hz) - self._offset
        missing = index - self._next
        if missing < 0:
            self.left_out += 1
            return
        most = round(MAX_REPEATED_S * self._rate_hz)
        if missing > most:
            self._offset += missing - most
            missing = most
        if self._last is not None:
            for _ in range(missing):
                self._writer.write(self._last)
            self.repeated += missing
        self._last = fitted(image, self._size_px)
        self._writer.write(self._last)
        self._next += missing + 1

    def close(self) -> None:
        """Write the index that players need; may be called twice.

        Raises:
            RecordingError: the video cannot be played, because the disk is full.
        """
        if not self._writer.isOpened():
            return
        self._writer.release()
        # OpenCV reports no failure, but without its index an mp4 cannot be opened.
        if self._last is not None and not cv2.VideoCapture(str(self.path.absolute())).isOpened():
            raise RecordingError(f"{self.path}: the video could not be finished; is the disk full?")
