"""The video of a recording: every picture as the estimator saw it, bit by bit, also after a kill.

OpenCV's writer would hold back the last quarter of a megabyte, tell nobody when the disk is full, cut odd
sizes, and stamp pictures at an even rate. Its reader reads what is written here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.huffyuv import FOURCC, HuffyuvEncoder
from realtime.recording.matroska import MatroskaFile


class LosslessVideo:
    """Writes pictures of one size with their true times, as HuffYUV in Matroska.

    Args:
        path: created, or replaced.
        first: the first picture, for its size and its colours; `write` is to be called with it, too.
        rate_hz: nominal rate, for players.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, first: NDArray[np.uint8], rate_hz: float) -> None:
        self.path = path
        self._shape = first.shape
        self._encoder = HuffyuvEncoder(first)
        size_px = (first.shape[1], first.shape[0])
        self._file = MatroskaFile(path, FOURCC, self._encoder.extradata, size_px, rate_hz)

    def write(self, image: NDArray[np.uint8], t_ns: int) -> None:
        """Add a picture.

        Args:
            image: BGR. Shape: (height, width, 3).
            t_ns: since the first.

        Raises:
            RecordingError: it has another size than the first.
            OSError: it does not fit; the video is as before.
        """
        if image.shape != self._shape:
            raise RecordingError(f"{self.path}: a picture of {image.shape} follows others of {self._shape}")
        self._file.add(self._encoder.encode(image), t_ns)

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._file.close()


def warm_up() -> None:
    """Compile now what would otherwise hold up the first pictures after an installation."""
    first = np.zeros((2, 2, 3), dtype=np.uint8)
    HuffyuvEncoder(first).encode(first)
