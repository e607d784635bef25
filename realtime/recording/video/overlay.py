"""The overlay video of a recording, in what this computer can write: H.264, else MPEG-4 Part 2."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.recording.video.h264 import H264Video, can_write_h264
from realtime.recording.video.mpeg4 import Mpeg4Video


class OverlayVideo(Protocol):
    """Interface to a video for viewers; both methods raise RecordingError where the disk is full."""

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add a BGR image with its time since the first. Shape: (height, width, 3)."""

    def close(self) -> None:
        """Finish the file; may be called twice."""


def create_overlay_video(path: Path, rate_hz: float, size_px: tuple[int, int]) -> OverlayVideo:
    """A new overlay video.

    Args:
        path: Path of the mp4; created, or replaced.
        rate_hz: Nominal frame rate.
        size_px: Width and height of its images.

    Raises:
        RecordingError: the video cannot be created.
    """
    return (H264Video if can_write_h264() else Mpeg4Video)(path, rate_hz, size_px)


def is_playable(path: Path) -> bool:
    """Whether a video can be opened; MPEG-4 of a killed process cannot."""
    return cv2.VideoCapture(str(path.absolute())).isOpened()
