"""Reads and writes OpenSim's tables: `.mot` and `.sto` here, `.trc` through `calib.tables.trc`.

A `Table` holds what the file's text says: rotations in degrees where `in_degrees` is set. Everything else
in the project is in rad and m; `coordinate_values` and `coordinate_table` are the ways in and out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calib.errors import StorageError
from calib.tables.text_files import (
    MIN_TIME_STEP_S,
    TextFile,
    check_column_names,
    check_writable,
    format_row,
    read_text,
    replace_text,
    shorten,
)
from calib.tables.trc import MarkerTable, read_trc, write_trc

__all__ = [
    "MarkerTable",
    "StoWriter",
    "Table",
    "coordinate_table",
    "coordinate_values",
    "read_mot",
    "read_sto",
    "read_trc",
    "write_mot",
    "write_sto",
    "write_trc",
]

logger = logging.getLogger(__name__)

_KEY_VALUE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")
_SIMM_HEADER = re.compile(r"\s*datacolumns\s+\d+\s*", re.IGNORECASE)
_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns over time, in the units of the file."""

    names: tuple[str, ...]
    """Of the columns, without time."""
    time_s: NDArray[np.float64]
    """Strictly increasing, not necessarily even. Shape: (n_rows,)."""
    values: NDArray[np.float64]
    """NaN where unknown. Shape: (n_rows, n_columns)."""
    in_degrees: bool
    """Whether rotational columns are in degrees; they are in rad otherwise."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.time_s), len(self.names)):
            raise ValueError(
                f"values of shape {self.values.shape} for {len(self.time_s)} times and "
                f"{len(self.names)} columns"
            )


def coordinate_values(
    table: Table, names: Sequence[str], is_rotational: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """A table's columns as coordinates in rad and m.

    Args:
        table: Table whose columns may be in any order, and more or fewer than `names`.
        names: Coordinates, such as `skeleton.coordinate_names`.
        is_rotational: Whether each coordinate is an angle. Shape: (n_q,).

    Returns:
        NaN in the columns that the table lacks. Shape: (n_rows, n_q).
    """
    q = np.full((len(table.time_s), len(names)), np.nan)
    column = {name: k for k, name in enumerate(table.names)}
    for k, name in enumerate(names):
        if name in column:
            q[:, k] = table.values[:, column[name]]
    if table.in_degrees:
        q[:, is_rotational] = np.radians(q[:, is_rotational])
    return q


def coordinate_table(
    names: Sequence[str], is_rotational: NDArray[np.bool_], time_s: ArrayLike, q: ArrayLike
) -> Table:
    """Coordinates in rad and m as a table in degrees and m.

    Args:
        names: Coordinates, such as `skeleton.coordinate_names`.
        is_rotational: Whether each coordinate is an angle. Shape: (n_q,).
        time_s: Times of the rows. Shape: (n_rows,).
        q: Coordinates in rad and m. Shape: (n_rows, n_q).
    """
    values = np.array(q, dtype=np.float64)
    values[:, is_rotational] = np.degrees(values[:, is_rotational])
    return Table(tuple(names), np.asarray(time_s, dtype=np.float64), values, in_degrees=True)


def read_mot(path: Path) -> Table:
    """Read a `.mot` file as OpenSim, OpenCap, Pose2Sim and SIMM write them.

    Without `inDegrees` in the header rotations are in rad, as OpenSim takes it. Where the header tells no
    number of rows, as `StoWriter`'s does not, a last row without its line end was cut off in writing: it is
    left out with a warning.

    Raises:
        StorageError: naming file and line, when the file cannot be read, is empty, has no `endheader` or no
            `time` column, repeats a column, has rows of another length or cells that are not numbers, or
            when its times do not increase.
    """
    file = read_text(path)
    end = _find_end_of_header(file)
    header = _read_header(file, end)
    labels = next((k for k in range(end + 1, len(file.lines)) if file.lines[k].strip()), None)
    if labels is None:
        file.fail(end, "nothing follows endheader", "a line of column names that starts with time")
    names = _split_labels(file.lines[labels])
    if names[0].lower() != "time":
        file.fail(labels, f"the first column is {shorten(names[0])}", "time")
    file.check_names(labels, names, "column")
    rows, numbers = _read_rows(file, labels + 1, len(names), header.n_rows)
    data = np.array(numbers, dtype=np.float64).reshape(-1, len(names))
    file.check_time(rows, data[:, 0])
    return Table(tuple(names[1:]), data[:, 0].copy(), np.ascontiguousarray(data[:, 1:]), header.in_degrees)


def read_sto(path: Path) -> Table:
    """Read an `.sto` file: the same format, often with uneven times. See `read_mot`."""
    return read_mot(path)


def _find_end_of_header(file: TextFile) -> int:
    for k, line in enumerate(file.lines):
        if line.strip().lower() == "endheader":
            return k
    file.fail(len(file.lines) - 1, "the file ends without endheader", "a header closed by endheader")


@dataclass(frozen=True, slots=True)
class _Header:
    in_degrees: bool
    n_rows: str | None


def _read_header(file: TextFile, end: int) -> _Header:
    in_degrees, n_rows = False, None
    for k in range(end):
        if _SIMM_HEADER.fullmatch(file.lines[k]):
            in_degrees = True  # SIMM's own motions know no other unit
        match = _KEY_VALUE.fullmatch(file.lines[k])
        if match is None:
            continue
        if match[1].lower() == "nrows":
            n_rows = match[2]
        if match[1].lower() == "indegrees":
            if match[2].lower() not in _FLAGS:
                file.fail(k, f"inDegrees is {shorten(match[2])}", "yes or no")
            in_degrees = _FLAGS[match[2].lower()]
    return _Header(in_degrees, n_rows)


def _split_labels(line: str) -> list[str]:
    """Column names: between tabs where there are tabs, between spaces otherwise."""
    if "\t" in line:
        return [cell.strip() for cell in line.rstrip().split("\t")]
    return line.split()


def _read_rows(
    file: TextFile, start: int, n_columns: int, declared: str | None
) -> tuple[list[int], list[list[float]]]:
    """Line index and numbers of every row."""
    rows: list[int] = []
    numbers: list[list[float]] = []
    stop = len(file.lines)
    if declared is None and file.is_cut and stop > start:
        stop -= 1
        logger.warning("%s:%d: the last row was cut off in writing and is left out", file.path, stop + 1)
    for k in range(start, stop):
        cells = file.lines[k].split()
        if not cells:
            continue
        if len(cells) != n_columns:
            file.fail(k, f"{len(cells)} columns", f"{n_columns}, as there are names")
        rows.append(k)
        numbers.append(file.numbers(k, cells))
    if declared is not None and declared != str(len(rows)):
        logger.warning("%s: %d rows, but the header says %s", file.path, len(rows), shorten(declared))
    return rows, numbers


def write_mot(path: Path, table: Table, *, title: str = "Coordinates") -> None:
    """Write a `.mot` file, whole or not at all.

    Args:
        path: File to write; an existing one is replaced.
        table: Table to write; values are written as they are, with ten digits.
        title: First line of the header.

    Raises:
        StorageError: names, times or values that a reader would refuse, or a file that cannot be written.
    """
    check_column_names(path, ["time", *table.names], spaces=False)
    check_writable(path, table.time_s, table.values)
    header = _header(title, table.names, table.in_degrees, len(table.time_s))
    rows = zip(table.time_s.tolist(), table.values.tolist(), strict=True)
    replace_text(path, header + "".join(format_row(time_s, values) + "\n" for time_s, values in rows))


def write_sto(path: Path, table: Table, *, title: str = "Coordinates") -> None:
    """Write an `.sto` file: the same format. See `write_mot`."""
    write_mot(path, table, title=title)


def _header(title: str, names: Sequence[str], in_degrees: bool, n_rows: int | None) -> str:
    """Version 3, whose readers take NaN, and do without a number of rows."""
    lines = [" ".join(title.split()), "version=3", "DataType=double"]
    if n_rows is not None:
        lines.append(f"nRows={n_rows}")
    lines += [f"nColumns={len(names) + 1}", f"inDegrees={'yes' if in_degrees else 'no'}", "endheader"]
    return "\n".join([*lines, "\t".join(["time", *names])]) + "\n"


class StoWriter:
    """Writes an `.sto` row by row, readable at any moment, also after the process was killed.

    Every row is handed to the system at once and whole. The header has no number of rows; OpenSim's table
    readers do not need it. An existing file is overwritten.

    Args:
        path: File to write.
        names: Names of the columns, without time.
        in_degrees: Whether rotations that follow are in degrees.
        title: First line of the header.

    Raises:
        StorageError: names that a reader would refuse, or a file that cannot be written.
    """

    def __init__(
        self, path: Path, names: Sequence[str], *, in_degrees: bool = True, title: str = "Coordinates"
    ) -> None:
        self.path = Path(path)
        self.n_rows = 0
        self._n_columns = len(names)
        self._last_s = -np.inf
        check_column_names(self.path, ["time", *names], spaces=False)
        try:
            self._file: BinaryIO = open(self.path, "wb", buffering=0)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._write(_header(title, names, in_degrees, None))

    def append(self, time_s: float, values: ArrayLike) -> None:
        """Write a row.

        Args:
            time_s: Time of the row, a nanosecond or more after the row before.
            values: Values of the row, NaN where unknown. Shape: (n_columns,).

        Raises:
            StorageError: a row that a reader would refuse, or a full disk.
        """
        row = np.asarray(values, dtype=np.float64)
        if row.shape != (self._n_columns,):
            raise StorageError(f"{self.path}: a row of shape {row.shape}; accepted: ({self._n_columns},)")
        if not np.isfinite(time_s) or round(time_s, 9) - self._last_s < 0.5 * MIN_TIME_STEP_S:
            raise StorageError(
                f"{self.path}: a row at {time_s:.9f} s follows one at {self._last_s:.9f} s; accepted: "
                "finite times that increase by a nanosecond or more"
            )
        if np.isinf(row).any():
            raise StorageError(f"{self.path}: a value is infinite; accepted: finite numbers or NaN")
        self._write(format_row(float(time_s), row.tolist()) + "\n")
        self._last_s = round(float(time_s), 9)
        self.n_rows += 1

    def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
