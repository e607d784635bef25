"""The video of a recording as a source, with the frames, frame numbers and times of the recorded run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from realtime.errors import SourceError
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.pictures import LOSSLESS_NAME, read_frames_table
from realtime.recording.summary import REPORT_NAME
from realtime.sample import Frame
from realtime.sources.source import DEFAULT_FPS, as_bgr, quiet_opencv


def is_recording(folder: Path) -> bool:
    """Whether a folder is a recording, finished or not."""
    return (folder / LOG_NAME).is_file()


def relearned_frames(folder: Path) -> frozenset[int]:
    """Frames before which the user of a recorded run had the person learned once more; none after a kill."""
    try:
        found = json.loads((folder / REPORT_NAME).read_text("utf-8"))["relearned_at_frames"]
        return frozenset(int(frame_id) for frame_id in found)
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def chosen_points(folder: Path) -> dict[int, tuple[float, float]]:
    """Frames before which the user of a recorded run chose somebody, and where; none after a kill."""
    try:
        found = json.loads((folder / REPORT_NAME).read_text("utf-8"))["chosen_at_frames"]
        return {int(frame_id): (float(x), float(y)) for frame_id, x, y in found}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class RecordedVideo:
    """Reads the frames of `video.mkv` with their numbers and times from `video.csv`.

    Estimates from these frames are bit-identical to those of the recorded run, given the same estimator with
    the same options, unless that run had no time to record some of its frames (which it reports).

    Args:
        folder: Folder of a recording, finished or not.

    Raises:
        RecordingError: the folder holds no log.
    """

    is_live = False
    note = ""

    def __init__(self, folder: Path) -> None:
        self.description = str(folder / LOSSLESS_NAME)
        self.width_px = 0
        self.height_px = 0
        self._folder, self._path = folder, folder / LOSSLESS_NAME
        self.fps = StreamLog(folder / LOG_NAME).meta.rate_hz or DEFAULT_FPS
        self.n_frames: int | None = 0
        self._rows: Iterator[tuple[int, int]] = iter(())
        self._capture: cv2.VideoCapture | None = None
        self._interrupted = False
        self._start_ns: int | None = None

    def open(self) -> None:
        """Open the video and read its size.

        Raises:
            SourceError: the recording has no video, or the video cannot be read.
            RecordingError: the table of its frames cannot be read.
        """
        self.close()
        quiet_opencv()
        if not self._path.is_file():
            raise SourceError(
                f"{self._path}: no such file: this recording was made without --record-video; it can be "
                "republished (--publish ADDR); to track once more, give what it was made of: "
                "kinecast replay VIDEO --out DIR"
            )
        # FFmpeg takes the start of a relative name such as trial:1/video.mkv for a protocol.
        capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(f"{self._path}: cannot be read; the file is damaged, or OpenCV lacks FFmpeg")
        self.width_px = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height_px = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rows = read_frames_table(self._folder)
        self.n_frames = len(rows)
        self._capture, self._rows = capture, iter(rows)
        self._interrupted, self._start_ns = False, None

    def read(self) -> Frame | None:
        """The next frame; time stamps are the recorded ones, shifted so that the first is now."""
        row = None if self._interrupted or self._capture is None else next(self._rows, None)
        if row is None or self._capture is None:
            return None
        decoded, image = self._capture.read()
        if not decoded:
            return None
        if self._start_ns is None:
            self._start_ns = time.perf_counter_ns()
        frame_id, time_ns = row
        return Frame(frame_id, self._start_ns + time_ns, as_bgr(image))

    def interrupt(self) -> None:
        """Make the next `read` return None."""
        self._interrupted = True

    def close(self) -> None:
        """Release the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
