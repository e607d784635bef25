"""Records samples into a folder of files that OpenSim and spreadsheets read."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from calib.storage import MarkerTable, StoWriter, coordinate_table, write_mot, write_trc
from realtime.errors import RecordingError
from realtime.recording_files import (
    SPOOL_NAME,
    Layout,
    RowFile,
    SpoolWriter,
    csv_header,
    csv_row,
    read_spool,
)
from realtime.resampling import even_times, resample
from realtime.types import PoseSample
from realtime.video_file import VideoFile
from realtime.wire import camera_of

if TYPE_CHECKING:
    from calib.camera import CameraCalibration

STO_NAME, CSV_NAME, MOT_NAME, TRC_NAME = "angles.sto", "angles.csv", "angles.mot", "markers.trc"
VIDEO_NAME, CAMERA_NAME = "overlay.mp4", "camera.json"
FILE_NAMES = (STO_NAME, CSV_NAME, MOT_NAME, TRC_NAME, VIDEO_NAME, CAMERA_NAME, SPOOL_NAME)
DEFAULT_VIDEO_HZ = 30.0


class RecordedModel(Protocol):
    """What a recording needs of a skeleton; the model in a stream's `meta` has it, too."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def coordinate_names(self) -> Sequence[str]:
        """In the order of q."""

    @property
    def is_rotational(self) -> Sequence[bool] | NDArray[np.bool_]:
        """Whether each coordinate is written in degrees."""

    @property
    def marker_names(self) -> Sequence[str]:
        """In the order of the samples' markers."""


@dataclass(frozen=True, slots=True)
class _GrowingFiles:
    """What is written row by row."""

    sto: StoWriter
    csv: RowFile
    spool: SpoolWriter

    def close(self) -> None:
        self.sto.close()
        self.csv.close()
        self.spool.close()


class Recorder:
    """Writes samples as they come, and what can only be made from all of them at the end.

    During the run grow `angles.sto` (true times), `angles.csv` (with confidences), `overlay.mp4` if pictures
    are given, and a spool. Each row is in the system's hands when `write` returns, so a killed process
    loses none. `close` makes from the spool `angles.mot` and `markers.trc` at an even rate and removes it;
    after a kill, `finish_recording` does the same. `camera.json` tells the camera. An earlier recording
    goes when the first sample comes, not before: a run that fails to start costs nothing.

    Angles are in degrees, lengths in m, times in s from the first sample. Undefined values are NaN; the
    even files bridge short gaps and begin and end with tracked rows.

    Args:
        folder: made if needed.
        model: the skeleton, or the model in a stream's `meta`.
        camera: for `camera.json`, which `load_camera` reads; None writes none.
        rate_hz: nominal rate of the samples, used for the video and the even files; None takes it from the
            stamps, and 30 for the video.
        replace: whether an earlier recording in the folder may be replaced.

    Raises:
        RecordingError: the folder cannot be written, holds a recording and `replace` is False, or holds
            files with a recording's names that are none.
    """

    def __init__(
        self,
        folder: Path,
        model: RecordedModel,
        camera: CameraCalibration | None = None,
        *,
        rate_hz: float | None = None,
        replace: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.error: RecordingError | None = None
        """Why recording stopped early; None while it goes well."""
        self.n_samples = 0
        """Samples written."""
        self.n_refused = 0
        """Samples left out because their stamp was not after the one before."""
        self.layout = Layout(
            model=model.name,
            coordinate_names=tuple(model.coordinate_names),
            is_rotational=tuple(bool(value) for value in model.is_rotational),
            marker_names=tuple(model.marker_names),
            rate_hz=rate_hz if rate_hz is not None and np.isfinite(rate_hz) and rate_hz > 0.0 else None,
        )
        self._to_degrees = np.where(self.layout.is_rotational, np.degrees(1.0), 1.0)
        self._first_ns = 0
        self._last_ns = 0
        self._camera = camera
        self._files: _GrowingFiles | None = None
        self._video: VideoFile | None = None
        self._is_open = True
        _check_folder(self.folder, replace=replace)

    def write(self, sample: PoseSample, picture: NDArray[np.uint8] | None = None) -> None:
        """Add one sample, and the overlay's picture of it if there is one.

        Raises:
            RecordingError: it could not be written. Recording is then over and further calls do nothing; all
                earlier samples are kept.
        """
        if not self._is_open or self.error is not None:
            return
        if self.n_samples and sample.t_capture_ns <= self._last_ns:
            self.n_refused += 1
            return
        if not self.n_samples:
            self._first_ns = sample.t_capture_ns
        time_s = (sample.t_capture_ns - self._first_ns) * 1e-9
        try:
            if self._files is None:
                self._files = self._open()
            self._write_row(self._files, sample, time_s)
            if picture is not None:
                self._write_picture(picture, time_s)
        except (OSError, StorageError, RecordingError) as error:
            kept = f"recording has stopped after {self.n_samples} samples, which are kept"
            self.error = RecordingError(f"{self.folder}: {kept}: {error}")
            self._close_files()
            raise self.error from error
        self.n_samples += 1
        self._last_ns = sample.t_capture_ns

    def close(self) -> None:
        """Finish the files, if there was any sample; may be called twice.

        Raises:
            RecordingError: the even files could not be written; the spool is kept for `finish_recording`.
        """
        if not self._is_open:
            return
        self._is_open = False
        self._close_files()
        if self.error is None and self._files is not None:
            finish_recording(self.folder)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> _GrowingFiles:
        for name in FILE_NAMES:
            (self.folder / name).unlink(missing_ok=True)
        if self._camera is not None:
            (self.folder / CAMERA_NAME).write_bytes(_camera_json(self._camera))
        sto = StoWriter(self.folder / STO_NAME, self.layout.coordinate_names)
        csv = RowFile(self.folder / CSV_NAME)
        csv.append(csv_header(self.layout))
        return _GrowingFiles(sto, csv, SpoolWriter(self.folder / SPOOL_NAME, self.layout))

    def _write_row(self, files: _GrowingFiles, sample: PoseSample, time_s: float) -> None:
        q = np.where(np.isfinite(sample.q), sample.q, np.nan)
        markers_m = np.where(np.isfinite(sample.markers_m), sample.markers_m, np.nan)
        written = q * self._to_degrees
        files.spool.add(time_s, q, markers_m)
        files.sto.append(time_s, written)
        confidence = np.nan_to_num(sample.confidence).tolist()
        files.csv.append(csv_row(sample.frame_id, time_s, sample.status, written.tolist(), confidence))

    def _write_picture(self, picture: NDArray[np.uint8], time_s: float) -> None:
        if self._video is None:
            height, width = picture.shape[:2]
            rate_hz = self.layout.rate_hz or DEFAULT_VIDEO_HZ
            self._video = VideoFile(self.folder / VIDEO_NAME, rate_hz, (width, height))
        self._video.write(picture, time_s)

    def _close_files(self) -> None:
        if self._files is not None:
            self._files.close()
        if self._video is not None:
            self._video.close()


def _check_folder(folder: Path, *, replace: bool) -> None:
    """Make sure that a recording can go there, without touching what is there.

    Raises:
        RecordingError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        present = [name for name in FILE_NAMES if (folder / name).exists()]
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot record here ({error.strerror}); choose a folder that can be written"
        ) from error
    if not present:
        return
    directories = [name for name in present if (folder / name).is_dir()]
    if directories:
        raise RecordingError(
            f"{folder}: cannot record here ({directories[0]} is a folder); choose another folder"
        )
    if not {STO_NAME, SPOOL_NAME}.intersection(present):
        raise RecordingError(
            f"{folder} holds {present[0]}, but no recording; choose another folder, so that it stays"
        )
    if not replace:
        raise RecordingError(f"{folder} holds a recording already; choose another folder")


def finish_recording(folder: Path) -> None:
    """Make the even files of a recording from its spool, and remove the spool.

    Done by `Recorder.close`; here for recordings whose process was killed.

    Raises:
        RecordingError: there is no spool, or the files cannot be written.
    """
    spool = Path(folder) / SPOOL_NAME
    layout, rows = read_spool(spool)
    n_q = len(layout.coordinate_names)
    is_angle = np.array(layout.is_rotational, dtype=np.bool_)
    rows = _tracked(rows, n_q)
    even_s, _ = even_times(rows[:, 0], layout.rate_hz)
    q = resample(rows[:, 0], rows[:, 1 : 1 + n_q], even_s, is_angle)
    markers_m = resample(rows[:, 0], rows[:, 1 + n_q :], even_s).reshape(
        len(even_s), len(layout.marker_names), 3
    )
    try:
        write_mot(folder / MOT_NAME, coordinate_table(layout.coordinate_names, is_angle, even_s, q))
        write_trc(folder / TRC_NAME, MarkerTable(layout.marker_names, even_s, markers_m))
        spool.unlink()
    except StorageError as error:
        raise RecordingError(f"{error}; {spool.name} is kept") from error
    except OSError as error:
        raise RecordingError(f"{spool}: cannot be removed ({error.strerror})") from error


def _camera_json(camera: CameraCalibration) -> bytes:
    fields = msgspec.to_builtins(camera_of(camera))
    known = {name: value for name, value in fields.items() if value is not None}
    return msgspec.json.format(msgspec.json.encode(known)) + b"\n"


def _tracked(rows: NDArray[np.float64], n_q: int) -> NDArray[np.float64]:
    """Rows from the first to the last in which any coordinate is known."""
    known = np.flatnonzero(np.isfinite(rows[:, 1 : 1 + n_q]).any(axis=1))
    return rows[known[0] : known[-1] + 1] if len(known) else rows[:0]
