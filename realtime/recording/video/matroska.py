"""Matroska videos that grow frame by frame and can be played at any moment, also after the writer was killed.

Only the part of the format (RFC 9559) that players need: one track of independent frames, each in its own
cluster with its true time in ns. The segment's length is "unknown", as in live streams.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Protocol

_EBML_HEADER, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_UNKNOWN_LENGTH = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_FIRST_TRACK, _NO_OFFSET, _KEY_PICTURE = b"\x81", b"\x00\x00", b"\x80"


class GrowingFile(Protocol):
    """Interface to a file that takes rows whole or not at all."""

    @property
    def path(self) -> Path:
        """Path of the file."""

    def append(self, row: bytes) -> None:
        """Append bytes, and pass them to the operating system; OSError leaves the file unchanged."""

    def close(self) -> None:
        """Release the file; may be called twice."""


class MatroskaFile:
    """Appends compressed frames to an empty file; each is with the operating system when `add` returns.

    Args:
        file: The file, which the caller closes.
        fourcc: Code of the codec, as in AVI files.
        extradata: Data that the codec's decoder needs.
        size_px: Width and height.
        rate_hz: Nominal frame rate, for players; frames carry their true times.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(
        self, file: GrowingFile, fourcc: bytes, extradata: bytes, size_px: tuple[int, int], rate_hz: float
    ) -> None:
        self._file = file
        self._file.append(_header(fourcc, extradata, size_px, rate_hz))

    def add(self, picture: bytes | memoryview, t_ns: int) -> None:
        """Append a compressed frame.

        Args:
            picture: Frame as compressed by the codec.
            t_ns: Time since the first frame, 0 or more.

        Raises:
            OSError: the frame does not fit; the file is unchanged.
        """
        block = _FIRST_TRACK + _NO_OFFSET + _KEY_PICTURE + bytes(picture)
        self._file.append(_element(_CLUSTER, _integer(0xE7, t_ns) + _element(0xA3, block)))


def _header(fourcc: bytes, extradata: bytes, size_px: tuple[int, int], rate_hz: float) -> bytes:
    width_px, height_px = size_px
    kind = b"".join(
        (_integer(0x4286, 1), _integer(0x42F7, 1), _integer(0x42F2, 4), _integer(0x42F3, 8),
         _element(0x4282, b"matroska"), _integer(0x4287, 4), _integer(0x4285, 2))
    )  # fmt: skip
    info = _integer(0x2AD7B1, 1) + _element(0x4D80, b"kinecast") + _element(0x5741, b"kinecast")
    picture = _integer(0xB0, width_px) + _integer(0xBA, height_px)
    # BITMAPINFOHEADER, whose fourth to sixth fields are planes, bits of a pixel and codec.
    private = struct.pack(
        "<IiiHH4sIiiII", 40 + len(extradata), width_px, height_px, 1, 24, fourcc, 0, 0, 0, 0, 0
    )
    track = b"".join(
        (_integer(0xD7, 1), _integer(0x73C5, 1), _integer(0x83, 1), _integer(0x9C, 0),
         _integer(0x23E383, round(1e9 / rate_hz)), _element(0x86, b"V_MS/VFW/FOURCC"),
         _element(0x63A2, private + extradata), _element(0xE0, picture))
    )  # fmt: skip
    segment = _element(_INFO, info) + _element(_TRACKS, _element(0xAE, track))
    return _element(_EBML_HEADER, kind) + _identifier(_SEGMENT) + _UNKNOWN_LENGTH + segment


def _element(identifier: int, content: bytes) -> bytes:
    return _identifier(identifier) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _integer(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(8, "big"))


def _identifier(identifier: int) -> bytes:
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
