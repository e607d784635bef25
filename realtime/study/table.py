"""The table of a study: one row a trial, as csv and, where pyarrow is installed, as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from realtime.study.outcome import Outcome
from realtime.study.place import Place
from realtime.study.results import place_in, write_bytes

CSV_NAME, PARQUET_NAME = "trials.csv", "trials.parquet"
FIRST = ("subject", "trial", "status", "reason", "notes")

Row = dict[str, int | float | str | None]


def rows_of(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Row]]:
    """Columns, and a row for each outcome; None where a trial has no value."""
    rows: list[Row] = [
        {
            "subject": outcome.subject, "trial": outcome.trial, "status": str(outcome.status),
            "reason": outcome.reason, "notes": "; ".join(outcome.notes), **outcome.values,
        }
        for outcome in outcomes
    ]  # fmt: skip
    columns = list(dict.fromkeys([*FIRST, *(name for row in rows for name in row)]))
    return columns, [{name: row.get(name) for name in columns} for row in rows]


def as_csv(outcomes: Sequence[Outcome]) -> bytes:
    """The table as csv; empty cells where a trial has no value."""
    columns, rows = rows_of(outcomes)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(outcomes: Sequence[Outcome]) -> bytes:
    """The table as Parquet: text and 64-bit floats.

    Raises:
        ImportError: pyarrow is not installed.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns, rows = rows_of(outcomes)
    arrays = {}
    for name in columns:
        cells = [row[name] for row in rows]
        is_text = name in FIRST or any(isinstance(cell, str) for cell in cells)
        arrays[name] = pa.array(
            cells if is_text else [None if cell is None else float(cell) for cell in cells],
            pa.string() if is_text else pa.float64(),
        )
    sink = io.BytesIO()
    parquet.write_table(pa.table(arrays), sink)
    return sink.getvalue()


def write_table(out: Place, outcomes: Sequence[Outcome]) -> list[str]:
    """Write the table.

    Returns:
        Names of the files written: without Parquet where pyarrow is not installed.

    Raises:
        StudyError: a file cannot be written.
    """
    write_bytes(place_in(out, CSV_NAME), as_csv(outcomes))
    try:
        content = as_parquet(outcomes)
    except ImportError:
        return [CSV_NAME]
    write_bytes(place_in(out, PARQUET_NAME), content)
    return [CSV_NAME, PARQUET_NAME]
