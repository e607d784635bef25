"""What sources of several views share: one frame of all images, and which frames are of one moment."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.errors import SourceError
from realtime.source_names import BETWEEN_NAMES, recorded_name
from realtime.sources.source import FrameSource
from realtime.views.tiles import Tiles

TOLERANCE_FRAMES = 0.6
"""Longest time between frames of one moment, in frames of the fastest source. Cameras of one rate are never
more than half a frame apart; the rest is for jitter, which would otherwise tear some of their pairs apart."""


class SourceSet:
    """Opens, names and closes several sources as one.

    Args:
        sources: Sources in the order of the views.
        offsets_s: Time of each source that is added to its clock; None: 0.

    Raises:
        SourceError: fewer than two sources, or another number of offsets.
    """

    def __init__(self, sources: Sequence[FrameSource], offsets_s: Sequence[float] | None = None) -> None:
        self._sources = list(sources)
        self._offsets_s = [0.0] * len(self._sources) if offsets_s is None else list(offsets_s)
        if len(self._sources) < 2:
            raise SourceError("one source; with --cameras, give one source for each camera", name="sources")
        if len(self._offsets_s) != len(self._sources):
            raise SourceError(
                f"{len(self._offsets_s)} offsets for {len(self._sources)} sources; give one for each, "
                "separated by commas",
                name="offsets", value=len(self._offsets_s), accepted=(len(self._sources),),
            )  # fmt: skip
        self.tiles = Tiles(((1, 1),))

    @property
    def sources(self) -> tuple[FrameSource, ...]:
        """The sources, in the order of the views."""
        return tuple(self._sources)

    @property
    def description(self) -> str:
        """Names of all sources, without folders: else recordings would keep the last source's alone."""
        return BETWEEN_NAMES.join(recorded_name(source.description) for source in self._sources)

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
        """Announced length of the longest source; 0: not known. None: one is endless."""
        lengths = [source.n_frames for source in self._sources]
        return None if None in lengths else max(length or 0 for length in lengths)

    @property
    def tolerance_ns(self) -> float:
        """Longest time between frames of one moment."""
        return TOLERANCE_FRAMES * 1e9 / self.fps

    def open(self) -> None:
        """Open all sources.

        Raises:
            SourceError: one cannot be opened; none stays open.
        """
        try:
            for source in self._sources:
                source.open()
        except SourceError:
            self.close()
            raise
        self.tiles = Tiles(tuple((source.width_px, source.height_px) for source in self._sources))

    def interrupt(self) -> None:
        """Make the next `read` of each source return None."""
        for source in self._sources:
            source.interrupt()

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()
