"""Several receivers of one pipeline's frames."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from realtime.sample import Frame, LiveStats, PoseSample


class Sink(Protocol):
    """Receives every frame with its sample, in the output thread."""

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame."""

    def close(self) -> None:
        """Finish what was written; called once, also after errors."""


class Sinks:
    """A sink that passes frames on to others, in their order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame."""
        for sink in self._sinks:
            sink.write(frame, sample, stats)

    def close(self) -> None:
        """Close all, whatever fails; the first error is raised."""
        with ExitStack() as closing:
            for sink in reversed(self._sinks):
                closing.callback(sink.close)
