"""A run as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open.

Format: "Trace Event Format", Google: complete (X), asynchronous (b, e), instant (i) and metadata (M) events.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path

from realtime.errors import RecordingError
from realtime.sample import PoseSample

MAX_EVENTS = 400_000
"""About 40 minutes of live tracking; longer runs keep the newest events."""


class Trace:
    """Collects timed events; any thread may add to it.

    All stamps are of `time.perf_counter_ns`.

    Args:
        max_events: Number of events that are kept.
    """

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._events: deque[dict[str, object]] = deque(maxlen=max_events)
        self._tracks: dict[str, int] = {}

    def add_span(self, track: str, name: str, start_ns: int, end_ns: int, **details: object) -> None:
        """Add an event with a duration; spans of one track are nested or apart."""
        event = {"ph": "X", "ts": start_ns / 1e3, "dur": max(0, end_ns - start_ns) / 1e3}
        self._add(track, name, event, details)

    def add_instant(self, track: str, name: str, at_ns: int, **details: object) -> None:
        """Add an event without a duration."""
        self._add(track, name, {"ph": "i", "ts": at_ns / 1e3, "s": "t"}, details)

    def add_flow(self, track: str, name: str, number: int, start_ns: int, end_ns: int) -> None:
        """Add an event with a duration that may overlap others of its name."""
        key = {"cat": name, "id": number}
        self._add(track, name, {"ph": "b", "ts": start_ns / 1e3} | key, {})
        self._add(track, name, {"ph": "e", "ts": max(start_ns, end_ns) / 1e3} | key, {})

    def add_sample(
        self, sample: PoseSample, t_taken_ns: int, t_estimated_ns: int, t_published_ns: int, *, is_live: bool
    ) -> None:
        """Add the stages of one frame in the estimate thread.

        Args:
            sample: Sample of the frame.
            t_taken_ns: Time at which the estimator took the frame.
            t_estimated_ns: Time at which it was estimated.
            t_published_ns: Time at which it was published.
            is_live: Whether the frame's stamp is of the same clock, so that its waiting can be shown.
        """
        number = sample.frame_id
        if is_live:
            self.add_flow("frames", "frame", number, sample.t_capture_ns, t_published_ns)
            self.add_flow("frames", "wait", number, sample.t_capture_ns, t_taken_ns)
        status = str(sample.status)
        self.add_span("estimate", "estimate", t_taken_ns, t_estimated_ns, frame=number, status=status)
        start_ns = t_taken_ns
        for name, duration_ns in sample.stage_ns.items():  # one after the other, in this order
            end_ns = min(start_ns + duration_ns, t_estimated_ns)
            self.add_span("estimate", name, start_ns, end_ns)
            start_ns = end_ns
        self.add_span("estimate", "publish", t_estimated_ns, t_published_ns)

    def save(self, path: Path) -> None:
        """Write all events so far.

        Raises:
            RecordingError: the file cannot be written.
        """
        events = [_naming("process_name", "kinecast", 0)]
        events += [_naming("thread_name", track, number) for track, number in self._tracks.items()]
        events += sorted(self._events, key=lambda event: (event["ts"], -float(str(event.get("dur", 0.0)))))
        try:
            path.write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}))
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be written ({error.strerror})", name="trace", value=path
            ) from error

    def _add(self, track: str, name: str, event: dict[str, object], details: dict[str, object]) -> None:
        number = self._tracks.setdefault(track, len(self._tracks) + 1)
        fields = {"name": name, "pid": os.getpid(), "tid": number, "args": details} | event
        self._events.append({"cat": track} | fields)


def _naming(what: str, name: str, number: int) -> dict[str, object]:
    return {"name": what, "ph": "M", "pid": os.getpid(), "tid": number, "args": {"name": name}}
