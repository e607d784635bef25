"""Lossless image compression: HuffYUV version 2 for 8-bit BGR images, which FFmpeg and OpenCV decode.

The format is that of B. Rudiak-Gould's HuffYUV 2.1 (2000) as FFmpeg reads it. With p[y, x, c] the value of
channel c in row y (0 at the top) and column x, all arithmetic modulo 256, and the pixels numbered k from the
bottom row to the top and from left to right:

    d[k, c] = p[y, x, c] - p[y + 1, x, c]      difference from the row below (0 below the bottom row)
    r[k, c] = d[k, c] - d[k - 1, c]            difference from the pixel before
    stored:   r[k, G],  r[k, B] - r[k, G],  r[k, R] - r[k, G]

Each stored value is written as a Huffman code of its channel, most significant bit first, in little-endian
32-bit words. The first pixel is stored as it is.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit
from numpy.typing import NDArray

FOURCC = b"HFYU"
_PREDICT_PLANE = 1
_DECORRELATE = 0x40
_PROGRESSIVE = 0x20
_LONGEST_CODE = 31
_LONGEST_RUN = 255
"""Longest run of equal lengths in the stored tables."""
_RARE = 1e-5
"""Share given to values that do not occur in the first image."""


class HuffyuvEncoder:
    """Compresses images of one size; the Huffman codes are made for the first image and stay the same.

    Args:
        first: Image that the codes are made for. Shape: (height, width, 3).
    """

    def __init__(self, first: NDArray[np.uint8]) -> None:
        self.height_px, self.width_px = first.shape[:2]
        counts = _count(_readonly(first)).astype(np.float64)
        counts += _RARE * counts.sum(axis=1, keepdims=True) + 1.0
        self._lengths = np.stack([code_lengths(row) for row in counts])
        self._codes = np.stack([canonical_codes(row) for row in self._lengths])
        longest_bits = self.height_px * self.width_px * int(self._lengths.max(axis=1).sum())
        self._words = np.zeros(longest_bits // 32 + 4, dtype="<u4")

    @property
    def extradata(self) -> bytes:
        """Code tables for the decoder, to be stored after the container's BITMAPINFOHEADER."""
        head = bytes([_PREDICT_PLANE | _DECORRELATE, 24, _PROGRESSIVE, 0])
        return head + b"".join(_stored(lengths) for lengths in self._lengths)

    def encode(self, picture: NDArray[np.uint8]) -> memoryview:
        """Compress one image; the result is valid until the next call.

        Args:
            picture: BGR image. Shape: (height, width, 3).
        """
        n_words = _encode(_readonly(picture), self._codes, self._lengths, self._words)
        return self._words[:n_words].data.cast("B")


def _readonly(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A contiguous read-only view: the kernels are compiled for this one kind of array."""
    view = np.ascontiguousarray(picture).view()
    view.flags.writeable = False
    return view


def code_lengths(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lengths of the Huffman codes of 256 values, none above 31 bits.

    Args:
        counts: Positive number of occurrences of each value. Shape: (256,).
    """
    floor = 0.0
    while True:
        lengths = np.zeros(len(counts), dtype=np.uint8)
        heap = [(max(float(count), floor), k, [k]) for k, count in enumerate(counts)]
        heapq.heapify(heap)
        while len(heap) > 1:
            rare, order, values = heapq.heappop(heap)
            common, _, others = heapq.heappop(heap)
            lengths[values + others] += 1
            heapq.heappush(heap, (rare + common, order, values + others))
        if lengths.max() <= _LONGEST_CODE:
            return lengths
        floor = max(2.0 * floor, 1e-9 * float(counts.sum()))


def canonical_codes(lengths: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Canonical codes for the lengths: longest first, counting up from 0. Shape: (256,)."""
    codes = np.zeros(len(lengths), dtype=np.uint32)
    code = 0
    for length in range(_LONGEST_CODE, 0, -1):
        for value in np.flatnonzero(lengths == length):
            codes[value] = code
            code += 1
        code >>= 1
    return codes


def _stored(lengths: NDArray[np.uint8]) -> bytes:
    """Run-length code of the lengths: 3 bits of run and 5 of length, or a length and a byte of run."""
    stored, k = bytearray(), 0
    while k < len(lengths):
        run = 1
        while k + run < len(lengths) and lengths[k + run] == lengths[k] and run < _LONGEST_RUN:
            run += 1
        stored += bytes([lengths[k] | run << 5]) if run < 8 else bytes([lengths[k], run])
        k += run
    return bytes(stored)


@njit(cache=True, nogil=True)
def _count(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of times each value is stored for blue, green and red. Shape: (3, 256)."""
    counts = np.zeros((3, 256), dtype=np.int64)
    height, width = picture.shape[:2]
    before = np.zeros(3, dtype=np.uint8)
    residual = np.zeros(3, dtype=np.uint8)
    for y in range(height - 1, -1, -1):
        for x in range(width):
            _predict(picture, y, x, before, residual)
            for channel in range(3):
                counts[channel, residual[channel]] += 1
    return counts


@njit(cache=True, nogil=True, inline="always")
def _predict(picture, y, x, before, residual):  # type: ignore[no-untyped-def]
    """Write one pixel's stored values to `residual`; `before` holds d[k - 1] and becomes d[k]."""
    below = min(y + 1, picture.shape[0] - 1)
    is_bottom = y == picture.shape[0] - 1
    for channel in range(3):
        difference = np.uint8(picture[y, x, channel] - (0 if is_bottom else picture[below, x, channel]))
        residual[channel] = np.uint8(difference - before[channel])
        before[channel] = difference
    residual[0] = np.uint8(residual[0] - residual[1])
    residual[2] = np.uint8(residual[2] - residual[1])


@njit(cache=True, nogil=True)
def _encode(picture, codes, lengths, words):  # type: ignore[no-untyped-def]
    """Fill `words` with the codes of all pixels; returns the number of words used."""
    height, width = picture.shape[:2]
    before = np.zeros(3, dtype=np.uint8)
    residual = np.zeros(3, dtype=np.uint8)
    # The first pixel is stored as it is: red, green, blue, and a byte that decoders skip.
    for channel in range(3):
        before[channel] = picture[height - 1, 0, channel]
    words[0] = (np.uint32(before[2]) << 24) | (np.uint32(before[1]) << 16) | (np.uint32(before[0]) << 8)
    n_words, pending, n_pending = 1, np.uint64(0), np.uint64(0)
    for y in range(height - 1, -1, -1):
        for x in range(1 if y == height - 1 else 0, width):
            _predict(picture, y, x, before, residual)
            for channel in (1, 0, 2):  # green first
                value = residual[channel]
                length = np.uint64(lengths[channel, value])
                pending = (pending << length) | np.uint64(codes[channel, value])
                n_pending += length
                if n_pending >= np.uint64(32):
                    n_pending -= np.uint64(32)
                    words[n_words] = np.uint32((pending >> n_pending) & np.uint64(0xFFFFFFFF))
                    n_words += 1
    if n_pending > np.uint64(0):
        words[n_words] = np.uint32((pending << (np.uint64(32) - n_pending)) & np.uint64(0xFFFFFFFF))
        n_words += 1
    return n_words
