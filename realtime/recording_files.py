"""Files that grow row by row and stay whole: what a recording keeps even if the process is killed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError

SPOOL_NAME = "recording.spool"


class RowFile:
    """Appends whole rows, each handed to the system at once.

    What was appended survives the death of the process, and a row that could only be written in part (a
    full disk) is taken back, so the file always ends with a whole row.

    Args:
        path: created, or emptied if it exists.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644)
        self._size = 0

    def append(self, row: bytes) -> None:
        """Append one row.

        Raises:
            OSError: it does not fit; the file is as before.
        """
        written = 0
        try:
            while written < len(row):
                written += os.write(self._fd, row[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def close(self) -> None:
        """Release the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of a recording mean."""

    format: Literal["kinecast-spool-1"] = "kinecast-spool-1"
    model: str
    coordinate_names: tuple[str, ...]
    is_rotational: tuple[bool, ...]
    marker_names: tuple[str, ...]
    rate_hz: float | None
    """Rate of the even files; None to take it from the stamps."""

    @property
    def row_size(self) -> int:
        """Numbers in a row: time, coordinates, markers."""
        return 1 + len(self.coordinate_names) + 3 * len(self.marker_names)


class SpoolWriter(RowFile):
    """Rows of float64 (time in s, q in rad and m, markers in m), from which `close` makes the even files."""

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__(path)
        self.append(msgspec.json.encode(layout) + b"\n")

    def add(self, time_s: float, q: NDArray[np.float64], markers_m: NDArray[np.float64]) -> None:
        """Append one sample.

        Raises:
            OSError: it does not fit.
        """
        row = np.concatenate([[time_s], q, markers_m.ravel()])
        self.append(row.astype("<f8").tobytes())


def read_spool(path: Path) -> tuple[Layout, NDArray[np.float64]]:
    """Layout and whole rows of a spool, also one that a killed process left.

    Returns:
        The layout, and the rows. Shape: (n, layout.row_size).

    Raises:
        RecordingError: it cannot be read or is not a spool.
    """
    try:
        with path.open("rb") as file:
            layout = msgspec.json.decode(file.readline(1 << 20), type=Layout)
            data = file.read()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: not the spool of a recording ({error})") from error
    whole = len(data) // (8 * layout.row_size)
    rows = np.frombuffer(data, dtype="<f8", count=whole * layout.row_size)
    return layout, rows.reshape(whole, layout.row_size)


def csv_header(layout: Layout) -> bytes:
    """First line of angles.csv: units are part of the names, confidences follow the coordinates."""
    units = ("deg" if is_angle else "m" for is_angle in layout.is_rotational)
    columns = [f"{name}_{unit}" for name, unit in zip(layout.coordinate_names, units, strict=True)]
    columns += [f"{name}_confidence" for name in layout.coordinate_names]
    return ",".join(["frame_id", "time_s", "status", *columns]).encode() + b"\n"


def csv_row(
    frame_id: int, time_s: float, status: str, values: Sequence[float], confidence: Sequence[float]
) -> bytes:
    """One line of angles.csv; undefined values are `nan`."""
    numbers = ",".join([*(f"{v:.8g}" for v in values), *(f"{c:.4g}" for c in confidence)])
    return f"{frame_id},{time_s:.9f},{status},{numbers}\n".encode()
