"""Reads overlay videos: single images by their time, and whether browsers can play them."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

H264_CODES = (b"avc1", b"h264")
"""Codes by which containers and readers name H.264."""
SOON_S = 0.5
"""Images that follow within this time are read on to; others are jumped to."""
EARLY_S = 0.02
"""An image is taken from this time before its own on."""


class OverlayReader:
    """Images of an overlay video by their time; fast where one follows soon after the other.

    Args:
        path: Path of the video; where it cannot be read, there are no images.
    """

    def __init__(self, path: Path) -> None:
        # FFmpeg takes the start of a relative name such as trial:1/overlay.mp4 for a protocol.
        self._video = cv2.VideoCapture(str(path.absolute()))
        self._newest_s = math.inf

    @property
    def plays_in_browsers(self) -> bool:
        """Whether browsers can show the video: it can be read, and is H.264."""
        code = int(self._video.get(cv2.CAP_PROP_FOURCC)) if self._video.isOpened() else 0
        return code.to_bytes(4, "little").lower() in H264_CODES

    def at(self, time_s: float) -> tuple[NDArray[np.uint8], float] | None:
        """The BGR image at a time, and its own time; the last one after the end; None where there is none."""
        if not self._newest_s - 0.001 <= time_s <= self._newest_s + SOON_S:
            self._video.set(cv2.CAP_PROP_POS_MSEC, 1e3 * max(0.0, time_s))
        is_read = self._video.grab()
        while is_read and self._time_s() < time_s - EARLY_S:
            is_read = self._video.grab()
        self._newest_s = self._time_s() if is_read else math.inf
        if not is_read:  # after its end: the last image stays
            self._video.set(cv2.CAP_PROP_POS_FRAMES, self._video.get(cv2.CAP_PROP_FRAME_COUNT) - 1.0)
            is_read = self._video.grab()
        image = self._video.retrieve()[1] if is_read else None
        return None if image is None else (np.asarray(image, dtype=np.uint8), self._time_s())

    def close(self) -> None:
        """Release the file."""
        self._video.release()

    def _time_s(self) -> float:
        return self._video.get(cv2.CAP_PROP_POS_MSEC) * 1e-3


def plays_in_browsers(path: Path) -> bool:
    """Whether browsers can show a video."""
    reader = OverlayReader(path)
    try:
        return reader.plays_in_browsers
    finally:
        reader.close()
