"""The files of a recording that need all of its samples: `angles.mot` and `markers.trc` at an even rate."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from calib.tables.storage import MarkerTable, StoWriter, coordinate_table, write_mot, write_trc
from realtime.errors import RecordingError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.private_file import make_private
from realtime.recording.row_file import RowFile, csv_header, csv_row
from realtime.stream.messages import Meta

STO_NAME, CSV_NAME = "angles.sto", "angles.csv"
MOT_NAME, TRC_NAME = "angles.mot", "markers.trc"

logger = logging.getLogger(__name__)


def finish_recording(folder: Path) -> int:
    """Write `angles.mot` and `markers.trc` from a recording's log.

    If nobody was tracked, `angles.mot` has no rows, and there is no `markers.trc`: OpenSim hangs on one
    without frames.

    `Recorder.close` calls it; call it for recordings whose process was killed. Repeating it changes nothing.

    Returns:
        Number of samples of the recording.

    Raises:
        RecordingError: the folder holds no log, or the files cannot be written.
    """
    folder = Path(folder)
    log = StreamLog(folder / LOG_NAME)
    model = log.meta.model
    n_q = len(model.coordinate_names)
    all_rows = _rows(log)
    if log.has_moved or log.meta.offline_smoothing:
        _write_rows(folder, log)
    rows = _tracked(all_rows, n_q)
    is_angle = np.array(model.is_rotational, dtype=np.bool_)
    even_s, rate_hz = even_times(rows[:, 0], log.meta.rate_hz)
    q = resample(rows[:, 0], rows[:, 1 : 1 + n_q], even_s, is_angle)
    markers_m = resample(rows[:, 0], rows[:, 1 + n_q :], even_s)
    markers_m = markers_m.reshape(len(even_s), len(model.marker_names), 3)
    try:
        table = coordinate_table(tuple(model.coordinate_names), is_angle, even_s, q)
        write_mot(folder / MOT_NAME, table, title=title_of(log.meta))
        make_private(folder / MOT_NAME)
        if len(even_s):
            write_trc(folder / TRC_NAME, MarkerTable(tuple(model.marker_names), even_s, markers_m), rate_hz)
            make_private(folder / TRC_NAME)
        else:
            (folder / TRC_NAME).unlink(missing_ok=True)
    except (StorageError, OSError) as error:
        hint = f"{LOG_NAME} holds all samples: free disk space, then run: kinecast recover {folder}"
        raise RecordingError(f"{error}; {hint}") from error
    if not len(even_s):
        logger.warning(
            "%s: nobody was tracked, so %s is empty and there is no %s", folder, MOT_NAME, TRC_NAME
        )
    return len(all_rows)


def title_of(meta: Meta) -> str:
    """First line of `.sto` and `.mot` files: whether they were smoothed afterwards."""
    return f"Coordinates; {meta.offline_smoothing}" if meta.offline_smoothing else "Coordinates"


def _write_rows(folder: Path, log: StreamLog) -> None:
    """Write `angles.sto` and `angles.csv` again, from samples that are all in one ground.

    Raises:
        RecordingError: a file cannot be written.
    """
    model = log.meta.model
    to_degrees = np.where(model.is_rotational, np.degrees(1.0), 1.0)
    try:
        with ExitStack() as stack:
            csv = stack.enter_context(closing(RowFile(folder / f"{CSV_NAME}.part")))
            sto_part = StoWriter(
                folder / f"{STO_NAME}.part", model.coordinate_names, title=title_of(log.meta)
            )
            sto = stack.enter_context(closing(sto_part))
            csv.append(csv_header(model))
            first_ns: int | None = None
            for angles, _ in log.samples():
                first_ns = angles.t_capture_ns if first_ns is None else first_ns
                time_s, values = (angles.t_capture_ns - first_ns) * 1e-9, np.array(angles.q) * to_degrees
                sto.append(time_s, values)
                csv.append(csv_row(angles, time_s, values.tolist()))
        for name in (CSV_NAME, STO_NAME):
            make_private(folder / f"{name}.part")
            (folder / f"{name}.part").replace(folder / name)
    except (OSError, StorageError) as error:
        hint = f"free disk space, then run: kinecast recover {folder}"
        raise RecordingError(f"{folder}: cannot write its files in one ground: {error}; {hint}") from error


def _rows(log: StreamLog) -> NDArray[np.float64]:
    """Time in s, q in rad and m, markers in m of each sample. Shape: (n, 1 + n_q + 3 n_markers)."""
    n_q, n_markers = len(log.meta.model.coordinate_names), len(log.meta.model.marker_names)
    unknown_m = [np.nan] * (3 * n_markers)
    rows: list[NDArray[np.float64]] = []
    first_ns = 0
    for angles, pose in log.samples():
        first_ns = first_ns if rows else angles.t_capture_ns
        markers_m = unknown_m if pose is None else np.ravel(pose.marker_m)
        rows.append(np.concatenate([[(angles.t_capture_ns - first_ns) * 1e-9], angles.q, markers_m]))
    return np.array(rows).reshape(len(rows), 1 + n_q + 3 * n_markers)


def _tracked(rows: NDArray[np.float64], n_q: int) -> NDArray[np.float64]:
    """Rows from the first to the last in which any coordinate is known."""
    known = np.flatnonzero(np.isfinite(rows[:, 1 : 1 + n_q]).any(axis=1))
    return rows[known[0] : known[-1] + 1] if len(known) else rows[:0]


MAX_BRIDGED_S = 0.2
"""Gaps up to this long are interpolated linearly; longer ones stay undefined."""


def even_times(time_s: NDArray[np.float64], rate_hz: float | None) -> tuple[NDArray[np.float64], float]:
    """Even times from the first sample to the last, and their rate.

    Args:
        time_s: Increasing times of the samples. Shape: (n,).
        rate_hz: Wanted rate; None takes the median rate of the samples.
    """
    if rate_hz is None:
        steps_s = np.diff(time_s)
        rate_hz = round(1.0 / float(np.median(steps_s)), 2) if len(steps_s) else 1.0
    if not len(time_s):
        return np.empty(0), rate_hz
    n = int((time_s[-1] - time_s[0]) * rate_hz + 1e-6) + 1
    return time_s[0] + np.arange(n) / rate_hz, rate_hz


def resample(
    time_s: NDArray[np.float64],
    values: NDArray[np.float64],
    even_s: NDArray[np.float64],
    is_angle: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Interpolate linearly at even times between neighbours at most `MAX_BRIDGED_S` apart.

    Args:
        time_s: Increasing times of the samples. Shape: (n,).
        values: Values; NaN where undefined. Shape: (n, k).
        even_s: Times to interpolate at, within those of the samples. Shape: (m,).
        is_angle: Columns in rad, interpolated along the shorter arc. Shape: (k,).

    Returns:
        Interpolated values; NaN where no samples are near enough. Shape: (m, k).
    """
    out = np.full((len(even_s), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        defined = np.isfinite(values[:, column])
        t, v = time_s[defined], values[defined, column]
        if not len(t):
            continue
        if is_angle is not None and is_angle[column]:
            v = np.unwrap(v)
        after = np.searchsorted(t, even_s).clip(0, len(t) - 1)
        before = np.where(t[after] > even_s, after - 1, after).clip(0)
        near = (t[after] - t[before] <= _bridge_s(time_s)) & (t[0] <= even_s) & (even_s <= t[-1])
        out[near, column] = np.interp(even_s[near], t, v)
    return out


def _bridge_s(time_s: NDArray[np.float64]) -> float:
    """Longest gap to interpolate; adjacent samples are always joined, however low their rate."""
    return max(MAX_BRIDGED_S, 1.5 * float(np.median(np.diff(time_s)))) if len(time_s) > 1 else MAX_BRIDGED_S
