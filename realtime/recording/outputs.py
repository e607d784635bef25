"""Outputs of a run: the recording, joint ranges, and images for the video file and the window."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecordingError
from realtime.pipeline.slot import LatestSlot, SlotPolicy
from realtime.pipeline.workers import SlotWorker
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.view_shares import ViewShares
from realtime.sample import Drawing, Frame, LiveStats, PoseSample

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]


class PictureRecorder(Protocol):
    """Interface to a recorder's videos; images after their end are ignored.

    Both methods raise RecordingError or OSError where an image cannot be written.
    """

    def write_image(self, frame_id: int, t_capture_ns: int, image: Image) -> None:
        """Add a frame of the camera."""

    def write_overlay(self, t_capture_ns: int, picture: Image) -> None:
        """Add an overlay image."""


class SampleRecorder(Protocol):
    """Interface to a recorder."""

    @property
    def pictures(self) -> PictureRecorder:
        """The recorder's videos, written by threads of their own."""

    def write(self, sample: PoseSample) -> None:
        """Add one sample.

        Raises:
            RecordingError: the sample cannot be written; earlier samples are kept.
        """

    def close(self) -> None:
        """Finish the files."""


_Item = tuple[Frame, PoseSample, LiveStats]


class Outputs:
    """The pipeline's sink: records samples at once, and draws, shows and stores images in other threads.

    Writing a sample never waits for images, and storing the camera's frames never waits for drawing.

    Args:
        ranges: Joint ranges, to which every sample is added.
        recorder: Recorder; None records nothing.
        recorded: Overlay drawn for the recording; None records none.
        keeps_video: Whether to record the source's frames, too.
        shown: Overlay drawn for the window; if it is the same object as `recorded`, it is drawn once.
        images: Slot that receives the window's images; None for no window.
        must_record: Whether a failed recording ends the run.
        policy: Policy for waiting frames: WAIT draws and stores every frame, LATEST drops the oldest.
        depth: Number of frames that may wait to be drawn.
        video_depth: Number of frames that may wait to be stored.
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
        video_depth: int = 4,
    ) -> None:
        self._ranges = ranges
        self._recorder = recorder
        self._files = recorder.pictures if recorder is not None else None
        self._recorded = recorded if recorder is not None else None
        self._shown = shown if pictures is not None else None
        self._pictures = pictures
        self._must_record = must_record
        self._failing = threading.Lock()
        self._error: RecordingError | None = None
        self.failure = ""
        """Reason why recording ended early; empty if it has not."""
        self.n_recorded = 0
        """Number of samples recorded."""
        self.view_shares = ViewShares()
        """Which views carried which seconds, of a run with several."""
        self._drawing: SlotWorker[_Item] | None = None
        self._filming: SlotWorker[Frame] | None = None
        if self._recorded is not None or self._shown is not None:
            self._drawing = SlotWorker("drawing", self._draw, policy, depth)
        if keeps_video and self._files is not None:
            self._filming = SlotWorker("filming", self._film, policy, video_depth)

    @property
    def n_undrawn(self) -> int:
        """Number of frames not drawn for lack of time."""
        return 0 if self._drawing is None else self._drawing.n_dropped

    @property
    def n_unfilmed(self) -> int:
        """Number of frames missing in the recorded video for lack of time."""
        return 0 if self._filming is None else self._filming.n_dropped

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame.

        Raises:
            RecordingError: recording failed and `must_record` is set.
            BaseException: drawing failed.
        """
        self._ranges.add(sample)
        self.view_shares.add(sample)
        if self._recorder is not None and not self.failure:
            try:
                self._recorder.write(sample)
                self.n_recorded += 1
            except RecordingError as error:
                self._fail(error)
        if self.failure:
            self._close_recorder()
        if self._filming is not None:
            self._filming.put(frame)
        if self._drawing is not None:
            self._drawing.put((frame, sample, stats))
        self._raise()

    def close(self) -> None:
        """Finish the recording.

        Raises:
            RecordingError: the recording could not be finished and `must_record` is set.
            BaseException: drawing failed.
        """
        workers = [worker for worker in (self._filming, self._drawing) if worker is not None]
        try:
            for worker in workers:
                worker.close()
        finally:
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
        """End the recording; reported once, whichever file failed."""
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

    def _film(self, frame: Frame) -> None:
        """Store a camera frame; runs in the thread for the video."""
        assert self._files is not None
        if self.failure:
            return
        try:
            self._files.write_image(frame.frame_id, frame.t_capture_ns, frame.image)
        except (RecordingError, OSError) as error:
            self._fail(_stopped(error))

    def _draw(self, item: _Item) -> None:
        """Draw a frame; runs in the thread for drawing."""
        frame, sample, stats = item
        picture = None
        if self._recorded is not None and self._files is not None and not self.failure:
            picture = self._recorded.draw(frame.image, sample, stats)
            try:
                self._files.write_overlay(frame.t_capture_ns, picture)
            except (RecordingError, OSError) as error:
                self._fail(_stopped(error))
        if self._pictures is not None and self._shown is not None:
            if picture is None or self._shown is not self._recorded:
                picture = self._shown.draw(frame.image, sample, stats)
            self._pictures.put(picture)


def _stopped(error: Exception) -> RecordingError:
    return RecordingError(f"recording has stopped; earlier samples are kept: {error}")
