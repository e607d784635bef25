"""Readers of `.stl` and `.obj` surfaces; only triangles are read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RealtimeError
from realtime.viewer.shapes import Mesh
from realtime.viewer.vtp import MAX_FILE_BYTES, read_vtp

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_STL_HEADER_BYTES = 84


def read_surface(path: Path) -> Mesh:
    """Read a `.vtp`, `.stl` or `.obj` file.

    Raises:
        RealtimeError: the file cannot be read, is malformed, or holds no surface.
    """
    suffix = path.suffix.lower()
    if suffix == ".vtp":
        return read_vtp(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
        data = path.read_bytes()
        mesh = _stl(data) if suffix == ".stl" else _obj(data.decode("utf-8", "replace"))
    except OSError as error:
        raise RealtimeError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise RealtimeError(f"{path}: not a {suffix} surface that can be read: {error}") from error
    if not len(mesh.triangles) or not np.isfinite(mesh.vertices).all():
        raise RealtimeError(f"{path}: not a {suffix} surface that can be read: no triangles of finite size")
    return mesh


def _stl(data: bytes) -> Mesh:
    """Read an STL file, as binary if its length fits: some binary files begin with "solid", too."""
    n = int.from_bytes(data[80:84], "little")
    if len(data) == _STL_HEADER_BYTES + n * _FACET.itemsize and n:
        corners = np.frombuffer(data, _FACET, n, _STL_HEADER_BYTES)["corners"].astype(np.float64)
    else:
        words = data.decode("ascii", "replace").split()
        at = np.flatnonzero(np.array(words) == "vertex") if words[:1] == ["solid"] else np.zeros(0, int)
        numbers = [float(words[k + axis]) for k in at.tolist() for axis in (1, 2, 3)]
        corners = np.array(numbers).reshape(-1, 3, 3)
    return _shared(corners.reshape(-1, 3))


def _shared(corners: NDArray[np.float64]) -> Mesh:
    """Mesh of triangles with three corners each; equal corners share a vertex, and thus a normal."""
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(vertices, index.reshape(-1, 3).astype(np.int32), np.ones(len(vertices)))


def _obj(text: str) -> Mesh:
    """Read vertices and faces; polygons become fans, negative indices count back from the last vertex."""
    vertices: list[tuple[float, ...]] = []
    triangles: list[tuple[int, int, int]] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            x, y, z = (float(word) for word in words[1:4])
            vertices.append((x, y, z))
        elif words[:1] == ["f"]:
            numbers = [int(word.partition("/")[0]) for word in words[1:]]
            corners = [k - 1 if k > 0 else len(vertices) + k for k in numbers]
            if not all(0 <= k < len(vertices) for k in corners):
                raise ValueError(f"a face names a vertex that is not there: {line[:60]}")
            triangles += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    places = np.array(vertices, dtype=np.float64).reshape(-1, 3)
    return Mesh(places, np.array(triangles, dtype=np.int32).reshape(-1, 3), np.ones(len(places)))
