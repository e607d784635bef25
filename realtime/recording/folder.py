"""The folder of a recording: which files are a recording's, and whether new ones may take their place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from realtime.errors import RecordingError
from realtime.recording.events import EVENTS_NAME
from realtime.recording.finish import CSV_NAME, MOT_NAME, STO_NAME, TRC_NAME
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.parts import parts_of
from realtime.recording.pictures import FRAMES_NAME, LOSSLESS_NAME
from realtime.recording.private_file import FOLDER_MODE
from realtime.recording.summary import REPORT_NAME
from realtime.recording.video import OVERLAY_NAME

CAMERA_NAME, RIG_NAME, SESSION_NAME = "camera.json", "cameras.json", "session.json"
FILE_NAMES = (
    STO_NAME,
    CSV_NAME,
    MOT_NAME,
    TRC_NAME,
    OVERLAY_NAME,
    LOSSLESS_NAME,
    FRAMES_NAME,
    CAMERA_NAME,
    RIG_NAME,
    SESSION_NAME,
    LOG_NAME,
    EVENTS_NAME,
)
RECORDING_NAMES = (*FILE_NAMES, REPORT_NAME)
REPLAY_NAMES = tuple(name for name in RECORDING_NAMES if name not in (LOSSLESS_NAME, FRAMES_NAME))
"""Files that `replay` writes; it never replaces others."""


class _Origin(msgspec.Struct):
    """The part of `session.json` that names the command."""

    command: str = ""


def prepare_folder(folder: Path, *, replace: bool) -> None:
    """Create the folder of a recording, and check that a recording can be written there.

    Args:
        folder: Folder of the recording; nothing in it is changed.
        replace: Whether output of an earlier `replay` may be there. Recordings of other commands may not,
            because they cannot be repeated, and neither may files of others with a recording's names.

    Raises:
        RecordingError: no recording can be written there.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=FOLDER_MODE, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        present = [name for name in RECORDING_NAMES if os.path.lexists(folder / name)]
        directories = [name for name in present if (folder / name).is_dir()]
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot record here ({error.strerror}); choose a folder that can be written"
        ) from error
    if not present:
        return
    if directories:
        raise RecordingError(
            f"{folder}: cannot record here ({directories[0]} is a folder); choose another folder"
        )
    if not _is_log(folder / LOG_NAME):
        raise RecordingError(
            f"{folder} holds {present[0]} but no recording; choose another folder to keep that file"
        )
    if not is_replay_output(folder):
        raise RecordingError(
            f"{folder} already holds a recording that replay did not make, which is never replaced; choose "
            "another folder"
        )
    if not replace:
        raise RecordingError(
            f"{folder} already holds a recording, made by kinecast replay; choose another folder, or replace "
            "it with: kinecast replay ... --replace"
        )


def remove_replay_output(folder: Path) -> None:
    """Remove the files of an earlier `replay`, of its views and further people, too; others stay.

    Raises:
        OSError: a file cannot be removed.
    """
    for part in parts_of(folder):
        if is_replay_output(part):
            remove_replay_output(part)
    for name in REPLAY_NAMES:
        (folder / name).unlink(missing_ok=True)


def is_replay_output(folder: Path) -> bool:
    """Whether a recording was made by `kinecast replay`, so that it can be made again."""
    if any(os.path.lexists(folder / name) for name in (LOSSLESS_NAME, FRAMES_NAME)):
        return False
    try:
        origin = msgspec.json.decode((folder / SESSION_NAME).read_bytes(), type=_Origin)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return origin.command == "replay"


def _is_log(path: Path) -> bool:
    try:
        StreamLog(path)
    except RecordingError:
        return False
    return True
