"""A few frames of the overlay video as pictures inside the report."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

N_PICTURES = 3
WIDEST_PX = 560
QUALITY = 78


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame."""

    time_s: float
    width_px: int
    height_px: int
    uri: str
    """The JPEG file as a data URI."""


def pictures_of(video: Path, tracked_s: NDArray[np.float64]) -> list[Picture]:
    """Frames spread evenly over the times at which a person was tracked.

    Args:
        video: a video without its index, which a killed process leaves, gives no pictures.
        tracked_s: since the first sample. Shape: (n,).

    Returns:
        In the order of time; fewer than usual where the video is short, none where it cannot be read.
    """
    if not len(tracked_s):
        return []
    places = np.linspace(0, len(tracked_s) - 1, N_PICTURES + 2).round().astype(np.int64)[1:-1]
    capture = cv2.VideoCapture(str(video))
    try:
        rate_hz, found = capture.get(cv2.CAP_PROP_FPS), []
        if not capture.isOpened() or not rate_hz > 0.0:
            return []
        for frame in sorted({round(float(tracked_s[k]) * rate_hz) for k in places}):
            capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
            is_read, image = capture.read()
            if is_read:
                found.append(_embed(np.asarray(image, dtype=np.uint8), frame / rate_hz))
        return found
    finally:
        capture.release()


def _embed(image: NDArray[np.uint8], time_s: float) -> Picture:
    height, width = image.shape[:2]
    scale = min(1.0, WIDEST_PX / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return Picture(time_s, *size, f"data:image/jpeg;base64,{base64.b64encode(data).decode()}")
