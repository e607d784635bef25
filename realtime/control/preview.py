"""Images with the overlay as JPEG, drawn only while somebody asks for them."""

from __future__ import annotations

import math
import threading
import time

import cv2

from realtime.errors import RealtimeError
from realtime.overlay.fitted import FittedDrawing
from realtime.pipeline.slot import SlotPolicy
from realtime.pipeline.workers import SlotWorker
from realtime.sample import Drawing, Frame, LiveStats, PoseSample

LARGEST_PX = (960, 720)
"""Images are not larger than this."""
JPEG_QUALITY = 80
WAIT_S = 0.05
"""Longest wait for a new image: other orders are not kept waiting longer."""
WANTED_S = 1.0
"""Images are drawn for this long after the last question."""


class Preview:
    """A sink of the pipeline that keeps the newest image.

    Args:
        drawing: Drawing used for these images alone.
        size_px: Width and height of the source's images.
    """

    def __init__(self, drawing: Drawing, size_px: tuple[int, int]) -> None:
        room_px = min(size_px[0], LARGEST_PX[0]), min(size_px[1], LARGEST_PX[1])
        self._drawing = FittedDrawing(drawing, lambda: room_px)
        self._changed = threading.Condition()
        self._picture_id, self._jpeg = 0, b""
        self._wanted_until_s = -math.inf
        self._worker: SlotWorker[tuple[Frame, PoseSample, LiveStats]] = SlotWorker(
            "preview", self._draw, SlotPolicy.LATEST, 1
        )

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame, if images are wanted."""
        if time.monotonic() < self._wanted_until_s:
            self._worker.put((frame, sample, stats))

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    def newest(self, after: int) -> tuple[int, bytes]:
        """Number and JPEG of an image newer than number `after`; 0 and nothing if none comes in time."""
        self._wanted_until_s = time.monotonic() + WANTED_S
        with self._changed:
            if self._changed.wait_for(lambda: self._picture_id > after, WAIT_S):
                return self._picture_id, self._jpeg
        return 0, b""

    def _draw(self, item: tuple[Frame, PoseSample, LiveStats]) -> None:
        frame, sample, stats = item
        image = self._drawing.draw(frame.image, sample, stats)
        is_encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not is_encoded:
            raise RealtimeError("OpenCV cannot write JPEG here")
        with self._changed:
            self._picture_id, self._jpeg = self._picture_id + 1, jpeg.tobytes()
            self._changed.notify_all()
