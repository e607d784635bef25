"""Recording of samples into a folder of files that OpenSim and spreadsheets read."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from calib.errors import StorageError
from calib.rig import rig_as_dict
from calib.tables.storage import StoWriter
from realtime.errors import RecordingError
from realtime.options import TrackingOptions, portable_path
from realtime.recording.closing import close_all
from realtime.recording.events import EventFile
from realtime.recording.finish import CSV_NAME, STO_NAME, finish_recording, title_of
from realtime.recording.folder import (
    CAMERA_NAME,
    RIG_NAME,
    SESSION_NAME,
    prepare_folder,
    remove_replay_output,
)
from realtime.recording.ground_move import is_same_ground
from realtime.recording.log import LOG_NAME, LogWriter
from realtime.recording.pictures import RecordedPictures
from realtime.recording.private_file import make_private, write_private
from realtime.recording.row_file import RowFile, csv_header, csv_row
from realtime.sample import PoseSample, SampleGround
from realtime.stream.messages import Angles, Meta, Pose
from realtime.stream.to_messages import Envelope, angles_of, in_ground, meta_of, model_of, pose_of, root_of

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.rig import Rig
    from calib.skeleton import Skeleton


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `session.json` from which a recording is tracked again."""

    options: TrackingOptions | None = None
    """Options of the run; their paths begin at the recording, or at `~`."""
    words: list[str] | None = None
    """Words of the command line, which early recordings hold instead of the options."""
    runtime: str = ""
    """Runtime, device and precision of the networks; empty in early recordings."""
    working_folder: str = ""
    """Folder at which relative paths among the words begin."""


@dataclass(slots=True)
class _GrowingFiles:
    """Files that are written row by row."""

    sto: StoWriter
    csv: RowFile
    log: LogWriter
    events: EventFile
    meta: Meta
    """Newest in the log."""

    def close(self) -> None:
        close_all((self.sto, self.csv, self.log, self.events))


class Recorder:
    """Writes samples as they come, and the files that need all of them at the end.

    `angles.sto` (true times), `angles.csv` (with confidences), `stream.msgpack` (all messages, see
    `realtime.recording.log`), `events.csv` if the user marked any and, if there are images, `overlay.mp4` and
    `video.mkv` grow during the run. Each row is with the operating system when `write` returns, so a killed
    process loses none; only an `overlay.mp4` without PyAV needs a clean end. `close` writes `angles.mot` and
    `markers.trc` at an even rate from the log; after a kill, `finish_recording` does the same.
    `camera.json` holds the camera, `cameras.json` all of several in their own ground, `session.json` the
    run's options. Only the user may read the files. Earlier output of `replay` is replaced only when the
    first sample comes, so a run that fails to start does not destroy it.

    Angles are in degrees, lengths in m, times in s since the first sample. Undefined values are NaN; in the
    files at an even rate, short gaps are interpolated, and the first and last row are tracked ones.

    Args:
        folder: Folder of the recording; created if needed.
        model: Skeleton of the samples, or the `meta` of a received stream.
        camera: Camera for `camera.json`, which `load_camera` reads; None takes that of the `meta`, if any.
        rig: All cameras, where there are several, for `cameras.json`, which `load_rig` reads.
        rate_hz: Nominal sample rate, used for videos and files at an even rate; None takes that of the
            `meta`, else the median of the time stamps, and 30 for videos.
        replace: Whether output of an earlier `replay` in the folder may be replaced. Nothing else ever is.
        about: Content of `session.json`; None writes none.

    Raises:
        RecordingError: the folder cannot be written, or holds files that may not be replaced.
    """

    def __init__(
        self,
        folder: Path,
        model: Skeleton | Meta,
        camera: CameraCalibration | None = None,
        *,
        rig: Rig | None = None,
        rate_hz: float | None = None,
        replace: bool = False,
        about: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.error: RecordingError | None = None
        """Error that stopped the recording early, if any."""
        self.n_samples = 0
        """Number of samples written."""
        self.n_refused = 0
        """Number of samples left out because their time stamp did not increase."""
        self._skeleton = None if isinstance(model, Meta) else model
        if isinstance(model, Meta):
            self.meta = model
        else:
            rate_hz = rate_hz if rate_hz is not None and np.isfinite(rate_hz) and rate_hz > 0.0 else None
            cameras = () if rig is None else rig.cameras
            self.meta = meta_of(str(uuid.uuid4()), model_of(model), camera, cameras=cameras, rate_hz=rate_hz)
        self._rig = rig
        self._about = about
        self._to_degrees = np.where(self.meta.model.is_rotational, np.degrees(1.0), 1.0)
        self._first_ns = 0
        self._last_ns = 0
        self._files: _GrowingFiles | None = None
        self.pictures = RecordedPictures(self.folder, self.meta.rate_hz)
        """Videos of the recording; accepts images, from any thread, once the first sample is written."""
        self._ground: SampleGround | None = None
        self._is_open = True
        self._replace = replace
        prepare_folder(self.folder, replace=replace)

    def write(self, sample: PoseSample, picture: NDArray[np.uint8] | None = None) -> None:
        """Add one sample of a skeleton, and its overlay image if there is one already.

        Raises:
            RecordingError: the sample could not be written. Recording is then over and further calls do
                nothing; earlier samples are kept.
        """
        assert self._skeleton is not None, "a received stream is recorded with write_messages"
        if sample.ground is not None and sample.ground is not self._ground:
            self._ground, self.meta = sample.ground, in_ground(self.meta, sample.ground)
        envelope = Envelope(self.meta.session, self.n_samples, time.perf_counter_ns())
        angles = angles_of(sample, envelope, root_of(self._skeleton))
        self.write_messages(angles, pose_of(sample, envelope, self._skeleton), meta=self.meta)
        if picture is not None:
            self.pictures.write_overlay(sample.t_capture_ns, picture)

    def write_messages(self, angles: Angles, pose: Pose | None, *, meta: Meta | None = None) -> None:
        """Add one sample in the form of its messages.

        Args:
            angles: Coordinates of the sample.
            pose: Bodies and markers of the same sample, if known.
            meta: Newest description of the stream, which may have begun a new session or changed its ground.

        Raises:
            RecordingError: as for `write`.
        """
        if not self._is_open or self.error is not None:
            return
        if self.n_samples and angles.t_capture_ns <= self._last_ns:
            self.n_refused += 1
            return
        if not self.n_samples:
            self._first_ns = angles.t_capture_ns
        time_s = (angles.t_capture_ns - self._first_ns) * 1e-9
        try:
            if self._files is None:
                self._files = self._open()
            self._write_log(self._files, angles, pose, meta)
            self._write_row(self._files, angles, time_s)
            self._files.events.add(angles, time_s)
        except (OSError, StorageError, RecordingError) as error:
            kept = f"recording has stopped after {self.n_samples} samples, which are kept"
            self.error = RecordingError(f"{self.folder}: {kept}: {error}")
            self._close_files()
            raise self.error from error
        self.n_samples += 1
        self._last_ns = angles.t_capture_ns

    def close(self) -> None:
        """Finish the files if there was any sample; may be called twice.

        Raises:
            RecordingError: a file at an even rate could not be written; `finish_recording` can try again.
        """
        if not self._is_open:
            return
        self._is_open = False
        try:
            self.pictures.close()
        finally:
            self._close_files()
            if self.error is None and self.n_samples:
                finish_recording(self.folder)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> _GrowingFiles:
        prepare_folder(self.folder, replace=self._replace)  # another process may have recorded meanwhile
        remove_replay_output(self.folder)
        log = LogWriter(self.folder / LOG_NAME)
        log.add(self.meta)
        if self._about is not None:
            about = msgspec.json.format(msgspec.json.encode(self._about))
            write_private(self.folder / SESSION_NAME, about + b"\n")
        _write_camera(self.folder, self.meta)
        if self._rig is not None:
            rig = msgspec.json.format(msgspec.json.encode(rig_as_dict(self._rig)))
            write_private(self.folder / RIG_NAME, rig + b"\n")
        csv = RowFile(self.folder / CSV_NAME)
        csv.append(csv_header(self.meta.model))
        make_private(self.folder / STO_NAME)
        sto = StoWriter(self.folder / STO_NAME, self.meta.model.coordinate_names, title=title_of(self.meta))
        return _GrowingFiles(sto, csv, log, EventFile(self.folder), self.meta)

    def _write_log(self, files: _GrowingFiles, angles: Angles, pose: Pose | None, meta: Meta | None) -> None:
        new = [] if meta is None or is_same_ground(meta, files.meta) else [meta]
        files.log.add(*new, *([] if pose is None else [pose]), angles)
        if new:
            files.meta = new[0]
            _write_camera(self.folder, new[0])

    def _write_row(self, files: _GrowingFiles, angles: Angles, time_s: float) -> None:
        written = np.array(angles.q) * self._to_degrees
        files.sto.append(time_s, written)
        files.csv.append(csv_row(angles, time_s, written.tolist()))

    def _close_files(self) -> None:
        if self._files is not None:
            self._files.close()


def read_session(folder: Path) -> Session:
    """Read the options with which a recording was made.

    Raises:
        RecordingError: `session.json` is missing, damaged or holds no options.
    """
    path = folder / SESSION_NAME
    try:
        session = msgspec.json.decode(path.read_bytes(), type=Session, dec_hook=lambda kind, text: kind(text))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: the options of the recording cannot be read ({error})") from error
    if session.options is None and session.words is None:
        raise RecordingError(f"{path}: the options of the recording cannot be read (it holds none)")
    return session


def recorded_options(options: TrackingOptions, folder: Path) -> object:
    """Options in the form stored in `session.json`, which names neither the user nor the working folder.

    Args:
        options: Options of the run; relative paths begin at the working folder.
        folder: Folder of the recording.
    """
    return msgspec.to_builtins(options, enc_hook=lambda path: portable_path(path, folder))


def _write_camera(folder: Path, meta: Meta) -> None:
    """Write `camera.json`: the camera, in the ground of the samples."""
    if meta.camera is None:
        return
    known = {name: value for name, value in msgspec.to_builtins(meta.camera).items() if value is not None}
    if meta.ground is not None:
        known["ground"] = meta.ground
    write_private(folder / CAMERA_NAME, msgspec.json.format(msgspec.json.encode(known)) + b"\n")
