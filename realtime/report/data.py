"""Reading of a recording for its report, also of one whose process was killed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES, PELVIS_ROTATIONS
from calib.errors import StorageError
from calib.tables.storage import read_sto
from realtime.errors import RecordingError
from realtime.recording.finish import CSV_NAME, STO_NAME
from realtime.recording.folder import CAMERA_NAME, RIG_NAME, SESSION_NAME
from realtime.recording.summary import REPORT_NAME
from realtime.recording.video import OVERLAY_NAME
from realtime.sample import Status

Array = NDArray[np.float64]

NO_SAMPLES = "the recording ended before its first sample, so there is nothing to report"
_UNITS = ("deg", "m")
_STATUSES = frozenset(status.value for status in Status)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Content of a recording's files; None for what they do not contain."""

    folder: Path
    names: tuple[str, ...]
    """Names of the coordinates, and of the clinical angles of the pelvis in recordings that have them."""
    units: tuple[str, ...]
    """`deg` or `m` for each coordinate."""
    time_s: Array
    """Times since the first sample. Shape: (n,)."""
    values: Array
    """Coordinates in the units above; NaN where unknown. Shape: (n, n_q)."""
    is_lost: NDArray[np.bool_]
    """Samples without a person. Shape: (n,)."""
    is_unsure: NDArray[np.bool_]
    """Samples whose skeleton does not fit the image. Shape: (n,)."""
    confidence: Array | None
    """Confidence of each coordinate, from 0 to 1. Shape: (n, n_q)."""
    frame_id: NDArray[np.int64] | None
    """Numbers of the source's frames. Shape: (n,)."""
    run: dict[str, Any]
    """Content of report.json, else of session.json (after a kill); empty without both."""
    camera: dict[str, Any]
    """Content of camera.json; empty without it."""
    video: Path | None
    """Path of the overlay video, if there is one."""
    cameras: tuple[dict[str, Any], ...] = ()
    """The cameras of cameras.json; empty with a single one."""


def read_recording(folder: Path) -> Recording:
    """Read the files of a recording.

    Raises:
        RecordingError: the folder is not a recording, holds no samples, or a file in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        inside = folder.name in (CSV_NAME, STO_NAME)
        hint = f"give its folder: {folder.parent}" if inside else "give the folder passed as `--out`"
        raise RecordingError(f"{folder} is not a folder of a recording; {hint}")
    if (folder / CSV_NAME).is_file():
        columns = _read_csv(folder / CSV_NAME)
    elif (folder / STO_NAME).is_file():
        columns = _read_sto(folder / STO_NAME)
    else:
        raise RecordingError(
            f"{folder} holds no recording ({CSV_NAME} or {STO_NAME}); make one with: kinecast live --out DIR"
        )
    if not len(columns["time_s"]):
        raise RecordingError(f"{folder}: {NO_SAMPLES}")
    video = folder / OVERLAY_NAME
    return Recording(
        folder=folder,
        run=_read_json(folder / REPORT_NAME) or _read_json(folder / SESSION_NAME),
        camera=_read_json(folder / CAMERA_NAME),
        video=video if video.is_file() else None,
        cameras=_rig_cameras(_read_json(folder / RIG_NAME)),
        **columns,
    )


def _rig_cameras(rig: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    cameras = rig.get("cameras")
    return tuple(one for one in cameras if isinstance(one, dict)) if isinstance(cameras, list) else ()


def _read_csv(path: Path) -> dict[str, Any]:
    """Columns of angles.csv; an incomplete last row is left out.

    Raises:
        RecordingError: a line is not a sample; the text names the line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error})") from error
    lines = text.split("\n")[:-1]
    header = lines[0].split(",") if lines else []
    names, units = _coordinates_of(path, header)
    if len(lines) < 2:
        raise RecordingError(f"{path.parent}: {NO_SAMPLES}")
    statuses = [line.partition(",")[2].partition(",")[2].partition(",")[0] for line in lines[1:]]
    for number, (line, status) in enumerate(zip(lines[1:], statuses, strict=True), start=2):
        if line.count(",") != len(header) - 1 or status not in _STATUSES:
            raise RecordingError(
                f"{path}: line {number} is not a sample; the file has been changed or damaged"
            )
    columns = [k for k in range(len(header)) if k != 2]
    try:
        numbers = np.loadtxt(lines[1:], delimiter=",", usecols=columns, ndmin=2, comments=None)
    except ValueError as error:
        raise RecordingError(f"{path}: {error}; the file has been changed or damaged") from error
    numbers = numbers.reshape(len(statuses), len(columns))
    n_q = len(names)
    clinical_deg = numbers[:, 2 + 2 * n_q :]
    if not np.isfinite(clinical_deg).any():  # a model without a pelvis
        clinical_deg = clinical_deg[:, :0]
    n_pelvic = clinical_deg.shape[1]
    confidence = numbers[:, 2 + n_q : 2 + 2 * n_q]
    of_pelvis = [names.index(name) for name in PELVIS_ROTATIONS if name in names]
    lowest = confidence[:, of_pelvis].min(axis=1, initial=1.0, keepdims=True)
    return {
        "names": (*names, *PELVIC_ANGLES[:n_pelvic]),
        "units": (*units, *["deg"] * n_pelvic),
        "time_s": _increasing(path, numbers[:, 1]),
        "values": np.concatenate([numbers[:, 2 : 2 + n_q], clinical_deg], axis=1),
        "is_lost": np.array([status == Status.LOST for status in statuses], dtype=np.bool_),
        "is_unsure": np.array([status == Status.UNSURE for status in statuses], dtype=np.bool_),
        "confidence": np.concatenate([confidence, *[lowest] * n_pelvic], axis=1),
        "frame_id": numbers[:, 0].astype(np.int64),
    }


def _coordinates_of(path: Path, header: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units from the first line of angles.csv."""
    pelvic = [f"{name}_deg" for name in PELVIC_ANGLES]
    pelvic = pelvic if header[-len(pelvic) :] == pelvic else []  # which early recordings lack
    n_q = (len(header) - 3 - len(pelvic)) // 2
    pairs = [column.rpartition("_")[::2] for column in header[3 : 3 + n_q]]
    names = tuple(name for name, _ in pairs)
    units = tuple(unit for _, unit in pairs)
    expected = ["frame_id", "time_s", "status", *header[3 : 3 + n_q], *(f"{n}_confidence" for n in names)]
    expected += pelvic
    if not n_q or header != expected or not set(units) <= set(_UNITS):
        raise RecordingError(
            f"{path}: the first line is not that of a recording; the file is damaged or not from kinecast"
        )
    return names, units


def _read_sto(path: Path) -> dict[str, Any]:
    """Columns of angles.sto, which contains neither status nor confidence."""
    try:
        table = read_sto(path)
    except StorageError as error:
        raise RecordingError(str(error)) from error
    units = tuple("m" if _is_translation(name) else "deg" for name in table.names)
    to_degrees = 1.0 if table.in_degrees else np.where(np.array(units) == "deg", np.degrees(1.0), 1.0)
    return {
        "names": table.names,
        "units": units,
        "time_s": table.time_s,
        "values": table.values * to_degrees,
        "is_lost": np.isnan(table.values).all(axis=1),
        "is_unsure": np.zeros(len(table.values), dtype=np.bool_),
        "confidence": None,
        "frame_id": None,
    }


def _is_translation(name: str) -> bool:
    return name.endswith(("_tx", "_ty", "_tz"))


def _increasing(path: Path, time_s: Array) -> Array:
    if not np.isfinite(time_s).all() or (np.diff(time_s) <= 0.0).any():
        raise RecordingError(f"{path}: the times do not increase; the file has been changed or damaged")
    return time_s


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file.

    Raises:
        RecordingError: the file exists but does not hold a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); delete it to report without it") from error
    if not isinstance(content, dict):
        raise RecordingError(f"{path}: not a JSON object; delete it to report without it")
    return content
