"""Tables as CSV, Excel workbook and Parquet, and angles as `.mot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calib.tables.storage import coordinate_table, write_mot
from realtime.errors import RecordingError
from realtime.export.even import evenly
from realtime.export.extras import need
from realtime.export.motion import RecordedMotion
from realtime.recording.finish import title_of

if TYPE_CHECKING:
    import pandas as pd

    from realtime.export.cycles import Repeated

MOST_ROWS = 1_048_575
"""Rows of an Excel sheet, without the header."""
ANGLES = "angles"
TABLES = (ANGLES, "ranges", "events", "repetitions", "repetition_ranges", "symmetry", "mean_curves")
"""Tables of a recording; the last five are those of `Repeated`."""


def write_csv(motion: RecordedMotion, repeated: Repeated, path: Path, table: str = ANGLES) -> None:
    """Write one of `TABLES`: with empty cells where a value is unknown."""
    content = _named(motion, repeated, table)
    content.to_csv(path, index=content.index.name is not None)


def write_xlsx(motion: RecordedMotion, repeated: Repeated, path: Path) -> None:
    """Write a workbook with a sheet for each table that the recording has.

    Raises:
        RecordingError: a package is missing, or the recording is longer than a sheet.
    """
    pandas = need("pandas", "an Excel file")
    need("openpyxl", "an Excel file")
    if len(motion.time_s) > MOST_ROWS:
        raise RecordingError(
            f"{len(motion.time_s)} samples do not fit into a sheet of {MOST_ROWS} rows; export to parquet"
        )
    sheets = {ANGLES: motion.table, "ranges": motion.ranges, **repeated.tables}
    with pandas.ExcelWriter(path, engine="openpyxl") as writer:
        for name, sheet in sheets.items():
            has_index = sheet.index.name is not None
            sheet.to_excel(writer, sheet_name=name, index=has_index, freeze_panes=(1, int(has_index)))


def write_parquet(motion: RecordedMotion, repeated: Repeated, path: Path, table: str = ANGLES) -> None:
    """Write one of `TABLES`."""
    need("pyarrow", "a Parquet file")
    _named(motion, repeated, table).to_parquet(path, engine="pyarrow")


def write_even_mot(motion: RecordedMotion, path: Path) -> None:
    """Write coordinates at an even rate, as the recording's own `angles.mot`."""
    even, model = evenly(motion), motion.meta.model
    is_angle = np.array(model.is_rotational, dtype=np.bool_)
    q = even.resampled(motion.q, is_angle)
    table = coordinate_table(tuple(model.coordinate_names), is_angle, even.time_s, q)
    write_mot(path, table, title=title_of(motion.meta))


def _named(motion: RecordedMotion, repeated: Repeated, table: str) -> pd.DataFrame:
    """One of `TABLES`.

    Raises:
        RecordingError: the recording has no such table.
    """
    if table in (ANGLES, "ranges"):
        return motion.table if table == ANGLES else motion.ranges
    tables = repeated.tables
    if table not in tables:
        raise RecordingError(
            f"nothing was repeated or marked in this recording, so there is no table {table}; it has "
            f"{', '.join((*TABLES[:2], *tables))}; choose what divides it with --cycles",
            name="table", value=table,
        )  # fmt: skip
    return tables[table]
