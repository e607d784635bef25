"""The lossless video of a recording: every frame bit by bit as the estimator saw it, also after a kill.

OpenCV's writer would buffer the last quarter of a megabyte, not report a full disk, cut odd sizes, and write
time stamps at an even rate. Its reader reads the files written here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.video.huffyuv import FOURCC, HuffyuvEncoder
from realtime.recording.video.matroska import GrowingFile, MatroskaFile


class LosslessVideo:
    """Writes images of one size with their true times, as HuffYUV in Matroska.

    Args:
        file: An empty file, which `close` closes.
        first: The first image, which determines size and codes; it must also be passed to `write`.
        rate_hz: Nominal frame rate, for players.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, file: GrowingFile, first: NDArray[np.uint8], rate_hz: float) -> None:
        self._file = file
        self._shape = first.shape
        self._encoder = HuffyuvEncoder(first)
        size_px = (first.shape[1], first.shape[0])
        self._frames = MatroskaFile(file, FOURCC, self._encoder.extradata, size_px, rate_hz)

    def write(self, image: NDArray[np.uint8], t_ns: int) -> None:
        """Add an image.

        Args:
            image: BGR image. Shape: (height, width, 3).
            t_ns: Time since the first image.

        Raises:
            RecordingError: the image differs in size from the first.
            OSError: the image does not fit; the video is unchanged.
        """
        if image.shape != self._shape:
            raise RecordingError(
                f"{self._file.path}: an image of {image.shape} follows others of {self._shape}"
            )
        self._frames.add(self._encoder.encode(image), t_ns)

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._file.close()


def warm_up() -> None:
    """Compile the encoder now, which would otherwise delay the first images after an installation."""
    first = np.zeros((2, 2, 3), dtype=np.uint8)
    HuffyuvEncoder(first).encode(first)
