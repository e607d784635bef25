"""Small videos for tests, and what phones and old software do to them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

N_BITS = 8
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def picture(k: int, size_px: tuple[int, int] = (64, 48)) -> np.ndarray:
    """The k-th image: bars show k in binary, the top left corner is blue. Shape: (h, w, 3)."""
    width, height = size_px
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    image[: height // 3, : width // 3] = (255, 0, 0)
    for bit in range(N_BITS):
        if k >> bit & 1:
            image[height // 2 :, bit * width // N_BITS : (bit + 1) * width // N_BITS] = 230
    return image


def picture_number(image: np.ndarray) -> int:
    """The inverse of `image`."""
    height, width = image.shape[:2]
    bars = image[-height // 4 :, :].reshape(-1, N_BITS, width // N_BITS, 3).mean((0, 2, 3))
    return sum(1 << bit for bit in range(N_BITS) if bars[bit] > 145)


def write_video(path: Path, n_frames: int, fps: float = 30.0, codec: str = "mp4v") -> Path:
    """Write numbered images."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for k in range(n_frames):
        writer.write(picture(k))
    writer.release()
    return path


def rewrite_box(data: bytes, name: bytes, content: bytes | None = None, edit=None) -> bytes:
    """Replace the body of each box called `name` in an MP4 file whose index is at its end."""
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        if kind == name:
            body = edit(body) if edit else content
        elif kind in CONTAINERS:
            body = rewrite_box(body, name, content, edit)
        out += struct.pack(">I4s", len(body) + 8, kind) + body
        at += size
    return out


def set_durations(path: Path, ticks: list[int]) -> None:
    """Give every frame its own duration, in ticks of the track's time scale."""
    entries = b"".join(struct.pack(">II", 1, tick) for tick in ticks)
    path.write_bytes(rewrite_box(path.read_bytes(), b"stts", struct.pack(">II", 0, len(ticks)) + entries))


def time_scale(path: Path) -> int:
    """Ticks a second of the only track."""
    data = path.read_bytes()
    return struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]


def rotate_clockwise(path: Path) -> None:
    """Mark the video as to be shown turned by 90 degrees, as phones do."""
    one = 1 << 16
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    path.write_bytes(
        rewrite_box(path.read_bytes(), b"tkhd", edit=lambda body: body[:40] + matrix + body[76:])
    )


def void_frames(path: Path, is_kept: Callable[[int], bool]) -> None:
    """Take frames out of a Matroska file; the others keep their times, and the header its duration."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x1f\x43\xb6\x75")
    k = 0
    while at < len(data):
        name = data[at]
        if data[at : at + 4] == b"\x1f\x43\xb6\x75":  # a cluster: go on with what it holds
            at = _after_size(data, at + 4)[0]
            continue
        if name not in (0xA3, 0xE7, 0xEC, 0xBF):  # frames, time, nothing, checksum
            break
        start, size = _after_size(data, at + 1)
        if name == 0xA3:  # a frame
            data[at] = 0xA3 if is_kept(k) else 0xEC
            k += 1
        at = start + size
    path.write_bytes(bytes(data))


def _after_size(data: bytearray, at: int) -> tuple[int, int]:
    """Where the content of an EBML element starts, and its size."""
    n_bytes = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + n_bytes], "big") & (1 << 7 * n_bytes) - 1
    return at + n_bytes, size


def set_pixel_aspect(path: Path, across: int, down: int) -> None:
    """State that pixels are shown `across` wide and `down` high."""
    shape = struct.pack(">I4sII", 16, b"pasp", across, down)

    def with_shape(body: bytes) -> bytes:
        size, codec = struct.unpack_from(">I4s", body, 8)
        entry = struct.pack(">I4s", size + len(shape), codec) + body[16 : 8 + size] + shape
        return body[:8] + entry + body[8 + size :]

    path.write_bytes(rewrite_box(path.read_bytes(), b"stsd", edit=with_shape))
