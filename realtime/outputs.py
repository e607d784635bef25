"""What becomes of estimated frames: a picture for the window, a recording, the range of each joint."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.report import JointRanges
from realtime.slot import LatestSlot
from realtime.types import Frame, LiveStats, PoseSample

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]


class Drawing(Protocol):
    """What this module needs of an overlay."""

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new picture with everything drawn on it."""


class SampleRecorder(Protocol):
    """What this module needs of a recorder."""

    def write(self, sample: PoseSample, picture: Image | None = None, *, image: Image | None = None) -> None:
        """Add one sample, the overlay's picture of it, and what the camera gave.

        Raises:
            RecordingError: it cannot be written; what was written before stays.
        """

    def close(self) -> None:
        """Finish the files."""


class Outputs:
    """The pipeline's sink: draws, records, shows. Runs in the output thread.

    Args:
        ranges: counts every sample.
        recorder: None records nothing.
        recorded: draws the pictures of the recording; None records none.
        keeps_video: whether the source's own pictures are recorded, too.
        shown: draws the pictures of the window; the same object as `recorded` is drawn once.
        pictures: where the window's pictures are left; None for no window.
        must_record: whether a recording that fails ends the run.
    """

    def __init__(
        self,
        ranges: JointRanges,
        *,
        recorder: SampleRecorder | None = None,
        recorded: Drawing | None = None,
        keeps_video: bool = False,
        shown: Drawing | None = None,
        pictures: LatestSlot[Image] | None = None,
        must_record: bool = True,
    ) -> None:
        self._ranges = ranges
        self._recorder = recorder
        self._recorded = recorded
        self._keeps_video = keeps_video
        self._shown = shown
        self._pictures = pictures
        self._must_record = must_record
        self.failure = ""
        """Why recording ended early; empty while it goes well."""

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame.

        Raises:
            RecordingError: recording failed and `must_record` is set.
        """
        self._ranges.add(sample)
        picture = None
        if self._recorder is not None:
            if self._recorded is not None:
                picture = self._recorded.draw(frame.image, sample, stats)
            self._record(sample, picture, frame.image if self._keeps_video else None)
        if self._pictures is not None and self._shown is not None:
            if picture is None or self._shown is not self._recorded:
                picture = self._shown.draw(frame.image, sample, stats)
            self._pictures.put(picture)

    def close(self) -> None:
        """Finish the recording."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.close()
        except RecordingError as error:
            self._fail(error)

    def _record(self, sample: PoseSample, picture: Image | None, image: Image | None) -> None:
        assert self._recorder is not None
        try:
            self._recorder.write(sample, picture, image=image)
        except RecordingError as error:
            self.close()
            self._fail(error)

    def _fail(self, error: RecordingError) -> None:
        self.failure = str(error)
        if self._must_record:
            raise error
        logger.warning("%s; tracking goes on", error)
