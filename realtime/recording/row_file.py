"""Files that grow row by row and stay intact even if the process is killed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from calib.coordinates import PELVIC_ANGLES
from realtime.recording.private_file import make_private
from realtime.stream.messages import Angles, Model


class RowFile:
    """Appends whole rows, each passed to the operating system at once.

    Appended rows survive a killed process, and a row that could only be written in part (on a full disk) is
    removed again, so the file always ends with a whole row.

    Args:
        path: Path of the file; created, or emptied if it exists; only the user may read it.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private(path)
        self._fd = os.open(path, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0))
        self._size = 0

    def append(self, row: bytes) -> None:
        """Append one row.

        Raises:
            OSError: the row does not fit; the file is unchanged.
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


def csv_header(model: Model) -> bytes:
    """Header of angles.csv: coordinates with their units, confidences, then the clinical pelvis angles."""
    units = ("deg" if is_angle else "m" for is_angle in model.is_rotational)
    columns = [f"{name}_{unit}" for name, unit in zip(model.coordinate_names, units, strict=True)]
    columns += [f"{name}_confidence" for name in model.coordinate_names]
    columns += [f"{name}_deg" for name in PELVIC_ANGLES]
    return ",".join(["frame_id", "time_s", "status", *columns]).encode() + b"\n"


def csv_row(angles: Angles, time_s: float, values: Sequence[float]) -> bytes:
    """One line of angles.csv; undefined values are `nan`.

    Args:
        angles: The sample.
        time_s: Time since the first sample.
        values: Its coordinates in degrees and m.
    """
    numbers = [f"{v:.8g}" for v in values]
    numbers += [f"{c:.4g}" for c in angles.confidence]
    numbers += [f"{math.degrees(angle):.8g}" for angle in angles.pelvic_angles]
    return f"{angles.frame_id},{time_s:.9f},{angles.status},{','.join(numbers)}\n".encode()
