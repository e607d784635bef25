"""Recordings that begin and end while the tracker runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from realtime.errors import RealtimeError, RecordingError
from realtime.pipeline.stats import PipelineStats
from realtime.recording.outputs import Outputs
from realtime.sample import Frame, LiveStats, PoseSample

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Take:
    """One recording of a part of a run."""

    folder: Path
    outputs: Outputs
    stop_counting: Callable[[], PipelineStats]
    """Function called at its end that returns its statistics."""
    write_report: Callable[[PipelineStats], object]
    """Function that writes report.json, called once the other files are finished."""
    begin_s: float = field(default_factory=time.monotonic)


class Takes:
    """A sink of the pipeline that records from `begin` to `end`, as often as wanted.

    Files of an ended recording are finished in the background, while tracking and the next recording go on.

    Args:
        open_take: Function that prepares a recording in a folder; raises RecordingError.
    """

    def __init__(self, open_take: Callable[[Path], Take]) -> None:
        self._open_take = open_take
        self._changing = threading.Lock()
        self._take: Take | None = None
        self._finishing: list[threading.Thread] = []
        self._failure = ""

    @property
    def current(self) -> Take | None:
        """The recording that is being made."""
        return self._take

    @property
    def n_finishing(self) -> int:
        """Number of ended recordings whose files are not finished yet."""
        return sum(thread.is_alive() for thread in self._finishing)

    @property
    def failure(self) -> str:
        """Reason why the newest recording ended early; empty if it did not."""
        take = self._take
        return take.outputs.failure if take is not None else self._failure

    def begin(self, folder: Path) -> None:
        """Record from the next frame on.

        Raises:
            RecordingError: a recording is being made, or the folder cannot be used.
        """
        if self._take is not None:
            raise RecordingError(f"{self._take.folder.name} is being recorded; end it first")
        self._failure = ""
        take = self._open_take(folder)
        with self._changing:
            self._take = take

    def end(self) -> None:
        """End the recording, and finish its files in the background.

        Raises:
            RecordingError: nothing is being recorded.
        """
        with self._changing:
            take, self._take = self._take, None
        if take is None:
            raise RecordingError("nothing is being recorded")
        args = take, take.stop_counting()
        thread = threading.Thread(target=self._finish, args=args, name="kinecast-finish")
        self._finishing = [*(t for t in self._finishing if t.is_alive()), thread]
        thread.start()

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame, if a recording is being made."""
        with self._changing:
            if self._take is not None:
                self._take.outputs.write(frame, sample, stats)

    def close(self) -> None:
        """End the recording, if there is one, and return once all files are finished."""
        if self._take is not None:
            self.end()
        for thread in self._finishing:
            thread.join()

    def _finish(self, take: Take, stats: PipelineStats) -> None:
        try:
            take.outputs.close()
            if not take.outputs.failure:
                take.write_report(stats)
        except (RealtimeError, OSError) as error:
            logger.warning("%s", error)
            self._failure = str(error)
        else:
            self._failure = take.outputs.failure
