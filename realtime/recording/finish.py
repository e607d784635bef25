"""What can only be made from all samples of a recording: the files at an even rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from calib.tables.storage import MarkerTable, coordinate_table, write_mot, write_trc
from realtime.errors import RecordingError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.resampling import even_times, resample

MOT_NAME, TRC_NAME = "angles.mot", "markers.trc"


def finish_recording(folder: Path) -> int:
    """Make `angles.mot` and `markers.trc` from a recording's log.

    Done by `Recorder.close`; here for recordings whose process was killed. Doing it again changes nothing.

    Returns:
        How many samples the recording has.

    Raises:
        RecordingError: there is no log, or the files cannot be written.
    """
    folder = Path(folder)
    log = StreamLog(folder / LOG_NAME)
    model = log.meta.model
    n_q = len(model.coordinate_names)
    all_rows = _rows(log)
    rows = _tracked(all_rows, n_q)
    is_angle = np.array(model.is_rotational, dtype=np.bool_)
    even_s, _ = even_times(rows[:, 0], log.meta.rate_hz)
    q = resample(rows[:, 0], rows[:, 1 : 1 + n_q], even_s, is_angle)
    markers_m = resample(rows[:, 0], rows[:, 1 + n_q :], even_s)
    markers_m = markers_m.reshape(len(even_s), len(model.marker_names), 3)
    try:
        write_mot(folder / MOT_NAME, coordinate_table(tuple(model.coordinate_names), is_angle, even_s, q))
        write_trc(folder / TRC_NAME, MarkerTable(tuple(model.marker_names), even_s, markers_m))
    except StorageError as error:
        hint = f"{LOG_NAME} has everything: make room, then: kinecast recover {folder}"
        raise RecordingError(f"{error}; {hint}") from error
    return len(all_rows)


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
