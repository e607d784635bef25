"""Reading and writing the text files of OpenSim: lines, cells, numbers, whole-file replacement."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError

# How C and C++ libraries print NaN; OpenSim writes whatever its platform does.
_NAN_WORDS = frozenset({"nan", "-nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"})
_SHOWN_CHARACTERS = 40
MIN_TIME_STEP_S = 1e-9
"""Times are written to the nanosecond."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """The lines of a file; its methods name file and line in every error."""

    path: Path
    lines: list[str]
    is_cut: bool
    """Whether the last line lacks its end, as in a file that was still being written."""

    def fail(self, index: int, problem: str, accepted: str) -> NoReturn:
        """Refuse the file because of the line with this index.

        Raises:
            StorageError: always.
        """
        raise StorageError(
            f"{self.path}:{index + 1}: {problem}; accepted: {accepted}",
            name=f"{self.path}:{index + 1}",
            accepted=(accepted,),
        )

    def numbers(self, index: int, cells: Sequence[str]) -> list[float]:
        """The cells of a line as numbers; NaN for the ways of writing it and for empty cells.

        Raises:
            StorageError: a cell is neither a finite number nor NaN.
        """
        line = self.lines[index]
        # Python alone reads 1_000 and digits of other scripts.
        if line.isascii() and "_" not in line:
            try:
                values = list(map(float, cells))
                if not any(map(math.isinf, values)):
                    return values
            except ValueError:
                pass
        return [self._number(index, cell) for cell in cells]

    def _number(self, index: int, cell: str) -> float:
        word = cell.strip()
        if not word or word.lower() in _NAN_WORDS:
            return math.nan
        try:
            value = float(word) if word.isascii() and "_" not in word else math.inf
        except ValueError:
            value = math.inf
        if math.isinf(value):
            self.fail(index, f"{shorten(word)} is not a number", "finite numbers, or nan where unknown")
        return value

    def check_time(self, rows: Sequence[int], time_s: NDArray[np.float64]) -> None:
        """Refuse times that are missing or do not increase.

        Args:
            rows: Line index of each time.
            time_s: Times of the rows. Shape: (n_rows,).

        Raises:
            StorageError: at the first such line.
        """
        for k in np.flatnonzero(~np.isfinite(time_s)):
            self.fail(rows[int(k)], "no time in this row", "a time in s in every row")
        for k in np.flatnonzero(np.diff(time_s) <= 0.0):
            before, after = time_s[k], time_s[k + 1]
            self.fail(rows[int(k) + 1], f"time {after:.9g} s follows {before:.9g} s", "times that increase")

    def check_names(self, index: int, names: Sequence[str], what: str) -> None:
        """Refuse empty names and names that occur twice.

        Raises:
            StorageError: naming the first such name.
        """
        seen: set[str] = set()
        for number, name in enumerate(names, start=1):
            if not name:
                self.fail(index, f"{what} {number} has no name", "a name for every one")
            if name in seen:
                self.fail(index, f"more than one {what} is called {shorten(name)}", "distinct names")
            seen.add(name)


def read_text(path: Path) -> TextFile:
    """Read a whole text file, whatever its line ends and byte order mark.

    Raises:
        StorageError: it cannot be read, is empty, or is not text.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    if b"\0" in data:
        raise StorageError(f"{path}: not a text file; accepted: .mot, .sto or .trc as text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # paths in headers written by Windows
    if not text.strip():
        raise StorageError(f"{path}:1: the file is empty; accepted: a header and rows")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return TextFile(path, text.rstrip("\n").split("\n"), not text.endswith("\n"))


def shorten(text: str) -> str:
    """Quoted, and short enough for a message."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def format_row(time_s: float, values: Iterable[float]) -> str:
    """A row with its time to the nanosecond and values to ten digits; NaN as OpenSim reads it."""
    # Adding zero turns -0 into 0.
    cells = "\t".join("NaN" if value != value else f"{value + 0.0:.10g}" for value in values)
    return f"{time_s + 0.0:.9f}\t{cells}"


def check_writable(path: Path, time_s: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Refuse what the readers would refuse.

    Raises:
        StorageError: times are not finite or do not increase, or values are infinite.
    """
    if not np.isfinite(time_s).all():
        raise StorageError(f"{path}: a time is not finite; accepted: finite times in s")
    steps = np.diff(np.round(time_s, 9))
    if (steps <= 0.5 * MIN_TIME_STEP_S).any():
        row = int(np.argmax(steps <= 0.5 * MIN_TIME_STEP_S)) + 1
        raise StorageError(
            f"{path}: row {row + 1} at {time_s[row]:.9f} s follows one at {time_s[row - 1]:.9f} s; "
            "accepted: times that increase by a nanosecond or more"
        )
    if np.isinf(values).any():
        raise StorageError(f"{path}: a value is infinite; accepted: finite numbers, or NaN where unknown")


def check_column_names(path: Path, names: Sequence[str], *, spaces: bool) -> None:
    """Refuse names that would not be read back as they are.

    Args:
        path: File to be written.
        names: Names of columns or markers.
        spaces: Whether names may contain single spaces.

    Raises:
        StorageError: a name is empty, occurs twice, or contains white space that separates columns.
    """
    accepted = "distinct names without white space" if not spaces else "distinct names without tabs"
    seen: set[str] = set()
    for name in names:
        words = name.split()
        readable = " ".join(words) if spaces else "".join(words)
        if not name or name != readable or not name.isprintable() or name in seen:
            raise StorageError(f"{path}: cannot write a column called {shorten(name)}; accepted: {accepted}")
        seen.add(name)


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: readers see the old content until the new one is complete.

    Raises:
        StorageError: the folder or the file cannot be written; nothing has changed then.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error
