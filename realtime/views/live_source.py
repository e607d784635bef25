"""Several cameras as one live source: frames of one moment together, as soon as they are there.

Every source has a capture thread of its own, and its frames carry the time of this computer at which they
were taken, so that cameras neither drift nor need a common rate. `realtime.views.moments` says which frames
go together, and for how long one waits for another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from realtime.sample import Frame
from realtime.sources.source import FrameSource
from realtime.views.moments import Moments
from realtime.views.source_set import SourceSet

IDLE_S = 0.2
"""Longest sleep while no frame arrives."""
SILENCE_NS = 3_000_000_000
"""A view without a frame for this long is reported."""
MANY_LATE = 10
"""Frames too late for their moment, in a row, after which a view is reported."""
JOIN_TIMEOUT_S = 5.0
"""A camera driver may hang."""


class LiveViewsSource(SourceSet):
    """Gives the moments of several sources as they come, each as one frame with their images side by side.

    Videos and synthetic sources are held to their own pace and begin together, like cameras.

    Args:
        sources: Sources in the order of the views.
        offsets_s: Time added to the stamps of each, such as -0.01 for a camera whose images arrive 10 ms
            later than those of the others; None: 0.

    Raises:
        SourceError: fewer than two sources, or another number of offsets.
    """

    is_live = True

    def __init__(self, sources: Sequence[FrameSource], offsets_s: Sequence[float] | None = None) -> None:
        super().__init__(sources, offsets_s)
        self._changed = threading.Condition()
        self._forget()

    def _forget(self) -> None:
        self._threads: list[threading.Thread] = []
        self._moments: Moments | None = None
        self._errors: dict[int, Exception] = {}
        self._frame_id = self._start_ns = 0
        self._interrupted = threading.Event()

    @property
    def n_frames(self) -> int | None:
        """None: cameras are endless."""
        return None

    @property
    def note(self) -> str:
        """Which views are gone, silent or late; empty if none is, and once all have ended."""
        with self._changed:
            if self._moments is None or all(view.is_over for view in self._moments.views):
                return ""
            notes = [self._note_of(view, self._moments) for view in range(len(self._sources))]
        return "; ".join(note for note in notes if note)

    def open(self) -> None:
        """Open all sources; see `SourceSet`."""
        self._forget()
        super().open()

    def read(self) -> Frame | None:
        """The next moment; None when all sources have ended, and after `interrupt`.

        Raises:
            Exception: the error of the first source that failed, once all have ended.
        """
        if self._moments is None and not self._interrupted.is_set():
            self._start()
        with self._changed:
            while not self._interrupted.is_set() and self._moments is not None:
                t_ns, wait_ns = self._moments.next(time.perf_counter_ns())
                if t_ns is not None and wait_ns <= 0.0:
                    return self._join(t_ns, self._moments.take(t_ns))
                if self._moments.is_over:
                    for error in self._errors.values():
                        raise error
                    return None
                self._changed.wait(IDLE_S if t_ns is None else 1e-9 * wait_ns)
        return None

    def interrupt(self) -> None:
        """Make a waiting `read` return None, and the threads end."""
        with self._changed:
            self._interrupted.set()
            self._changed.notify_all()
        super().interrupt()

    def close(self) -> None:
        """Stop the threads and close the sources; one whose driver hangs is left alone."""
        self.interrupt()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)
        is_hanging = [thread.is_alive() for thread in self._threads] or [False] * len(self._sources)
        for source, hangs in zip(self._sources, is_hanging, strict=True):
            if not hangs:
                source.close()

    def _start(self) -> None:
        self._start_ns = time.perf_counter_ns()
        self._moments = Moments([source.fps for source in self._sources], self.tolerance_ns, self._start_ns)
        self._threads = [
            threading.Thread(target=self._capture, args=(view,), name=f"capture {view}", daemon=True)
            for view in range(len(self._sources))
        ]
        for thread in self._threads:
            thread.start()

    def _capture(self, view: int) -> None:
        """Read one source to its end; its error ends this view alone."""
        assert self._moments is not None
        try:
            self._read_all(view, self._moments)
        except Exception as error:  # reported by `note`, and raised once all views have ended
            self._errors[view] = error
        with self._changed:
            self._moments.views[view].is_over = True
            self._changed.notify_all()

    def _read_all(self, view: int, moments: Moments) -> None:
        source, shift_ns = self._sources[view], round(1e9 * self._offsets_s[view])
        is_first = True
        while not self._interrupted.is_set() and (frame := source.read()) is not None:
            if is_first and not source.is_live:
                shift_ns += self._start_ns - frame.t_capture_ns
            is_first = False
            t_ns = frame.t_capture_ns + shift_ns
            wait_s = 0.0 if source.is_live else 1e-9 * (t_ns - time.perf_counter_ns())
            if wait_s > 0.0 and self._interrupted.wait(wait_s):
                return
            with self._changed:
                moments.views[view].add(Frame(frame.frame_id, t_ns, frame.image), time.perf_counter_ns())
                self._changed.notify_all()

    def _join(self, t_ns: int, taken: Sequence[Frame | None]) -> Frame:
        self._frame_id += 1
        return Frame(
            self._frame_id - 1,
            t_ns,
            self.tiles.join([None if frame is None else frame.image for frame in taken]),
            tuple(None if frame is None else frame.t_capture_ns for frame in taken),
        )

    def _note_of(self, view: int, moments: Moments) -> str:
        source, queue = self._sources[view], moments.views[view]
        silent_ns = time.perf_counter_ns() - queue.arrived_ns
        if view in self._errors:
            return f"{source.description} has ended, going on without it: {self._errors[view]}"
        if queue.is_over:
            return f"{source.description} has ended, going on without it"
        if source.note:
            return source.note
        if queue.n_late >= MANY_LATE:
            return (
                f"images of {source.description} come too late for those of the others, and are left out; "
                "leave out its --offsets, or make it faster"
            )
        return (
            f"no image from {source.description} for {1e-9 * silent_ns:.0f} s"
            if silent_ns > SILENCE_NS
            else ""
        )
