"""The events that the user marked: in the log with their samples, and in a file of their own."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.row_file import RowFile
from realtime.stream.messages import Angles

EVENTS_NAME = "events.csv"
EVENTS_HEADER = b"time_s,frame_id,event\n"


class EventFile:
    """Appends events to `events.csv`, which is created with the first.

    Args:
        folder: Folder of the recording.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: RowFile | None = None

    def add(self, angles: Angles, time_s: float) -> None:
        """Append the events of a sample.

        Args:
            angles: The sample.
            time_s: Time since the first sample.

        Raises:
            OSError: the events do not fit.
        """
        if not angles.events:
            return
        if self._file is None:
            self._file = RowFile(self._folder / EVENTS_NAME)
            self._file.append(EVENTS_HEADER)
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerows([f"{time_s:.9f}", angles.frame_id, event] for event in angles.events)
        self._file.append(rows.getvalue().encode())

    def close(self) -> None:
        """Release the file; may be called twice."""
        if self._file is not None:
            self._file.close()


def recorded_events(folder: Path) -> dict[int, tuple[str, ...]]:
    """Number of the frame -> events that were marked at it.

    Raises:
        RecordingError: the folder holds no log.
    """
    samples = StreamLog(folder / LOG_NAME).samples()
    return {angles.frame_id: tuple(angles.events) for angles, _ in samples if angles.events}
