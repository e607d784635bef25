"""Threads around an estimator: capture, estimate and publish, output; one clean start, one clean stop."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from realtime.pipeline.capture import Capture
from realtime.pipeline.sinks import Sink
from realtime.pipeline.slot import LatestSlot, SlotClosed, SlotPolicy
from realtime.pipeline.stats import PipelineStats, RunPart, RunStats
from realtime.pipeline.trace import Trace
from realtime.pipeline.workers import WorkerThreads
from realtime.sample import ChoosesPeople, Estimator, Frame, LiveStats, PoseSample, Status
from realtime.sources.source import FrameSource

TICK_S = 0.01
"""Interval at which the main thread serves the window and checks for the end of the run."""
WAKE_S = 0.2
"""Longest sleep of the estimate thread while no frame arrives."""
SILENCE_S = 3.0
"""A live source without a frame for this long is reported."""
START_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 10.0
"""A camera driver may hang."""
OUTPUT_TIMEOUT_S = 120.0
"""A slow disk has much to write at the end."""


class SampleSender(Protocol):
    """What the pipeline needs of a publisher."""

    def send(self, sample: PoseSample) -> int:
        """Publish one sample; returns the time in ns."""

    def tick(self, stats: LiveStats | None = None) -> None:
        """Greet new subscribers and publish the run's statistics; called several times a second."""

    def close(self) -> None:
        """Release the socket."""


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How frames are handed over and when to stop."""

    policy: SlotPolicy = SlotPolicy.LATEST
    """LATEST drops frames that come too fast (live); WAIT drops none (replay)."""
    paced: bool = False
    """Whether a file's frames are held back until their time."""
    max_frames: int | None = None
    max_duration_s: float | None = None
    relearn_at: frozenset[int] = frozenset()
    """Numbers of frames before which the person is learned once more, as in the run that is repeated."""
    chosen_at: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """Numbers of frames and the points at which somebody was chosen there, in the run that is repeated."""
    events_at: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Numbers of frames and the events that were marked at them, in the run that is repeated."""
    output_depth: int = 4
    """Frames that may wait for the output thread; with LATEST, older ones are dropped and counted."""


class Pipeline:
    """Runs an estimator on a source: `run` in one call, or `start`, `stop`, `join`.

    The capture thread reads, the estimate thread steps the estimator and owns the publisher's socket,
    the output thread feeds the sink. Estimates depend on the frames alone: never on the policy, the
    publisher or the sink.
    """

    def __init__(
        self,
        source: FrameSource,
        estimator: Estimator,
        *,
        open_publisher: Callable[[], SampleSender] | None = None,
        sink: Sink | None = None,
        options: PipelineOptions | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Set up; nothing runs yet.

        Args:
            source: Open source; from `start` on it belongs to the pipeline, which also closes it.
            estimator: Estimator that only the estimate thread steps.
            open_publisher: Function called in the estimate thread: a socket belongs to its thread.
            sink: Receiver of frames and samples, used and closed by the output thread.
            options: Policy and limits; None: live, without limits.
            trace: Recorder of the timing of each step.
        """
        options = options or PipelineOptions()
        self._source = source
        self._estimator = estimator
        self._open_publisher = open_publisher
        self._sink = sink
        self._trace = trace
        self._options = options
        self._frames: LatestSlot[Frame] = LatestSlot(options.policy)
        self._outputs: LatestSlot[tuple[Frame, PoseSample]] = LatestSlot(options.policy, options.output_depth)
        self._capture = Capture(
            source,
            self._frames,
            paced=options.paced,
            max_frames=options.max_frames,
            max_duration_s=options.max_duration_s,
        )
        self._stats = RunStats(from_capture=options.policy is SlotPolicy.LATEST)
        self._parts: tuple[RunPart, ...] = ()
        self._threads = WorkerThreads()
        self._ready = threading.Event()
        self._is_relearning = threading.Event()
        self._marked: deque[str] = deque()
        self._chosen: deque[tuple[float, float]] = deque(maxlen=1)
        self._start_ns = 0

    def run(
        self, on_tick: Callable[[], bool] | None = None, on_end: Callable[[], None] = lambda: None
    ) -> PipelineStats:
        """Start, wait for the end, stop.

        Args:
            on_tick: Function called in this thread about every 10 ms; False ends the run.
            on_end: Function called once the run is over, before its files are finished.

        Returns:
            Statistics of the run; `interrupted` is True after Ctrl-C.

        Raises:
            BaseException: the first error of any thread.
        """
        interrupted = False
        try:
            self.start()
            while not self._threads.finished.wait(TICK_S):
                if (on_tick is not None and not on_tick()) or self._is_overdue():
                    break
        except KeyboardInterrupt:
            interrupted = True
        finally:
            on_end()
            self.stop()
            self.join()
        if on_tick is not None:
            on_tick()
        return self.stats(interrupted=interrupted)

    def start(self) -> None:
        """Start the threads; returns once the publisher is bound.

        Raises:
            BaseException: the publisher could not be opened.
        """
        self._start_ns = time.perf_counter_ns()
        if self._sink is not None:
            self._threads.start("output", self._write_outputs, self._abort)
        self._threads.start("estimate", self._estimate, self._abort)
        self._ready.wait(START_TIMEOUT_S)
        if self._threads.error is None:
            self._threads.start("capture", self._run_capture, self._abort)
        else:
            self._source.close()

    def stop(self) -> None:
        """Ask the threads to finish what they have; from any thread."""
        self._capture.stop()
        self._frames.close()

    def join(self, timeout_s: float = JOIN_TIMEOUT_S) -> None:
        """Wait for the threads.

        Raises:
            BaseException: the first error of any of them.
        """
        self._threads.join(timeout_s, {"output": max(timeout_s, OUTPUT_TIMEOUT_S)})
        if self._threads.error is not None:
            raise self._threads.error

    def relearn(self) -> None:
        """Learn the person once more from the next frame on; from any thread."""
        self._is_relearning.set()

    def choose_at(self, x: float, y: float) -> bool:
        """Track whoever is at a point of the next image, from 0 to 1; from any thread.

        Returns:
            Whether the estimator tells people apart; if not, nothing changes.
        """
        if not isinstance(self._estimator, ChoosesPeople):
            return False
        self._chosen.append((x, y))
        return True

    def mark(self, event: str) -> None:
        """Mark an event: the next sample has its name; from any thread."""
        self._marked.append(event)

    @property
    def n_estimated(self) -> int:
        """Frames estimated so far."""
        return self._stats.n_estimated

    @property
    def people(self) -> tuple[Status, ...]:
        """Status of each person in the newest sample; empty before the first."""
        return tuple(self._stats.people)

    def live_stats(self) -> LiveStats:
        """Statistics so far; from any thread."""
        return self._stats.live(self._frames.n_dropped, self._note())

    def stats(self, *, interrupted: bool = False) -> PipelineStats:
        """All statistics so far."""
        return self._stats.summary(
            captured_frames=self._capture.n_frames,
            dropped_frames=self._frames.n_dropped,
            unwritten_frames=self._outputs.n_dropped,
            elapsed_s=(time.perf_counter_ns() - self._start_ns) * 1e-9,
            note=self._source.note,
            interrupted=interrupted,
        )

    def begin_part(self) -> RunPart:
        """Statistics of a part of the run, counted from now on; from any thread."""
        counts = self._capture.n_frames, self._frames.n_dropped, self._outputs.n_dropped
        part = RunPart(RunStats(from_capture=self._options.policy is SlotPolicy.LATEST), counts)
        self._parts = (*self._parts, part)
        return part

    def end_part(self, part: RunPart) -> PipelineStats:
        """Statistics of a part of the run that ends now; from any thread."""
        self._parts = tuple(other for other in self._parts if other is not part)
        captured, dropped, unwritten = (
            now - before
            for now, before in zip(
                (self._capture.n_frames, self._frames.n_dropped, self._outputs.n_dropped),
                part.counts_before,
                strict=True,
            )
        )
        return part.stats.summary(
            captured_frames=captured,
            dropped_frames=dropped,
            unwritten_frames=unwritten,
            elapsed_s=(time.perf_counter_ns() - part.start_ns) * 1e-9,
            note=self._source.note,
            interrupted=False,
        )

    def _run_capture(self) -> None:
        try:
            self._capture.run()
        finally:
            self._source.close()

    def _estimate(self) -> None:
        publisher = None
        try:
            publisher = self._open_publisher() if self._open_publisher is not None else None
            self._ready.set()
            while True:
                frame = self._frames.get(WAKE_S)
                if frame is not None:
                    self._step(frame, publisher)
                if self._stats.is_update_due() and publisher is not None:
                    publisher.tick(self.live_stats())
        except SlotClosed:
            pass
        finally:
            self._outputs.close()
            if publisher is not None:
                publisher.close()
            self._ready.set()

    def _step(self, frame: Frame, publisher: SampleSender | None) -> None:
        t_taken_ns = time.perf_counter_ns()
        if self._is_relearning.is_set() or frame.frame_id in self._options.relearn_at:
            self._is_relearning.clear()
            self._estimator.relearn()
            for stats in self._counting():
                stats.relearned_at.append(frame.frame_id)
        self._choose(frame)
        sample = self._with_events(self._estimator.step(frame))
        t_estimated_ns = time.perf_counter_ns()
        if publisher is not None:
            publisher.send(sample)
        t_published_ns = time.perf_counter_ns()
        for stats in self._counting():
            stats.record(sample, t_taken_ns, t_estimated_ns, t_published_ns)
        if self._trace is not None:
            is_live = self._options.policy is SlotPolicy.LATEST
            self._trace.add_sample(sample, t_taken_ns, t_estimated_ns, t_published_ns, is_live=is_live)
        if self._sink is not None:
            self._outputs.put((frame, sample))

    def _choose(self, frame: Frame) -> None:
        """Choose the person whom the user, or the run that is repeated, chose before this frame."""
        point = self._chosen.popleft() if self._chosen else self._options.chosen_at.get(frame.frame_id)
        if point is None or not isinstance(self._estimator, ChoosesPeople):
            return
        self._estimator.choose_at(*point)
        for stats in self._counting():
            stats.chosen_at.append((frame.frame_id, *point))

    def _counting(self) -> list[RunStats]:
        """Statistics of the run and of its parts."""
        return [self._stats, *(part.stats for part in self._parts)]

    def _with_events(self, sample: PoseSample) -> PoseSample:
        """The sample with the events of its frame and those that were marked since the one before."""
        events = [*self._options.events_at.get(sample.frame_id, ())]
        while self._marked:
            events.append(self._marked.popleft())
        return replace(sample, events=tuple(events)) if events else sample

    def _write_outputs(self) -> None:
        assert self._sink is not None
        try:
            while True:
                output = self._outputs.get()
                if output is not None:
                    start_ns = time.perf_counter_ns()
                    self._sink.write(*output, self.live_stats())
                    end_ns = time.perf_counter_ns()
                    for stats in self._counting():
                        stats.record_output(end_ns - start_ns)
                    if self._trace is not None:
                        self._trace.add_span("output", "output", start_ns, end_ns, frame=output[0].frame_id)
        except SlotClosed:
            pass
        finally:
            self._sink.close()

    def _abort(self) -> None:
        """A thread failed: let the others end without finishing what they have."""
        self._capture.stop()
        self._frames.close(discard=True)
        self._outputs.close()
        self._ready.set()

    def _note(self) -> str:
        silence_s = self._silence_s()
        if not self._source.note and self._stats.others:
            how = "a click, or --person, chooses who is tracked; --people N tracks N"
            n = self._stats.n_in_view
            return f"{f'{n} people' if n > 1 else 'somebody else'} in view; {how}"
        if self._source.note or not self._source.is_live or silence_s < SILENCE_S:
            return self._source.note
        return f"no image from {self._source.description} for {silence_s:.0f} s"

    def _is_overdue(self) -> bool:
        """Live and past the asked duration: a silent camera must not keep the run alive."""
        limit_s = self._options.max_duration_s
        if limit_s is None or self._options.policy is SlotPolicy.WAIT or self._silence_s() < 1.0:
            return False
        return time.perf_counter_ns() - self._start_ns > limit_s * 1e9

    def _silence_s(self) -> float:
        newest_ns = self._capture.last_frame_ns or self._start_ns
        return (time.perf_counter_ns() - newest_ns) * 1e-9
