"""Several videos as one source: frames of one moment together, by their time stamps.

Each video has its own clock, frame rate and losses. Its frames are placed on a common clock by when its first
frame was taken, and by how fast its clock runs. A moment is the earliest frame not yet given, with every
other video's next frame that was taken within `TOLERANCE_FRAMES` of it. A view without such a frame is
missing at that moment; nothing waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.source_names import recorded_name
from realtime.sources.source import FrameSource
from realtime.views.source_set import SourceSet

MAX_DRIFT = 0.1
"""Clocks that run faster or slower by a larger share are those of slow motion, not of two cameras."""
SHORTER_NS = 1_000_000_000
"""A video that ends earlier than another by more is worth a note."""


class ViewsSource(SourceSet):
    """Gives the moments of several videos, each as one frame with their images side by side.

    Args:
        sources: Videos or folders of images, in the order of the views.
        offsets_s: When the first frame of each was taken, on a common clock; None: all at once.
        clock_rates: Seconds of the common clock in one second of each video's; None: 1.

    Raises:
        SourceError: fewer than two sources, another number of offsets or rates, a rate far from 1, or a
            source that is live or endless.
    """

    is_live = False

    def __init__(
        self,
        sources: Sequence[FrameSource],
        offsets_s: Sequence[float] | None = None,
        clock_rates: Sequence[float] | None = None,
    ) -> None:
        super().__init__(sources, offsets_s)
        self._clock_rates = [1.0] * len(self._sources) if clock_rates is None else list(clock_rates)
        if len(self._clock_rates) != len(self._sources) or any(
            abs(rate - 1.0) > MAX_DRIFT for rate in self._clock_rates
        ):
            raise SourceError(
                f"clock rates {', '.join(f'{rate:g}' for rate in self._clock_rates)} for "
                f"{len(self._sources)} videos; accepted: one for each, from {1 - MAX_DRIFT:g} to "
                f"{1 + MAX_DRIFT:g}; for slow motion, use --capture-rate",
                name="clock_rates", value=tuple(self._clock_rates),
            )  # fmt: skip
        for source in self._sources:
            if source.is_live or source.n_frames is None:
                raise SourceError(
                    f"{source.description} is no video; accepted by replay with --cameras: video files and "
                    "folders; for cameras: kinecast live --source A --source B --cameras RIG",
                    name="sources", value=source.description,
                )  # fmt: skip
        self._forget()

    def _forget(self) -> None:
        self._heads: list[Frame | None] = []
        self._first_ns: list[int] = []
        self._frame_id = 0
        self._start_ns = 0
        self._begin_ns: int | None = None
        self._now_ns = 0
        self._ended_ns: dict[int, int] = {}
        self._interrupted = False

    @property
    def note(self) -> str:
        """Which videos ended long before the others; empty if none did."""
        return "; ".join(
            f"{recorded_name(self._sources[view].description)} ended at "
            f"{1e-9 * (ended_ns - (self._begin_ns or 0)):.1f} s; the others go on"
            for view, ended_ns in self._ended_ns.items()
            if self._now_ns - ended_ns > SHORTER_NS
        )

    def open(self) -> None:
        """Open all videos; see `SourceSet`."""
        self._forget()
        super().open()

    def read(self) -> Frame | None:
        """The next moment; None when all sources have ended, and after `interrupt`.

        Raises:
            SourceError: a source failed for good.
        """
        if self._interrupted:
            return None
        if not self._heads:
            self._start()
        times_ns = [self._time_ns(view) for view in range(len(self._heads))]
        given = [t_ns for t_ns in times_ns if t_ns is not None]
        if not given:
            return None
        t_ns = min(given)
        self._begin_ns = t_ns if self._begin_ns is None else self._begin_ns
        self._now_ns = t_ns
        chosen = [
            view
            for view, at_ns in enumerate(times_ns)
            if at_ns is not None and at_ns - t_ns <= self.tolerance_ns
        ]
        images = [head.image if head and view in chosen else None for view, head in enumerate(self._heads)]
        frame = Frame(self._frame_id, self._start_ns + t_ns, self.tiles.join(images))
        self._frame_id += 1
        for view in chosen:
            self._heads[view] = self._sources[view].read()
            if self._heads[view] is None:
                self._ended_ns[view] = t_ns
        return frame

    def interrupt(self) -> None:
        """Make the next `read` return None."""
        self._interrupted = True
        super().interrupt()

    def _start(self) -> None:
        self._heads = [source.read() for source in self._sources]
        self._first_ns = [0 if head is None else head.t_capture_ns for head in self._heads]
        self._start_ns = time.perf_counter_ns()

    def _time_ns(self, view: int) -> int | None:
        """When the next frame of a view was taken, on the common clock; None at its end."""
        head = self._heads[view]
        if head is None:
            return None
        since_ns = self._clock_rates[view] * (head.t_capture_ns - self._first_ns[view])
        return round(since_ns + 1e9 * self._offsets_s[view])
