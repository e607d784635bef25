"""The frame rate of a video, by its time stamps or its coded stream, and frames that are missing inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realtime.sources.source import FPS_RANGE

HEAD_BYTES = 65536
"""An H.264 stream starts with its parameters."""
JPEG_START = b"\xff\xd8"
GAP_STEPS = 1.5
"""A step longer than this many typical ones has lost frames in it."""
LOST_STEPS = 3.5
"""A step longer than this many typical ones is reported: variable rates leave out one or two frames."""
SAME_RATE = 0.01
"""Rates that differ by a smaller share are the same."""

_SEQUENCE_PARAMETERS = (0x27, 0x47, 0x67)
"""First byte of a unit of type 7, which is always needed by others."""
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles of H.264 whose parameters describe the colours."""
_EXTENDED_SAR = 255


def has_time_stamps(stamps_ms: Sequence[float], head: bytes) -> bool:
    """Whether a video states when its frames are shown.

    Args:
        stamps_ms: Times of its first frames, as FFmpeg gives them.
        head: First bytes of the file.
    """
    # FFmpeg makes up 25 frames a second for JPEG images in a row.
    return not head.startswith(JPEG_START) and (len(stamps_ms) < 2 or max(stamps_ms) > min(stamps_ms))


def rate_of_stamps(stamps_ms: Sequence[float], stated_fps: float) -> float:
    """The rate of a video's first frames: headers average over frames that are not there.

    Args:
        stamps_ms: Times of the frames, in order.
        stated_fps: Rate that the header states.

    Returns:
        The rate of the frames that follow each other without a gap, or the stated one if that agrees.
    """
    steps_ms = np.diff(np.asarray(stamps_ms, dtype=np.float64))
    steps_ms = steps_ms[steps_ms > 0.0]
    if len(steps_ms) < 2:
        return stated_fps
    steps_ms = steps_ms[steps_ms <= GAP_STEPS * np.median(steps_ms)]
    measured = 1e3 / float(steps_ms.mean())
    # Some containers round stamps to 1 ms, and phones jitter: then the header knows better.
    is_rounding = abs(measured / stated_fps - 1.0) < max(SAME_RATE, 1.5 / float(steps_ms.sum()))
    return stated_fps if is_rounding or not FPS_RANGE[0] <= measured <= FPS_RANGE[1] else measured


class MissingFrames:
    """Leaps in the time stamps of a video: damaged parts that could not be decoded, as a rule.

    Args:
        fps: Rate of its frames.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._last_ms: float | None = None
        self._n_frames, self._leaps_at_s = 0, list[float]()

    def see(self, stamp_ms: float) -> None:
        """Take in the time stamp of the next frame."""
        steps = 0.0 if self._last_ms is None else 1e-3 * (stamp_ms - self._last_ms) * self._fps
        if self._last_ms is not None and steps > LOST_STEPS:
            self._n_frames += round(steps) - 1
            self._leaps_at_s.append(1e-3 * self._last_ms)
        self._last_ms = stamp_ms

    @property
    def note(self) -> str:
        """Where and how many frames are missing; empty if none are."""
        if not self._leaps_at_s:
            return ""
        places = ", ".join(f"{at_s:.2f}" for at_s in self._leaps_at_s[:3])
        more = ", ..." if len(self._leaps_at_s) > 3 else ""
        return f"about {self._n_frames} frames are missing after {places}{more} s: damaged, or never taken"


def read_head(path: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def h264_rate(head: bytes) -> float | None:
    """Frames a second that an H.264 stream states in its parameters (ITU-T H.264, 7.3.2.1.1 and E.1.1).

    Args:
        head: First bytes of the stream.

    Returns:
        None if the stream is not H.264, or states no usable rate.
    """
    for unit in head.split(b"\0\0\1")[1:]:
        if unit and unit[0] in _SEQUENCE_PARAMETERS:
            try:
                return _rate_of_parameters(_Bits(unit[1:].replace(b"\0\0\3", b"\0\0")))
            except IndexError:  # cut short, or not H.264
                return None
    return None


class _Bits:
    """Reads bit after bit.

    Raises:
        IndexError: the data have ended.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, n: int) -> int:
        """An unsigned number of `n` bits."""
        value = 0
        for _ in range(n):
            value = value << 1 | self._data[self._at >> 3] >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def golomb(self) -> int:
        """An Exp-Golomb number, whose length comes first; signed ones take the same bits."""
        n_zeros = 0
        while not self.read(1):
            n_zeros += 1
        return (1 << n_zeros) - 1 + self.read(n_zeros)


def _rate_of_parameters(bits: _Bits) -> float | None:
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.golomb()  # identifier
    if profile in _WITH_CHROMA:
        _skip_chroma(bits)
    bits.golomb()  # length of frame numbers
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.read(1)
        bits.golomb(), bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb()  # reference frames
    bits.read(1)  # gaps in frame numbers
    bits.golomb(), bits.golomb()  # width, height
    if not bits.read(1):  # fields
        bits.read(1)
    bits.read(1)  # direct inference
    if bits.read(1):  # cropping
        for _ in range(4):
            bits.golomb()
    return _rate_of_usability(bits) if bits.read(1) else None


def _skip_chroma(bits: _Bits) -> None:
    if bits.golomb() == 3:
        bits.read(1)
        n_lists = 12
    else:
        n_lists = 8
    bits.golomb(), bits.golomb()  # bit depths
    bits.read(1)
    if not bits.read(1):
        return
    for k in range(n_lists):
        if bits.read(1):
            _skip_scaling(bits, 16 if k < 6 else 64)


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.golomb()
            following = (last + (code + 1 >> 1) * (1 if code & 1 else -1)) % 256
        last = following or last


def _rate_of_usability(bits: _Bits) -> float | None:
    """The rate among the usability parameters, which stand before it in this order."""
    if bits.read(1) and bits.read(8) == _EXTENDED_SAR:
        bits.read(32)
    if bits.read(1):  # overscan
        bits.read(1)
    if bits.read(1):  # kind of signal, range
        bits.read(4)
        if bits.read(1):  # colours
            bits.read(24)
    if bits.read(1):  # location of chroma
        bits.golomb(), bits.golomb()
    if not bits.read(1):
        return None
    units, scale = bits.read(32), bits.read(32)
    rate = scale / (2.0 * units) if units else 0.0  # a frame is two fields
    return rate if FPS_RANGE[0] <= rate <= FPS_RANGE[1] else None
