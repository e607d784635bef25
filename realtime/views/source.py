"""Several videos as one source: frames of one moment together, by their time stamps.

Each video has its own clock, frame rate and losses. Its frames are placed on a common clock by when its first
frame was taken. A moment is the earliest frame not yet given, with every other video's next frame that was
taken within half a frame of it. A view without such a frame is missing at that moment; nothing waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.sources.source import FrameSource
from realtime.views.tiles import Tiles

TOLERANCE_FRAMES = 0.5
"""Longest time between frames of one moment, in frames of the fastest video."""


class ViewsSource:
    """Gives the moments of several sources, each as one frame with their images side by side.

    Args:
        sources: Videos or folders of images, in the order of the views.
        offsets_s: When the first frame of each was taken, on a common clock; None: all at once.

    Raises:
        SourceError: fewer than two sources, another number of offsets, or a source that is live or endless.
    """

    is_live = False
    note = ""

    def __init__(self, sources: Sequence[FrameSource], offsets_s: Sequence[float] | None = None) -> None:
        self._sources = list(sources)
        self._offsets_s = [0.0] * len(self._sources) if offsets_s is None else list(offsets_s)
        if len(self._sources) < 2:
            raise SourceError("one source; with --cameras, give one video for each camera", name="sources")
        if len(self._offsets_s) != len(self._sources):
            raise SourceError(
                f"{len(self._offsets_s)} offsets for {len(self._sources)} videos; give one for each, "
                "separated by commas",
                name="offsets", value=len(self._offsets_s), accepted=(len(self._sources),),
            )  # fmt: skip
        for source in self._sources:
            if source.is_live or source.n_frames is None:
                raise SourceError(
                    f"{source.description} is no video; accepted with --cameras: video files and folders",
                    name="sources", value=source.description,
                )  # fmt: skip
        self.tiles = Tiles(((1, 1),))
        self._forget()

    def _forget(self) -> None:
        self._heads: list[Frame | None] = []
        self._first_ns: list[int] = []
        self._frame_id = 0
        self._start_ns = 0
        self._interrupted = False

    @property
    def description(self) -> str:
        """Names of all sources."""
        return " + ".join(source.description for source in self._sources)

    @property
    def width_px(self) -> int:
        """Width of all images together."""
        return self.tiles.width_px

    @property
    def height_px(self) -> int:
        """Height of the tallest image."""
        return self.tiles.height_px

    @property
    def fps(self) -> float:
        """Rate of the fastest source."""
        return max(source.fps for source in self._sources)

    @property
    def n_frames(self) -> int | None:
        """Announced length of the longest source; 0: not known."""
        return max(source.n_frames or 0 for source in self._sources)

    def open(self) -> None:
        """Open all sources.

        Raises:
            SourceError: one cannot be opened; none stays open.
        """
        self._forget()
        try:
            for source in self._sources:
                source.open()
        except SourceError:
            self.close()
            raise
        self.tiles = Tiles(tuple((source.width_px, source.height_px) for source in self._sources))

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
        t_ns, tolerance_ns = min(given), TOLERANCE_FRAMES * 1e9 / self.fps
        chosen = [
            view for view, at_ns in enumerate(times_ns) if at_ns is not None and at_ns - t_ns <= tolerance_ns
        ]
        images = [head.image if head and view in chosen else None for view, head in enumerate(self._heads)]
        frame = Frame(self._frame_id, self._start_ns + t_ns, self.tiles.join(images))
        self._frame_id += 1
        for view in chosen:
            self._heads[view] = self._sources[view].read()
        return frame

    def interrupt(self) -> None:
        """Make the next `read` return None."""
        self._interrupted = True
        for source in self._sources:
            source.interrupt()

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

    def _start(self) -> None:
        self._heads = [source.read() for source in self._sources]
        self._first_ns = [0 if head is None else head.t_capture_ns for head in self._heads]
        self._start_ns = time.perf_counter_ns()

    def _time_ns(self, view: int) -> int | None:
        """When the next frame of a view was taken, on the common clock; None at its end."""
        head = self._heads[view]
        if head is None:
            return None
        return head.t_capture_ns - self._first_ns[view] + round(1e9 * self._offsets_s[view])
