"""Statistics of a run of the pipeline: rates, latencies, stages and losses, also over time."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from realtime.pipeline.durations import DurationTracker, Percentiles, RateMeter
from realtime.sample import LiveStats, PoseSample, Status

UPDATE_NS = 250_000_000
"""Interval at which the live figures are computed."""
RECENT_SAMPLES = 60
MOST_STEPS = 512
"""Rows of a run's history."""
FIRST_STEP_NS = 1_000_000_000
STAGES = ("wait", "estimate", "publish", "view", "output")
"""In the order that a frame passes them; the estimator's own stages follow `estimate`. `view.K` is no stage,
but the latency of the images of view K, from when they were taken to publication."""


@dataclass(frozen=True, slots=True)
class PipelineStats:
    """Statistics of a finished run."""

    captured_frames: int
    frames: int
    """Frames estimated."""
    lost_frames: int
    """Estimated frames without a person."""
    unsure_frames: int
    """Estimated frames whose skeleton does not fit the image."""
    dropped_frames: int
    """Captured frames that were never estimated."""
    unwritten_frames: int
    """Estimated frames that the output thread had no time for."""
    fps: float
    """Samples a second from the first to the last; NaN below two."""
    elapsed_s: float
    latency: Percentiles
    latency_from: str
    """`capture`: from the frame's stamp to its publication. `hand-over`: from when the estimator took it."""
    stages: dict[str, Percentiles]
    history: dict[str, object]
    """Latency and losses over time; see `RunHistory`."""
    note: str
    interrupted: bool
    relearned_at: tuple[int, ...] = ()
    """Numbers of the frames before which the user had the person learned once more."""
    shared_frames: int = 0
    """Estimated frames with somebody else in view."""
    chosen_at: tuple[tuple[int, float, float], ...] = ()
    """Numbers of the frames before which the user chose somebody, and the points at which they were."""

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {
            "frames": self.frames,
            "captured_frames": self.captured_frames,
            "lost_frames": self.lost_frames,
            "unsure_frames": self.unsure_frames,
            "frames_with_others": self.shared_frames,
            "dropped_frames": self.dropped_frames,
            "unwritten_frames": self.unwritten_frames,
            "fps": round(self.fps, 2) if math.isfinite(self.fps) else None,
            "elapsed_s": round(self.elapsed_s, 3),
            "latency_ms": self.latency.as_dict(),
            "latency_from": self.latency_from,
            "stages_ms": {name: stage.as_dict() for name, stage in self.stages.items()},
            "history": self.history,
            "note": self.note,
            "interrupted": self.interrupted,
            "relearned_at_frames": list(self.relearned_at),
            "chosen_at_frames": [list(choice) for choice in self.chosen_at],
        }


class RunHistory:
    """Latency and losses over a run, in a table of constant size.

    Samples are counted in steps of equal length; when the table is full, steps are joined in pairs.
    """

    def __init__(self) -> None:
        self._step_ns = FIRST_STEP_NS
        self._start_ns: int | None = None
        self._next_frame_id = 0
        self._used = 0
        self._frames, self._lost, self._dropped, self._sum_ns, self._max_ns = np.zeros(
            (5, MOST_STEPS), dtype=np.int64
        )

    def record(self, t_ns: int, latency_ns: int, frame_id: int, *, is_lost: bool) -> None:
        """Count one sample.

        Args:
            t_ns: Time of publication, not before that of the last sample.
            latency_ns: Latency of the sample.
            frame_id: Number of the frame; a gap means dropped frames.
            is_lost: Whether nobody was found in the frame.
        """
        if self._start_ns is None:
            self._start_ns, self._next_frame_id = t_ns, frame_id
        k = max(0, t_ns - self._start_ns) // self._step_ns
        while k >= MOST_STEPS:
            self._join_pairs()
            k = (t_ns - self._start_ns) // self._step_ns
        self._used = max(self._used, k + 1)
        self._frames[k] += 1
        self._lost[k] += is_lost
        self._dropped[k] += max(0, frame_id - self._next_frame_id)
        self._sum_ns[k] += latency_ns
        self._max_ns[k] = max(self._max_ns[k], latency_ns)
        self._next_frame_id = frame_id + 1

    def as_dict(self) -> dict[str, object]:
        """Columns, one entry a step, ready for JSON; latencies are None where a step has no frame."""
        used = slice(0, self._used)
        frames = self._frames[used]
        mean_ms = 1e-6 * self._sum_ns[used] / np.maximum(frames, 1)
        latencies = {"latency_mean_ms": mean_ms, "latency_max_ms": 1e-6 * self._max_ns[used]}
        columns: dict[str, object] = {
            name: [round(float(ms), 3) if n else None for ms, n in zip(values, frames, strict=True)]
            for name, values in latencies.items()
        }
        return {
            "step_s": self._step_ns * 1e-9,
            "frames": frames.tolist(),
            "lost": self._lost[used].tolist(),
            "dropped": self._dropped[used].tolist(),
            **columns,
        }

    def _join_pairs(self) -> None:
        half = MOST_STEPS // 2
        for counts in (self._frames, self._lost, self._dropped, self._sum_ns):
            counts[:half] = counts[0::2] + counts[1::2]
            counts[half:] = 0
        self._max_ns[:half] = np.maximum(self._max_ns[0::2], self._max_ns[1::2])
        self._max_ns[half:] = 0
        self._step_ns *= 2
        self._used = (self._used + 1) // 2


class RunStats:
    """Collects the numbers; the estimate thread records, the others read."""

    def __init__(self, *, from_capture: bool) -> None:
        """Set up.

        Args:
            from_capture: Whether latency counts from the frame's stamp. A frame that was read ahead of its
                time has no such latency; it counts from when the estimator took the frame.
        """
        self.n_estimated = 0
        self.relearned_at: list[int] = []
        self.chosen_at: list[tuple[int, float, float]] = []
        self._from_capture = from_capture
        self._n_lost = self._n_unsure = self._n_shared = 0
        self.others = 0
        """Number of people in view besides the tracked ones, in the newest sample."""
        self.people: list[Status] = []
        """Status of each person who may be tracked at once, in the newest sample."""
        self._rate = RateMeter(RECENT_SAMPLES)
        self._latency = DurationTracker()
        self._recent_ns: deque[int] = deque(maxlen=RECENT_SAMPLES)
        self._stages: dict[str, DurationTracker] = {}
        self._output = DurationTracker()
        self._history = RunHistory()
        self._updated_ns = 0
        self._fps: float | None = None
        self._latency_ms: float | None = None

    @property
    def n_in_view(self) -> int:
        """Number of people in view, the tracked ones included, in the newest sample."""
        return self.others + sum(status is not Status.LOST for status in self.people)

    def record(self, sample: PoseSample, t_taken_ns: int, t_estimated_ns: int, t_published_ns: int) -> None:
        """Count one sample."""
        is_lost = sample.status is Status.LOST
        self.n_estimated += 1
        self._n_lost += is_lost
        self._n_unsure += sample.status is Status.UNSURE
        self._n_shared += sample.others > 0
        self.others, self.people = sample.others, [one.status for one in sample.people]
        latency_ns = t_published_ns - (sample.t_capture_ns if self._from_capture else t_taken_ns)
        self._latency.record(latency_ns)
        self._history.record(t_published_ns, latency_ns, sample.frame_id, is_lost=is_lost)
        self._recent_ns.append(latency_ns)
        self._rate.tick(t_published_ns)
        if self._from_capture:
            self._stage("wait", t_taken_ns - sample.t_capture_ns)
        self._stage("estimate", t_estimated_ns - t_taken_ns)
        for name, duration_ns in sample.stage_ns.items():
            self._stage(f"estimate.{name}", duration_ns)
        self._stage("publish", t_published_ns - t_estimated_ns)
        for view, t_ns in enumerate(sample.view_t_ns):
            if t_ns is not None:
                self._stage(f"view.{view}", t_published_ns - t_ns)

    def record_output(self, duration_ns: int) -> None:
        """Count the sink's time for one frame; called by the output thread."""
        self._output.record(duration_ns)

    def is_update_due(self) -> bool:
        """True every quarter of a second, after working out the live figures; for the estimate thread."""
        now_ns = time.perf_counter_ns()
        if now_ns - self._updated_ns < UPDATE_NS:
            return False
        self._updated_ns = now_ns
        rate_hz = self._rate.recent_hz
        self._fps = rate_hz if math.isfinite(rate_hz) else None
        self._latency_ms = statistics.median(self._recent_ns) * 1e-6 if self._recent_ns else None
        return True

    def live(self, dropped_frames: int, note: str) -> LiveStats:
        """The newest figures."""
        return LiveStats(self._fps, self._latency_ms, dropped_frames, self._n_lost, note)

    def summary(
        self,
        *,
        captured_frames: int,
        dropped_frames: int,
        unwritten_frames: int,
        elapsed_s: float,
        note: str,
        interrupted: bool,
    ) -> PipelineStats:
        """All figures of the run."""
        in_order = sorted(self._stages, key=lambda name: STAGES.index(name.partition(".")[0]))
        stages = {name: self._stages[name].percentiles() for name in in_order}
        output = self._output.percentiles()
        if output.count:
            stages["output"] = output
        return PipelineStats(
            captured_frames=captured_frames,
            frames=self.n_estimated,
            lost_frames=self._n_lost,
            unsure_frames=self._n_unsure,
            dropped_frames=dropped_frames,
            unwritten_frames=unwritten_frames,
            fps=self._rate.mean_hz,
            elapsed_s=elapsed_s,
            latency=self._latency.percentiles(),
            latency_from="capture" if self._from_capture else "hand-over",
            stages=stages,
            history=self._history.as_dict(),
            note=note,
            interrupted=interrupted,
            relearned_at=tuple(self.relearned_at),
            chosen_at=tuple(self.chosen_at),
            shared_frames=self._n_shared,
        )

    def _stage(self, name: str, duration_ns: int) -> None:
        tracker = self._stages.get(name)
        if tracker is None:
            tracker = self._stages[name] = DurationTracker()
        tracker.record(duration_ns)


@dataclass(frozen=True, slots=True)
class RunPart:
    """A part of a run whose statistics are counted for themselves."""

    stats: RunStats
    counts_before: tuple[int, int, int]
    """Frames that had been captured, dropped and not written when it began."""
    start_ns: int = field(default_factory=time.perf_counter_ns)
