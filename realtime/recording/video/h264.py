"""H.264 in mp4 by PyAV: what browsers play, with the true time of every image, and whole after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.recording.video.even_size import even_size, fitted

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CODEC: Final = "libx264"
CODEC_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
"""No more processor time than MPEG-4 takes, and no image that waits for later ones."""
CONTAINER_OPTIONS = {"movflags": "hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
"""Each image is a fragment, which a killed process leaves behind; a clean end adds the usual index."""
TICKS_HZ = 90_000
"""Resolution of the time stamps."""
KEY_IMAGE_S = 2.0
"""Time between the images that a player can jump to, at the nominal rate."""
_BT601, _LIMITED_RANGE = 6, 1
"""What OpenCV's YUV is, by the numbers of H.264."""


@cache
def can_write_h264() -> bool:
    """Whether PyAV is installed, with an encoder for H.264."""
    try:
        import av
    except ImportError:
        return False
    try:
        return av.Codec(CODEC, "w").is_encoder
    except ValueError:  # an FFmpeg of somebody's own, without it
        return False


class H264Video:
    """Writes an mp4 whose images have their own times.

    When `write` returns, all images but the newest are with the operating system: after a kill, or on a full
    disk, the video plays up to there.

    Args:
        path: Path of the video; created, or replaced.
        rate_hz: Nominal frame rate, for players.
        size_px: Width and height; an odd last column or row is cut off because the codec needs even sizes.

    Raises:
        RecordingError: the video cannot be created.
    """

    def __init__(self, path: Path, rate_hz: float, size_px: tuple[int, int]) -> None:
        import av

        self.path = path
        self._size_px = even_size(size_px)
        self._newest = -1
        self._is_open = True
        with self._errors_of_ffmpeg():
            # FFmpeg would take the start of a relative name such as trial:1/overlay.mp4 for a protocol.
            self._file = av.open(f"file:{path.absolute()}", "w", format="mp4", options=CONTAINER_OPTIONS)
            self._stream = _add_stream(self._file, rate_hz, self._size_px)
            self._file.start_encoding()

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add an image; one with the time of the one before is omitted.

        Args:
            image: BGR image; scaled if its size differs from the first. Shape: (height, width, 3).
            time_s: Time since the first image, increasing.

        Raises:
            RecordingError: the image does not fit on the disk; earlier ones are kept.
        """
        from av import VideoFrame

        ticks = round(time_s * TICKS_HZ)
        if ticks <= self._newest:
            return
        self._newest = ticks
        yuv = cv2.cvtColor(fitted(image, self._size_px), cv2.COLOR_BGR2YUV_I420)
        frame = VideoFrame.from_ndarray(np.asarray(yuv, dtype=np.uint8), "yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS_HZ)
        self._write(frame)

    def close(self) -> None:
        """Write the index that lets players jump; may be called twice.

        Raises:
            RecordingError: the disk is full; the video can be played all the same.
        """
        if not self._is_open:
            return
        self._is_open = False
        self._write(None)
        with self._errors_of_ffmpeg():
            self._file.close()

    def _write(self, frame: VideoFrame | None) -> None:
        """Compress and write a frame; None writes what the encoder still holds."""
        with self._errors_of_ffmpeg():
            self._file.mux(self._stream.encode(frame))

    @contextmanager
    def _errors_of_ffmpeg(self) -> Iterator[None]:
        from av import FFmpegError

        try:
            yield
        except (OSError, FFmpegError) as error:
            width, height = self._size_px
            raise RecordingError(
                f"{self.path}: cannot write a video of {width}x{height} ({error.strerror})", value=self.path
            ) from error


def _add_stream(file: OutputContainer, rate_hz: float, size_px: tuple[int, int]) -> VideoStream:
    """A stream with an encoder for images of that size."""
    options = {**CODEC_OPTIONS, "g": str(max(1, round(KEY_IMAGE_S * rate_hz)))}
    stream = file.add_stream(CODEC, rate=Fraction(rate_hz).limit_denominator(1001), options=options)
    stream.width, stream.height = size_px
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    stream.time_base = codec.time_base = Fraction(1, TICKS_HZ)
    codec.thread_count = 1  # the other cores track
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT601
    codec.color_range = _LIMITED_RANGE
    return stream
