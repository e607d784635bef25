"""Reads and writes `.trc` files: marker positions over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from calib.tables.text_files import (
    TextFile,
    check_column_names,
    check_writable,
    format_row,
    read_text,
    replace_text,
    shorten,
)

_METRES = {
    "m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0,
    "cm": 0.01, "centimeters": 0.01, "centimetres": 0.01,
    "mm": 0.001, "millimeters": 0.001, "millimetres": 0.001,
}  # fmt: skip
_KEYS_LINE, _VALUES_LINE, _NAMES_LINE, _AXES_LINE = 1, 2, 3, 4
_LINES_OF_HEADER = 5


@dataclass(frozen=True, slots=True, eq=False)
class MarkerTable:
    """Markers over time, in m whatever the file's unit is."""

    names: tuple[str, ...]
    time_s: NDArray[np.float64]
    """Strictly increasing, not necessarily even. Shape: (n_rows,)."""
    positions_m: NDArray[np.float64]
    """NaN where a marker was not seen. Shape: (n_rows, n_markers, 3)."""

    def __post_init__(self) -> None:
        if self.positions_m.shape != (len(self.time_s), len(self.names), 3):
            raise ValueError(
                f"positions of shape {self.positions_m.shape} for {len(self.time_s)} times and "
                f"{len(self.names)} markers"
            )


def read_trc(path: Path) -> MarkerTable:
    """Read a `.trc` file as Cortex, OpenSim, OpenCap and Pose2Sim write them.

    Empty cells are missing values. Frame numbers and the header's rates are not used: times are.

    Raises:
        StorageError: naming file and line, when the file cannot be read, is empty, has no marker header,
            an unknown unit, repeated markers, rows of another length or cells that are not numbers, or
            when its times do not increase.
    """
    file = read_text(path)
    if not file.lines[0].lstrip().startswith("PathFileType"):
        file.fail(0, f"the file starts with {shorten(file.lines[0])}", "PathFileType, as in a .trc file")
    if len(file.lines) < _LINES_OF_HEADER:
        file.fail(len(file.lines) - 1, "the file ends within its header", "five lines of header")
    to_metres = _read_unit(file)
    names = _read_names(file)
    rows: list[int] = []
    numbers: list[list[float]] = []
    n_cells = 2 + 3 * len(names)
    for k in range(_LINES_OF_HEADER, len(file.lines)):
        if not file.lines[k].strip():
            continue
        cells = _split_row(file.lines[k], n_cells)
        if len(cells) != n_cells:
            file.fail(k, f"{len(cells)} columns", f"{n_cells}: frame, time, and 3 for each marker")
        rows.append(k)
        numbers.append(file.numbers(k, cells[1:]))
    data = np.array(numbers, dtype=np.float64).reshape(-1, n_cells - 1)
    file.check_time(rows, data[:, 0])
    positions_m = data[:, 1:].reshape(len(data), len(names), 3) * to_metres
    return MarkerTable(names, data[:, 0].copy(), positions_m)


def _read_unit(file: TextFile) -> float:
    keys, values = file.lines[_KEYS_LINE].split(), file.lines[_VALUES_LINE].split()
    if "Units" not in keys:
        file.fail(_KEYS_LINE, "no Units among the keys", "DataRate, CameraRate, NumFrames, ..., Units, ...")
    if len(values) <= keys.index("Units"):
        file.fail(_VALUES_LINE, f"{len(values)} values for {len(keys)} keys", "a value for every key")
    unit = values[keys.index("Units")]
    if unit.lower() not in _METRES:
        file.fail(_VALUES_LINE, f"Units is {shorten(unit)}", "m, cm or mm")
    return _METRES[unit.lower()]


def _read_names(file: TextFile) -> tuple[str, ...]:
    line = file.lines[_NAMES_LINE]
    cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
    if len(cells) < 2 or not cells[0].startswith("Frame") or cells[1].lower() != "time":
        file.fail(_NAMES_LINE, f"{shorten(line)} is not the names of columns", "Frame#, Time, marker names")
    if file.lines[_AXES_LINE].split()[:1] not in ([], ["X1"]):
        file.fail(_AXES_LINE, "not the axes of markers", "X1, Y1, Z1, X2, ...")
    # Each marker's name stands over its X; the cells over Y and Z are empty.
    names = [cell for cell in cells[2:] if cell]
    file.check_names(_NAMES_LINE, names, "marker")
    keys, values = file.lines[_KEYS_LINE].split(), file.lines[_VALUES_LINE].split()
    declared = dict(zip(keys, values, strict=False)).get("NumMarkers", str(len(names)))
    if declared != str(len(names)):
        file.fail(
            _NAMES_LINE, f"{len(names)} names for {shorten(declared)} markers", "a name for each marker"
        )
    return tuple(names)


def _split_row(line: str, n_cells: int) -> list[str]:
    """Cells of a row: only tabs can hold empty ones."""
    if "\t" not in line:
        return line.split()
    cells = line.split("\t")
    while len(cells) > n_cells and not cells[-1].strip():
        cells.pop()
    return cells


def write_trc(path: Path, table: MarkerTable, rate_hz: float | None = None) -> None:
    """Write a `.trc` file in m, whole or not at all.

    Uneven times stay as they are.

    Args:
        path: File to write; an existing one is replaced.
        table: Markers, of one frame or more.
        rate_hz: Rate of a single frame; of more, the header has that of the median time step.

    Raises:
        StorageError: no frame, names, times or positions that a reader would refuse, or a file that cannot be
            written.
    """
    if not len(table.time_s):
        raise StorageError(f"{path}: no frame to write; OpenSim hangs on such a file; accepted: 1 or more")
    check_column_names(path, table.names, spaces=True)
    n_rows, n_markers = len(table.time_s), len(table.names)
    values = table.positions_m.reshape(n_rows, 3 * n_markers)
    check_writable(path, table.time_s, values)
    written_hz = f"{1.0 / np.median(np.diff(table.time_s)) if n_rows > 1 else rate_hz or 1.0:.6g}"
    axes = [f"{axis}{k}" for k in range(1, n_markers + 1) for axis in "XYZ"]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{Path(path).name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{written_hz}\t{written_hz}\t{n_rows}\t{n_markers}\tm\t{written_hz}\t1\t{n_rows}",
        "\t".join(["Frame#", "Time", *(f"{name}\t\t" for name in table.names)]),
        "\t".join(["", "", *axes]),
        "",
    ]
    rows = zip(table.time_s.tolist(), values.tolist(), strict=True)
    lines += [f"{number}\t{format_row(t, row)}" for number, (t, row) in enumerate(rows, start=1)]
    replace_text(path, "\n".join(lines) + "\n")
