"""A run of the tracker as orders reach it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from realtime.control.messages import ControlError, TrackerState
from realtime.control.preview import Preview
from realtime.pipeline.pipeline import Pipeline
from realtime.recording.takes import Takes
from realtime.source_names import recorded_name
from realtime.sources.source import FrameSource


class ControlledRun:
    """Passes orders on to the parts of a run.

    Args:
        source: Open source of the run.
        pipeline: Pipeline of the run.
        takes: Recordings of the run.
        preview: Images of the run.
    """

    def __init__(self, source: FrameSource, pipeline: Pipeline, takes: Takes, preview: Preview) -> None:
        self._source, self._pipeline, self._takes, self._preview = source, pipeline, takes, preview
        self._stopped = threading.Event()
        self.stream_address = ""
        """Address of the published samples, once it is known."""

    @property
    def is_stopped(self) -> bool:
        """Whether the run was asked to end."""
        return self._stopped.is_set()

    def state(self) -> TrackerState:
        """What the run is doing."""
        stats, take = self._pipeline.live_stats(), self._takes.current
        return TrackerState(
            source=recorded_name(self._source.description),
            stream_address=self.stream_address,
            width_px=self._source.width_px,
            height_px=self._source.height_px,
            fps=stats.fps,
            latency_ms=stats.latency_ms,
            note=stats.note,
            people=self._pipeline.people,
            recording="" if take is None else str(take.folder),
            recorded_s=0.0 if take is None else time.monotonic() - take.begin_s,
            finishing=self._takes.n_finishing,
            failure=self._takes.failure,
        )

    def picture(self, after: int) -> tuple[int, bytes]:
        """Number and JPEG of an image newer than number `after`; 0 and nothing without one."""
        return self._preview.newest(after)

    def record(self, folder: Path) -> None:
        """Begin a recording.

        Raises:
            RecordingError: a recording is being made, or the folder cannot be used.
        """
        self._takes.begin(folder)

    def finish(self) -> None:
        """End the recording.

        Raises:
            RecordingError: nothing is being recorded.
        """
        self._takes.end()

    def relearn(self) -> None:
        """Learn the person once more from their next neutral pose."""
        self._pipeline.relearn()

    def mark(self, event: str) -> None:
        """Mark an event at the next frame."""
        self._pipeline.mark(event)

    def choose_at(self, x: float, y: float) -> None:
        """Track whoever is at a point of the next image, from 0 to 1.

        Raises:
            ControlError: the estimator tells nobody apart.
        """
        if not self._pipeline.choose_at(x, y):
            raise ControlError("one person is tracked in this way; nobody can be chosen", name="estimator")

    def stop(self) -> None:
        """End the run."""
        self._stopped.set()
