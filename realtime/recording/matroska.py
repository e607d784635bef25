"""Matroska videos that grow picture by picture and play at any moment, also after the writer was killed.

Of the format (RFC 9559) as little as players need: one track of pictures that depend on no other, each in a
cluster of its own with its true time in ns. The segment's length is "unknown", as in live streams.
"""

from __future__ import annotations

import struct
from pathlib import Path

from realtime.recording.row_file import RowFile

_EBML_HEADER, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_UNKNOWN_LENGTH = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_FIRST_TRACK, _NO_OFFSET, _KEY_PICTURE = b"\x81", b"\x00\x00", b"\x80"


class MatroskaFile(RowFile):
    """Appends compressed pictures to a new file; each is in the system's hands when `add` returns.

    Args:
        path: created, or emptied if it exists.
        fourcc: of the pictures' codec, as in AVI files.
        extradata: what the codec's decoder must know.
        size_px: width and height.
        rate_hz: nominal rate, for players; the true times are with the pictures.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(
        self, path: Path, fourcc: bytes, extradata: bytes, size_px: tuple[int, int], rate_hz: float
    ) -> None:
        super().__init__(path)
        self.append(_header(fourcc, extradata, size_px, rate_hz))

    def add(self, picture: bytes | memoryview, t_ns: int) -> None:
        """Append a compressed picture.

        Args:
            picture: as its codec made it.
            t_ns: since the first, 0 or more.

        Raises:
            OSError: it does not fit; the file is as before.
        """
        block = _FIRST_TRACK + _NO_OFFSET + _KEY_PICTURE + bytes(picture)
        self.append(_element(_CLUSTER, _integer(0xE7, t_ns) + _element(0xA3, block)))


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
