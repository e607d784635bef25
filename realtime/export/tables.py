"""Angles as CSV, Excel workbook, Parquet and `.mot`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.tables.storage import coordinate_table, write_mot
from realtime.errors import RecordingError
from realtime.export.even import evenly
from realtime.export.extras import need
from realtime.export.motion import RecordedMotion

MOST_ROWS = 1_048_575
"""Rows of an Excel sheet, without the header."""


def write_csv(motion: RecordedMotion, path: Path) -> None:
    """Write `RecordedMotion.table`: with empty cells where a value is unknown."""
    motion.table.to_csv(path)


def write_xlsx(motion: RecordedMotion, path: Path) -> None:
    """Write a workbook: the sheet `angles` is `RecordedMotion.table`, `ranges` is `RecordedMotion.ranges`.

    Raises:
        RecordingError: a package is missing, or the recording is longer than a sheet.
    """
    pandas = need("pandas", "an Excel file")
    need("openpyxl", "an Excel file")
    if len(motion.time_s) > MOST_ROWS:
        raise RecordingError(
            f"{len(motion.time_s)} samples do not fit into a sheet of {MOST_ROWS} rows; export to parquet"
        )
    with pandas.ExcelWriter(path, engine="openpyxl") as writer:
        motion.table.to_excel(writer, sheet_name="angles", freeze_panes=(1, 1))
        motion.ranges.to_excel(writer, sheet_name="ranges", freeze_panes=(1, 1))


def write_parquet(motion: RecordedMotion, path: Path) -> None:
    """Write `RecordedMotion.table`."""
    need("pyarrow", "a Parquet file")
    motion.table.to_parquet(path, engine="pyarrow")


def write_even_mot(motion: RecordedMotion, path: Path) -> None:
    """Write coordinates at an even rate, as the recording's own `angles.mot`."""
    even, model = evenly(motion), motion.meta.model
    is_angle = np.array(model.is_rotational, dtype=np.bool_)
    q = even.resampled(motion.q, is_angle)
    write_mot(path, coordinate_table(tuple(model.coordinate_names), is_angle, even.time_s, q))
