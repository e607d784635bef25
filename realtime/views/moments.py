"""Which frames of several live views are of one moment, and how long to wait for those that are not there.

A moment begins with the earliest frame that waits. The other views' frames within a tolerance of it belong to
it; they are waited for as long as they may still come, and never for longer than one frame of the fastest
view. A view that is late or gone is left out, and takes part again with its next frame that is in time.

No thread and no clock is in here: stamps and the present time are given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from realtime.sample import Frame

DEPTH = 4
"""Frames of one view that may wait for those of others."""
ALIVE_FRAMES = 3.0
"""A view without a frame for this many of its frames is not waited for."""
LATE_FRAMES = 3
"""A view whose last frames, so many, all came too late is not waited for either."""
EARLY_FRAMES = 0.1
"""Share of a frame by which a frame may come before it is expected."""
NEW_SHARE = 0.1
"""Share of the newest interval in the running mean of intervals."""


class ViewQueue:
    """The frames of one view that wait for their moment.

    Args:
        fps: Nominal rate; the real one is measured.
        now_ns: The present time.
    """

    def __init__(self, fps: float, now_ns: int) -> None:
        self.frames: deque[Frame] = deque()
        """The oldest first."""
        self.arrived_ns = now_ns
        """When the newest frame came, or when this began."""
        self.is_over = False
        """Whether no frame will come any more."""
        self.n_late = 0
        """Frames in a row that came when their moment was over."""
        self._period_ns = 1e9 / fps
        self._last_ns: int | None = None

    def add(self, frame: Frame, now_ns: int) -> None:
        """Take a new frame; the oldest goes if too many wait."""
        step_ns = 0 if self._last_ns is None else frame.t_capture_ns - self._last_ns
        if 0 < step_ns < ALIVE_FRAMES * self._period_ns:
            self._period_ns += NEW_SHARE * (step_ns - self._period_ns)
        self._last_ns, self.arrived_ns = frame.t_capture_ns, now_ns
        self.frames.append(frame)
        if len(self.frames) > DEPTH:
            self.frames.popleft()

    def drop_until(self, t_ns: int) -> None:
        """Drop frames of moments that are over."""
        while self.frames and self.frames[0].t_capture_ns <= t_ns:
            self.frames.popleft()
            self.n_late += 1

    def is_expected(self, t_ns: int, tolerance_ns: float, now_ns: int) -> bool:
        """Whether a frame within the tolerance of a moment may still come."""
        is_silent = now_ns - self.arrived_ns > ALIVE_FRAMES * self._period_ns
        if self.frames or self.is_over or is_silent or self.n_late >= LATE_FRAMES:
            return False
        next_ns = -1.0 if self._last_ns is None else self._last_ns + (1.0 - EARLY_FRAMES) * self._period_ns
        return next_ns <= t_ns + tolerance_ns

    def take(self, t_ns: int, tolerance_ns: float) -> Frame | None:
        """The frame of a moment; None if the view has none."""
        if not self.frames or self.frames[0].t_capture_ns - t_ns > tolerance_ns:
            return None
        self.n_late = 0
        return self.frames.popleft()


class Moments:
    """Brings frames of one moment together.

    Args:
        fps: Nominal rate of each view.
        tolerance_ns: Longest time between frames of one moment.
        now_ns: The present time.
    """

    def __init__(self, fps: Sequence[float], tolerance_ns: float, now_ns: int) -> None:
        self.views = [ViewQueue(rate, now_ns) for rate in fps]
        self._tolerance_ns, self._frame_ns = tolerance_ns, 1e9 / max(fps)
        self._given_ns = -1

    @property
    def is_over(self) -> bool:
        """Whether all views have ended and nothing waits."""
        return all(view.is_over and not view.frames for view in self.views)

    def next(self, now_ns: int) -> tuple[int | None, float]:
        """The next moment.

        Args:
            now_ns: The present time.

        Returns:
            Its time, None while no frame waits, and how long to wait for frames of other views before `take`
            in ns; 0 if nothing more is expected.
        """
        for view in self.views:
            view.drop_until(self._given_ns)
        t_ns = min((view.frames[0].t_capture_ns for view in self.views if view.frames), default=None)
        if t_ns is None or not any(view.is_expected(t_ns, self._tolerance_ns, now_ns) for view in self.views):
            return t_ns, 0.0
        return t_ns, max(0.0, t_ns + self._frame_ns - now_ns)

    def take(self, t_ns: int) -> list[Frame | None]:
        """The frames of a moment, None for views that are left out."""
        self._given_ns = t_ns
        return [view.take(t_ns, self._tolerance_ns) for view in self.views]
