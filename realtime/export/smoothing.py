"""Smoothing of a whole recording: a Butterworth low-pass that runs forwards and backwards, so without lag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.geometry import aligned_quaternions
from realtime.recording.finish import MAX_BRIDGED_S, finish_recording
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.log import LOG_NAME, LogWriter, StreamLog
from realtime.recording.recorder import Recorder
from realtime.stream.messages import Angles, Meta, Pose

Array = NDArray[np.float64]

DEFAULT_CUTOFF_HZ = 6.0
"""Usual for walking and squats (Winter, Biomechanics and Motor Control of Human Movement)."""
ORDER = 2
"""Order of the filter, which two passes double."""
TWO_PASSES = (2.0**0.5 - 1.0) ** 0.25
"""Ratio of the cutoffs of two passes and of one (Winter)."""
Sample = tuple[Angles, Pose | None]


def smoothing_text(cutoff_hz: float) -> str:
    """What was done, for the headers of files and `meta`."""
    return f"Butterworth low-pass of order {2 * ORDER}, {cutoff_hz:g} Hz, forwards and backwards, without lag"


def check_can_smooth(cutoff_hz: float, rate_hz: float) -> None:
    """Refuse what cannot be filtered, before anything is tracked.

    Raises:
        RecordingError: scipy is missing, or the cutoff is not below half the frame rate.
    """
    _signal()
    if not 0.0 < cutoff_hz / TWO_PASSES < 0.5 * rate_hz:
        raise RecordingError(
            f"cutoff {cutoff_hz:g} Hz; accepted: above 0 and below {0.5 * TWO_PASSES * rate_hz:.3g} Hz, as "
            f"the frames come at {rate_hz:.4g} Hz: add --cutoff HZ",
            name="cutoff", value=cutoff_hz,
        )  # fmt: skip


def smooth_recording(folder: Path, cutoff_hz: float, ranges: JointRanges) -> None:
    """Smooth a recording in its folder: its log, and then all files that follow from it.

    Args:
        folder: Folder of a finished recording.
        cutoff_hz: Frequency above which movements are removed.
        ranges: Empty joint ranges, to which every smoothed sample is added.

    Raises:
        RecordingError: the folder holds no recording, or files cannot be written; the log is as before then.
    """
    log = StreamLog(folder / LOG_NAME)
    meta = structs.replace(log.meta, offline_smoothing=smoothing_text(cutoff_hz))
    part = folder / f"{LOG_NAME}.part"
    try:
        writer = LogWriter(part)
        writer.add(meta)
        for angles, pose in smoothed_samples(log, cutoff_hz):
            writer.add(*([] if pose is None else [pose]), angles)
            ranges.add_values(angles.status, np.array([*angles.q, *angles.pelvic_angles]))
        writer.close()
        part.replace(folder / LOG_NAME)
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot write the smoothed recording ({error.strerror}); it is there as tracked"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    finish_recording(folder)


def write_smoothed(folder: Path, out: Path, cutoff_hz: float, *, replace: bool = False) -> int:
    """Write a smoothed copy of a recording, which stays as it is.

    Args:
        folder: Folder of a recording, finished or not.
        out: Folder of the copy.
        cutoff_hz: Frequency above which movements are removed.
        replace: Whether output of an earlier `replay` in `out` may be replaced.

    Returns:
        Number of samples.

    Raises:
        RecordingError: the folder holds no recording, or the copy cannot be written.
    """
    log = StreamLog(folder / LOG_NAME)
    meta = structs.replace(log.meta, offline_smoothing=smoothing_text(cutoff_hz))
    about = {
        "command": "replay",
        "source": meta.source,
        "estimator": meta.estimator,
        "smoothed": meta.offline_smoothing,
    }
    with Recorder(out, meta, replace=replace, about=about) as recorder:
        for angles, pose in smoothed_samples(log, cutoff_hz):
            recorder.write_messages(angles, pose)
    return recorder.n_samples


def smoothed_samples(log: StreamLog, cutoff_hz: float) -> list[Sample]:
    """All samples of a log, smoothed; what is unknown stays unknown.

    Raises:
        RecordingError: the log holds the runs of several trackers, or cannot be filtered.
    """
    samples = list(log.samples())
    if len({angles.session for angles, _ in samples}) > 1:
        raise RecordingError(f"{log.path}: the tracker was restarted, and only one run can be smoothed")
    if len(samples) < 2:
        return samples
    t_ns = np.array([angles.t_capture_ns for angles, _ in samples])
    time_s = (t_ns - t_ns[0]) * 1e-9
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    check_can_smooth(cutoff_hz, rate_hz)

    def smooth(values: Array) -> Array:
        return _zero_lag(time_s, values, cutoff_hz, rate_hz)

    poses = _poses([pose for _, pose in samples], smooth)
    return list(zip(_angles([angles for angles, _ in samples], log.meta, time_s, smooth), poses, strict=True))


def _angles(
    rows: list[Angles], meta: Meta, time_s: Array, smooth: Callable[[Array], Array]
) -> Iterator[Angles]:
    turns = np.array(meta.model.is_rotational)
    raw = np.array([angles.q for angles in rows])
    q = _on_same_turn(smooth(_unwrapped(raw, turns)), raw, turns)
    qdot = np.where(np.isfinite(q), _derivative(time_s, q), np.nan)
    raw_pelvic = np.array([angles.pelvic_angles for angles in rows])
    all_turn = np.ones(raw_pelvic.shape[1], dtype=np.bool_)
    pelvic = _on_same_turn(smooth(_unwrapped(raw_pelvic, all_turn)), raw_pelvic, all_turn)
    position_m = smooth(np.array([angles.pelvis_position_m for angles in rows]))
    for k, angles in enumerate(rows):
        yield structs.replace(
            angles,
            q=q[k].tolist(),
            qdot=qdot[k].tolist(),
            pelvic_angles=tuple(pelvic[k].tolist()),
            pelvis_position_m=tuple(position_m[k].tolist()),
        )


def _poses(rows: list[Pose | None], smooth: Callable[[Array], Array]) -> list[Pose | None]:
    """Bodies, joint centres and markers; every column is filtered alike, so that bodies stay whole."""
    known = next((pose for pose in rows if pose is not None), None)
    if known is None:
        return rows
    fields = {}
    for name in ("body_position_m", "body_rotation_wxyz", "joint_centre_m", "marker_m"):
        unknown = np.full(np.shape(getattr(known, name)), np.nan)
        values = np.array([unknown if pose is None else getattr(pose, name) for pose in rows])
        if name == "body_rotation_wxyz":
            values = aligned_quaternions(values)
        found = smooth(values.reshape(len(rows), -1)).reshape(values.shape)
        if name == "body_rotation_wxyz":
            found = found / np.linalg.norm(found, axis=-1, keepdims=True)
        fields[name] = found
    return [
        pose
        and structs.replace(
            pose, **{name: [tuple(row) for row in values[k].tolist()] for name, values in fields.items()}
        )
        for k, pose in enumerate(rows)
    ]


def _zero_lag(time_s: Array, values: Array, cutoff_hz: float, rate_hz: float) -> Array:
    """Filter each column between its gaps; short gaps are bridged for the filter. Shape: (n, k)."""
    signal = _signal()
    sos = signal.butter(ORDER, cutoff_hz / TWO_PASSES, fs=rate_hz, output="sos")
    out = values.copy()
    for column in range(values.shape[1]):
        known = np.flatnonzero(np.isfinite(values[:, column]))
        gaps = np.flatnonzero(np.diff(time_s[known]) > max(MAX_BRIDGED_S, 1.5 / rate_hz)) + 1
        for rows in np.split(known, gaps):
            if len(rows) > 2:
                out[rows, column] = _filtered(signal, sos, time_s[rows], values[rows, column], rate_hz)
    return out


def _filtered(signal: Any, sos: Array, time_s: Array, values: Array, rate_hz: float) -> Array:
    """One run of values at uneven times: filtered at even ones."""
    n = round((time_s[-1] - time_s[0]) * rate_hz) + 1
    even_s = np.linspace(time_s[0], time_s[-1], n)
    even = np.interp(even_s, time_s, values)
    padding = min(n - 1, round(rate_hz))
    smooth = signal.sosfiltfilt(sos, even, padlen=padding)
    return np.asarray(np.interp(time_s, even_s, smooth))


def _unwrapped(values: Array, turns: NDArray[np.bool_]) -> Array:
    """Angles without jumps by whole turns, whatever is unknown between them."""
    out = values.copy()
    for column in np.flatnonzero(turns):
        known = np.isfinite(values[:, column])
        out[known, column] = np.unwrap(values[known, column])
    return out


def _on_same_turn(values: Array, raw: Array, turns: NDArray[np.bool_]) -> Array:
    """Angles within half a turn of the raw ones."""
    whole = 2.0 * np.pi * np.round((values - raw) / (2.0 * np.pi))
    return np.where(turns, values - whole, values)


def _derivative(time_s: Array, values: Array) -> Array:
    """Speeds by central differences; NaN beside what is unknown."""
    return np.asarray(np.gradient(values, time_s, axis=0))


def _signal() -> Any:
    """Module scipy.signal.

    Raises:
        RecordingError: scipy is not installed.
    """
    try:
        return import_module("scipy.signal")
    except ImportError as error:
        raise RecordingError(
            f"--smooth needs scipy, which cannot be imported ({error}): pip install 'kinecast[data]'"
        ) from error
