"""Reader of VTK's XML surfaces (`.vtp`), the format of OpenSim's bones: ASCII, base64 and raw, plain or zlib.

Written from VTK's description of its file formats. Files come from anywhere: document types are refused,
sizes are checked before memory is taken.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.viewer.shapes import Mesh

MAX_FILE_BYTES = 256 * 2**20
MAX_ARRAY_BYTES = 1 << 30

_DTYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4",
    "Int64": "i8", "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_RAW_APPENDED = re.compile(rb"(<AppendedData[^>]*encoding\s*=\s*[\"']raw[\"'][^>]*>\s*_)", re.S)


def read_vtp(path: Path) -> Mesh:
    """Read the surface in a file: polygons and strips as triangles, without lines and points.

    Raises:
        RealtimeError: the file cannot be read, is malformed, or holds no surface.
    """
    return _Reader(path).read()


@dataclass(slots=True)
class _Reader:
    path: Path
    order: str = "<"
    header: str = "u4"
    is_compressed: bool = False
    appended: bytes = b""
    is_raw: bool = False

    def read(self) -> Mesh:
        root = self._parse()
        if root.tag != "VTKFile" or root.get("type") != "PolyData":
            self._fail("it is not a VTKFile of type PolyData")
        self.order = ">" if root.get("byte_order") == "BigEndian" else "<"
        self.header = "u8" if root.get("header_type") == "UInt64" else "u4"
        compressor = root.get("compressor")
        if compressor not in (None, "", "vtkZLibDataCompressor"):
            self._fail(f"compressed by {compressor[:40]}; accepted: vtkZLibDataCompressor")
        self.is_compressed = bool(compressor)
        vertices, triangles, start = [np.zeros((0, 3))], [np.zeros((0, 3), np.int32)], 0
        for piece in root.iterfind("PolyData/Piece"):
            points = self._array(piece.find("Points/DataArray"), "Points").astype(np.float64)
            if len(points) % 3 or not np.isfinite(points).all():
                self._fail(f"{len(points)} coordinates of points, or some that are not finite")
            found = np.concatenate([self._polygons(piece), self._strips(piece)])
            if len(found) and not (0 <= found.min() and found.max() < len(points) // 3):
                self._fail("a polygon refers to a missing point")
            vertices.append(points.reshape(-1, 3))
            triangles.append((found + start).astype(np.int32))
            start += len(points) // 3
        mesh = Mesh(np.concatenate(vertices), np.concatenate(triangles), np.ones(start))
        if not len(mesh.triangles):
            self._fail("no polygons in it")
        return mesh

    def _fail(self, problem: str) -> NoReturn:
        raise RealtimeError(f"{self.path}: not a .vtp surface that can be read: {problem}")

    def _parse(self) -> Element:
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                self._fail(f"more than {MAX_FILE_BYTES} bytes")
            data = self.path.read_bytes()
            match = _RAW_APPENDED.search(data)
            if match is not None:  # raw bytes are not XML: take them out
                end = data.rfind(b"</AppendedData>")
                self.appended, self.is_raw = data[match.end() : end], True
                data = data[: match.end()] + data[end:]
            root = defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
        except OSError as error:
            raise RealtimeError(f"{self.path}: cannot be read ({error.strerror})") from error
        except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
            self._fail(f"{error or type(error).__name__}")
        if not self.is_raw:
            text = (root.findtext("AppendedData") or "").strip()
            self.appended = text[1:].encode("ascii", "replace") if text.startswith("_") else b""
        return root

    def _polygons(self, piece: Element) -> NDArray[np.int64]:
        """Polygons split into fans of triangles."""
        connectivity, offsets = self._cells(piece, "Polys")
        starts = np.concatenate([[0], offsets[:-1]]) if len(offsets) else offsets
        n_triangles = np.maximum(offsets - starts - 2, 0)
        first = np.repeat(starts, n_triangles)
        ends = np.cumsum(n_triangles)
        k = np.arange(n_triangles.sum()) - np.repeat(ends - n_triangles, n_triangles)
        return np.stack(
            [connectivity[first], connectivity[first + k + 1], connectivity[first + k + 2]], axis=1
        ).reshape(-1, 3)

    def _strips(self, piece: Element) -> NDArray[np.int64]:
        """Triangles of strips, with every other one flipped."""
        connectivity, offsets = self._cells(piece, "Strips")
        triangles = [np.zeros((0, 3), np.int64)]
        start = 0
        for end in offsets.tolist():
            strip = connectivity[start:end]
            rows = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=1) if len(strip) > 2 else triangles[0]
            rows[1::2] = rows[1::2, ::-1]
            triangles.append(rows)
            start = end
        return np.concatenate(triangles)

    def _cells(self, piece: Element, kind: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        arrays = {e.get("Name"): e for e in piece.iterfind(f"{kind}/DataArray")}
        if not arrays or piece.get(f"NumberOf{kind}") == "0":
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        connectivity = self._array(arrays.get("connectivity"), f"{kind} connectivity").astype(np.int64)
        offsets = self._array(arrays.get("offsets"), f"{kind} offsets").astype(np.int64)
        if len(offsets) and (
            offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(connectivity)
        ):
            self._fail(f"offsets of {kind} do not increase, or lead beyond its {len(connectivity)} entries")
        return connectivity, offsets

    def _array(self, element: Element | None, what: str) -> NDArray[np.generic]:
        if element is None or element.get("type") not in _DTYPES:
            self._fail(f"{what}: missing, or not of a type among {', '.join(_DTYPES)}")
        dtype = np.dtype(self.order + _DTYPES[element.get("type", "")])
        form = element.get("format", "ascii")
        try:
            if form == "ascii":
                return np.array((element.text or "").split(), dtype=np.float64).astype(dtype)
            if form == "appended":
                data = self.appended[int(element.get("offset", "0")) :]
                raw = self._unpack(data, is_base64=not self.is_raw)
            elif form == "binary":
                raw = self._unpack("".join((element.text or "").split()).encode("ascii"), is_base64=True)
            else:
                self._fail(f"{what}: format {form[:20]!r}; accepted: ascii, binary, appended")
            return np.frombuffer(raw, dtype)
        except (ValueError, binascii.Error, zlib.error, OverflowError) as error:
            self._fail(f"{what}: {error}")

    def _unpack(self, data: bytes, *, is_base64: bool) -> bytes:
        """The bytes of an array that follows a header of sizes."""
        word = np.dtype(self.order + self.header)
        if not self.is_compressed:
            head = _decoded(data, word.itemsize) if is_base64 else data[: word.itemsize]
            size = int(np.frombuffer(head, word, 1)[0])
            self._check_size(size)
            body = _decoded(data, word.itemsize + size) if is_base64 else data[: word.itemsize + size]
            body = body[word.itemsize :]
        else:
            head = _decoded(data, 3 * word.itemsize) if is_base64 else data[: 3 * word.itemsize]
            n_blocks, block, last = (int(v) for v in np.frombuffer(head, word, 3))
            self._check_size(n_blocks * max(block, 8))
            n_head = (3 + n_blocks) * word.itemsize
            head = _decoded(data, n_head) if is_base64 else data[:n_head]
            sizes = [int(v) for v in np.frombuffer(head, word, n_blocks, 3 * word.itemsize)]
            self._check_size(sum(sizes))
            rest = data[4 * -(-n_head // 3) :] if is_base64 else data[n_head:]
            packed = _decoded(rest, sum(sizes)) if is_base64 else rest[: sum(sizes)]
            size = (n_blocks - 1) * block + (last or block) if n_blocks else 0
            body = _inflated(packed, sizes, block)
        if len(body) != size:
            raise ValueError(f"{len(body)} bytes of {size}")
        return body

    def _check_size(self, size: int) -> None:
        if size > MAX_ARRAY_BYTES:
            raise ValueError(f"an array of {size} bytes")


def _decoded(text: bytes, n_bytes: int) -> bytes:
    """The first bytes of a base64 text."""
    return base64.b64decode(text[: 4 * -(-n_bytes // 3)], validate=True)[:n_bytes]


def _inflated(packed: bytes, sizes: list[int], block: int) -> bytes:
    parts, start = [], 0
    for size in sizes:
        inflate = zlib.decompressobj()
        parts.append(inflate.decompress(packed[start : start + size], block + 1))
        start += size
    return b"".join(parts)
