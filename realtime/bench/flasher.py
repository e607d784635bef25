"""Latency measurement: a window that flashes, and a sink that records the brightness of frames."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
from cv2.typing import MatLike

from realtime.bench.latency import Flash, Look, look_at
from realtime.sample import Drawing, Frame, LiveStats, PoseSample

DEFAULT_INTERVAL_S = 0.6
SHORTEST_INTERVAL_S = 0.35
"""Less than three flashes a second: faster ones can harm people with photosensitive epilepsy (WCAG 2.3.1)."""
SPREAD = 0.4
"""Random variation of intervals, as a share, so that flashes are not synchronous with the camera."""


class Screen(Protocol):
    """Interface to a window."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""

    def show(self, image: MatLike) -> None:
        """Replace the image."""

    def is_open(self) -> bool:
        """Process the window's events; False once it was closed."""


class Flasher:
    """Switches a window between bright and dark at irregular times.

    Args:
        screen: Open window.
        n_flashes: Number of changes.
        interval_s: Mean time between two changes.
        seed: Seed of the random times.
    """

    def __init__(self, screen: Screen, n_flashes: int, interval_s: float, seed: int = 0) -> None:
        self.flashes: list[Flash] = []
        self._screen = screen
        self._n_flashes = n_flashes
        self._interval_ns = interval_s * 1e9
        self._rng = np.random.default_rng(seed)
        self._next_ns = 0

    def tick(self) -> bool:
        """Change the window if it is time; False once all is done or the window was closed."""
        now_ns = time.perf_counter_ns()
        if now_ns >= self._next_ns:
            if len(self.flashes) > self._n_flashes:
                return False
            is_bright = len(self.flashes) % 2 == 1
            width, height = self._screen.size_px
            picture = np.full((height, width, 3), 255 if is_bright else 0, np.uint8)
            now_ns = time.perf_counter_ns()
            self._screen.show(picture)
            self.flashes.append(Flash(now_ns, is_bright))
            self._next_ns = now_ns + round(self._interval_ns * self._rng.uniform(1.0 - SPREAD, 1.0 + SPREAD))
        return self._screen.is_open()


class FlashWatcher:
    """A pipeline's sink that draws each overlay, as a live run does, and records the frame's brightness."""

    def __init__(self, drawing: Drawing) -> None:
        self.looks: list[Look] = []
        self._drawing = drawing

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        """Take one frame."""
        self._drawing.draw(frame.image, sample, stats)
        self.looks.append(look_at(frame, time.perf_counter_ns()))

    def close(self) -> None:
        """Nothing to finish."""
