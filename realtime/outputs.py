"""What becomes of estimated frames: a recording, joint ranges, pictures for files and for the window."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.report import JointRanges
from realtime.slot import LatestSlot, SlotClosed, SlotPolicy
from realtime.types import Frame, LiveStats, PoseSample

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]


class Drawing(Protocol):
    """What this module needs of an overlay."""

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new picture with everything drawn on it."""


class PictureRecorder(Protocol):
    """What this module needs of a recorder's pictures."""

    def write(self, frame_id: int, t_capture_ns: int, picture: Image | None, image: Image | None) -> None:
        """Add the overlay's picture of a frame, and what the camera gave.

        Raises:
            RecordingError: it cannot be written.
            OSError: it does not fit.
        """


class SampleRecorder(Protocol):
    """What this module needs of a recorder."""

    @property
    def pictures(self) -> PictureRecorder:
        """Written to by a thread of its own; ignores what comes after `close`."""

    def write(self, sample: PoseSample) -> None:
        """Add one sample.

        Raises:
            RecordingError: it cannot be written; what was written before stays.
        """

    def close(self) -> None:
        """Finish the files."""


class Outputs:
    """The pipeline's sink: records samples at once; draws, records and shows pictures in a thread of its own.

    A sample is safe on the disk however long the pictures of earlier ones take.

    Args:
        ranges: counts every sample.
        recorder: None records nothing.
        recorded: draws the pictures of the recording; None records none.
        keeps_video: whether the source's own pictures are recorded, too.
        shown: draws the pictures of the window; the same object as `recorded` is drawn once.
        pictures: where the window's pictures are left; None for no window.
        must_record: whether a recording that fails ends the run.
        policy: WAIT draws every frame; LATEST leaves out the oldest of those that wait, and counts them.
        depth: how many frames may wait for their pictures.
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
        policy: SlotPolicy = SlotPolicy.WAIT,
        depth: int = 4,
    ) -> None:
        self._ranges = ranges
        self._recorder = recorder
        self._recorded = recorded if recorder is not None else None
        self._keeps_video = keeps_video and recorder is not None
        self._shown = shown if pictures is not None else None
        self._pictures = pictures
        self._must_record = must_record
        self._failing = threading.Lock()
        self._error: BaseException | None = None
        self.failure = ""
        """Why recording ended early; empty while it goes well."""
        self._waiting: LatestSlot[tuple[Frame, PoseSample, LiveStats]] = LatestSlot(policy, depth)
        self._thread: threading.Thread | None = None
        if self._recorded is not None or self._keeps_video or self._shown is not None:
            self._thread = threading.Thread(target=self._make_pictures, name="kinecast-pictures", daemon=True)
            self._thread.start()

    @property
    def n_undrawn(self) -> int:
        """Frames whose pictures were left out for lack of time."""
        return self._waiting.n_dropped

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame.

        Raises:
            RecordingError: recording failed and `must_record` is set.
            BaseException: drawing failed.
        """
        self._ranges.add(sample)
        if self._recorder is not None and not self.failure:
            try:
                self._recorder.write(sample)
            except RecordingError as error:
                self._fail(error)
        if self.failure:
            self._close_recorder()
        if self._thread is not None and self._error is None:
            self._waiting.put((frame, sample, stats))
        self._raise()

    def close(self) -> None:
        """Finish the recording.

        Raises:
            RecordingError: it could not be finished and `must_record` is set.
            BaseException: drawing failed.
        """
        self._waiting.close()
        if self._thread is not None:
            self._thread.join()
        self._close_recorder()
        self._raise()

    def _close_recorder(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.close()
        except RecordingError as error:
            self._fail(error)

    def _fail(self, error: RecordingError) -> None:
        """Recording is over; said once, whichever file it was."""
        with self._failing:
            if self.failure:
                return
            self.failure = str(error)
        if self._must_record:
            self._error = error
        else:
            logger.warning("%s; tracking goes on", error)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _make_pictures(self) -> None:
        recorder = self._recorder.pictures if self._recorder is not None else None
        try:
            while True:
                item = self._waiting.get()
                if item is not None:
                    self._make_picture(recorder, *item)
        except SlotClosed:
            pass
        except BaseException as error:  # raised again by the output thread
            self._error = error
            self._waiting.close(discard=True)

    def _make_picture(
        self, recorder: PictureRecorder | None, frame: Frame, sample: PoseSample, stats: LiveStats
    ) -> None:
        picture = None
        if recorder is not None and not self.failure:
            if self._recorded is not None:
                picture = self._recorded.draw(frame.image, sample, stats)
            image = frame.image if self._keeps_video else None
            try:
                recorder.write(frame.frame_id, frame.t_capture_ns, picture, image)
            except (RecordingError, OSError) as error:
                self._fail(
                    RecordingError(f"recording has stopped; what was recorded before is kept: {error}")
                )
        if self._pictures is not None and self._shown is not None:
            if picture is None or self._shown is not self._recorded:
                picture = self._shown.draw(frame.image, sample, stats)
            self._pictures.put(picture)
