"""The stream of the tracker as the pages need it: recent values, ranges, and the feedback."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable

from realtime.app.options import Settings
from realtime.client import subscribe
from realtime.events.repetitions import RepetitionCounter
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample

HISTORY_S = 12.0
"""Time for which values are kept."""
WAIT_S = 0.2


class Feedback:
    """Tells whether a coordinate is in its band, and counts repetitions.

    Args:
        settings: Coordinate, band, and least way of a repetition.
    """

    def __init__(self, settings: Settings) -> None:
        self.name = settings.target
        self._low, self._high = sorted((settings.target_low, settings.target_high))
        self._counter = RepetitionCounter(settings.repetition_range)
        self.value = math.nan
        self.is_inside = False
        self.n_entered = 0
        """Number of times that the band was reached."""

    @property
    def n_repetitions(self) -> int:
        """Number of repetitions so far."""
        return self._counter.count

    def add(self, sample: AngleSample) -> None:
        """Take the next sample."""
        is_known = self.name in sample.keys() and sample.status is not Status.LOST
        self.value = sample[self.name] if is_known else math.nan
        was_inside, self.is_inside = self.is_inside, self._low <= self.value <= self._high
        self.n_entered += self.is_inside and not was_inside
        self._counter.add(sample.t_capture_ns * 1e-9, self.value)


class Feed:
    """Follows the stream of one tracker after another in a thread of its own.

    Args:
        address: Function that returns the address to follow now; empty for none.
        settings: Function that returns the present settings.
    """

    def __init__(self, address: Callable[[], str], settings: Callable[[], Settings]) -> None:
        self._address, self._settings = address, settings
        self.person = 1
        """Number of the person who is followed, where several are tracked."""
        self._lock = threading.Lock()
        self._samples: deque[AngleSample] = deque()
        self._ranges: dict[str, tuple[float, float]] = {}
        self.feedback = Feedback(settings())
        self.n_received = self.n_missed = 0
        """Samples of the present tracker that arrived, and that were lost on the way."""
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kinecast-feed", daemon=True)
        self._thread.start()

    @property
    def newest(self) -> AngleSample | None:
        """The newest sample of the present tracker."""
        with self._lock:
            return self._samples[-1] if self._samples else None

    def range_of(self, name: str) -> tuple[float, float] | None:
        """Smallest and largest value of a coordinate since `restart_counts`."""
        return self._ranges.get(name)

    def curve(self, name: str, length_s: float) -> list[tuple[float, float | None]]:
        """Times before the newest sample and values of a coordinate, None where unknown."""
        with self._lock:
            samples = list(self._samples)
        if not samples or name not in samples[-1].keys():
            return []
        end_ns = samples[-1].t_capture_ns
        rows = [((sample.t_capture_ns - end_ns) * 1e-9, sample[name]) for sample in samples]
        return [(round(t, 3), None if math.isnan(v) else round(v, 2)) for t, v in rows if t >= -length_s]

    def events(self) -> list[tuple[float, str]]:
        """Times before the newest sample, and names, of the events that were marked."""
        with self._lock:
            samples = list(self._samples)
        return [
            (round((sample.t_capture_ns - samples[-1].t_capture_ns) * 1e-9, 3), event)
            for sample in samples
            for event in sample.message.events
        ]

    def restart_counts(self) -> None:
        """Forget ranges and repetitions, and follow the present settings."""
        with self._lock:
            self._ranges, self.feedback = {}, Feedback(self._settings())

    def close(self) -> None:
        """End the thread."""
        self._is_closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            address = self._address()
            if address:
                self._follow(address)
            else:
                self._is_closing.wait(WAIT_S)

    def _follow(self, address: str) -> None:
        with self._lock:
            self._samples.clear()
            self.n_received = self.n_missed = 0
        self.restart_counts()
        person = self.person
        with subscribe(address, person=person) as stream:
            while not self._is_closing.is_set() and (self._address(), self.person) == (address, person):
                sample = stream.receive(WAIT_S)
                if sample is not None:
                    self.n_missed = stream.missed
                    self._add(sample)
        with self._lock:
            self._samples.clear()

    def _add(self, sample: AngleSample) -> None:
        with self._lock:
            self.n_received += 1
            self._samples.append(sample)
            while sample.t_capture_ns - self._samples[0].t_capture_ns > HISTORY_S * 1e9:
                self._samples.popleft()
            self.feedback.add(sample)
            if sample.status in (Status.TRACKING, Status.UNSURE):
                for name in sample.keys():
                    self._widen(name, sample[name])

    def _widen(self, name: str, value: float) -> None:
        if not math.isnan(value):
            low, high = self._ranges.get(name, (value, value))
            self._ranges[name] = min(low, value), max(high, value)
