"""The recordings in the app's folder; nothing outside it is read, and nothing is ever deleted."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realtime.app.options import AppError
from realtime.recording.log import LOG_NAME
from realtime.recording.parts import people_in
from realtime.recording.summary import REPORT_NAME

MOST_LABEL = 40


class _Report(msgspec.Struct):
    """The part of report.json that the list shows."""

    frames: int = 0
    elapsed_s: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording of the list."""

    name: str
    folder: Path
    modified_s: float
    """Time of the last change, in s since 1970."""
    n_samples: int
    duration_s: float
    source: str
    n_people: int
    """Number of people who were tracked at once."""
    is_finished: bool
    """Whether its run has ended in order."""


def list_recordings(root: Path) -> list[Entry]:
    """The recordings in a folder, the newest first; links to elsewhere are left out."""
    entries = []
    for log in root.glob(f"*/{LOG_NAME}"):
        try:
            folder = find_recording(root, log.parent.name)
            entries.append(_entry(folder, log.stat().st_mtime))
        except (AppError, OSError):
            continue
    return sorted(entries, key=lambda entry: -entry.modified_s)


def find_recording(root: Path, name: str) -> Path:
    """The folder of a recording.

    Args:
        root: Folder of the recordings.
        name: Name of the recording, which may come from anywhere.

    Raises:
        AppError: there is no such recording in the folder.
    """
    folder = root / name
    is_plain = name not in ("", ".", "..") and not re.search(r"[/\\\0]", name)
    try:
        if is_plain and folder.resolve().parent == root.resolve() and (folder / LOG_NAME).is_file():
            return folder
    except OSError:  # such as a name that is too long
        pass
    raise AppError("there is no such recording in the folder of the app", name="recording", value=name)


def new_folder(root: Path, label: str) -> Path:
    """A folder for a new recording, named by time and, if given, a label."""
    words = re.sub(r"[^\w.-]+", "_", label.strip())[:MOST_LABEL].strip("._")
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    base = f"{stamp}_{words}" if words else stamp
    names = (base, *(f"{base}_{k}" for k in range(2, 100)))
    return next(folder for name in names if not (folder := root / name).exists())


def _entry(folder: Path, modified_s: float) -> Entry:
    report, is_finished = _Report(), False
    path = folder / REPORT_NAME
    if path.is_file():
        try:
            report, is_finished = msgspec.json.decode(path.read_bytes(), type=_Report), True
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            pass
    return Entry(
        folder.name,
        folder,
        modified_s,
        report.frames,
        report.elapsed_s,
        report.source,
        len(people_in(folder)),
        is_finished,
    )
