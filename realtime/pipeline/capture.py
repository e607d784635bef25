"""The capture thread's work: take frames from a source and leave them in a slot."""

from __future__ import annotations

import threading
import time

from realtime.pipeline.slot import LatestSlot
from realtime.sample import Frame
from realtime.sources.source import FrameSource


class Capture:
    """Reads an open source to its end, or to a limit.

    Attributes:
        n_frames: Frames read so far.
        last_frame_ns: `perf_counter_ns` when the newest frame arrived; 0 before the first.
    """

    def __init__(
        self,
        source: FrameSource,
        slot: LatestSlot[Frame],
        *,
        paced: bool = False,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            source: Open source; only `run` reads it.
            slot: Slot for the frames; closed at the end, with the error if reading failed.
            paced: Whether each frame is held back until its stamp, as a camera would do.
            max_frames: Number of frames after which to stop.
            max_duration_s: Time after the first frame at which to stop.
        """
        self._source = source
        self._slot = slot
        self._paced = paced and not source.is_live
        self._max_frames = max_frames
        self._max_duration_ns = None if max_duration_s is None else int(max_duration_s * 1e9)
        self._stopped = threading.Event()
        self.n_frames = 0
        self.last_frame_ns = 0

    def run(self) -> None:
        """Read until the source ends, a limit is reached, `stop` is called, or the slot is closed."""
        error: BaseException | None = None
        try:
            self._read_all()
        except BaseException as raised:  # handed over: the slot's reader raises it
            error = raised
        finally:
            self._slot.close(error)

    def stop(self) -> None:
        """Make `run` return soon; from any thread."""
        self._stopped.set()
        self._source.interrupt()

    def _read_all(self) -> None:
        first_ns = 0
        while not self._stopped.is_set() and self.n_frames != self._max_frames:
            frame = self._source.read()
            if frame is None:
                return
            if self.n_frames == 0:
                first_ns = frame.t_capture_ns
            if self._max_duration_ns is not None and frame.t_capture_ns - first_ns >= self._max_duration_ns:
                return
            if self._paced and self._wait_until(frame.t_capture_ns):
                return
            if not self._slot.put(frame):
                return
            self.n_frames += 1
            self.last_frame_ns = time.perf_counter_ns()

    def _wait_until(self, t_ns: int) -> bool:
        """Wait for a moment; True if stopped meanwhile."""
        return self._stopped.wait(max(0.0, (t_ns - time.perf_counter_ns()) * 1e-9))
