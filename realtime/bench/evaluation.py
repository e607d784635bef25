"""Track the video of a trial with the causal pipeline and score it against the reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from calib.skeleton import Skeleton
from realtime.bench.accuracy import LAG_RANGE_S, Comparison, Trajectory, compare, jitter_deg
from realtime.bench.reference import MIN_FRAMES, Reference, check_times, read_reference, refuse_few_frames
from realtime.bench.scores import (
    ErrorScores,
    ExtremeScores,
    PublishedPelvis,
    StandingScores,
    error_scores,
    extreme_scores,
    known_after_s,
    published_pelvis,
    standing_scores,
)
from realtime.bench.trials_file import Trial
from realtime.errors import RealtimeError
from realtime.sample import Estimator, PoseSample, Status
from realtime.sources.parse import parse_source
from realtime.sources.source import FrameSource
from realtime.views.source import ViewsSource

OpenEstimator = Callable[[Trial, FrameSource], Estimator]
"""Gives the estimator for an opened video."""


@dataclass(frozen=True, slots=True)
class Matching:
    """How estimate and reference are brought together."""

    lag_range_s: float = LAG_RANGE_S
    """Largest lag that is tried on either side of the offset."""
    min_frames: int = MIN_FRAMES
    """Fewer compared frames are refused."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """Everything that an estimator said of a video."""

    name: str
    """Of the estimator."""
    skeleton: Skeleton
    samples: list[PoseSample]
    durations_ns: list[int]
    """How long each step took."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of one trial."""

    trial: Trial
    estimator: str
    frames: int
    lost_frames: int
    compared_frames: int
    offset_s: float
    lag_s: float
    errors: ErrorScores
    standing: StandingScores | None
    extremes: ExtremeScores
    published_pelvis: PublishedPelvis | None
    known_after_s: float | None
    """Seconds until the person is known; None if that never happens."""
    fps: float
    latency_ms: dict[str, float]
    jitter_deg: float
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON; scripts rely on the names."""
        values = asdict(self)
        trial, errors = values.pop("trial"), values.pop("errors")
        return {"name": trial["name"], "person": trial["person"], **values, **errors, "skip": trial["skip"]}


def open_reference(trial: Trial, skeleton: Skeleton, matching: Matching) -> Reference:
    """Read a trial's reference and check everything that can be checked before the video is tracked.

    Args:
        trial: The video, and what is known about it.
        skeleton: Skeleton of the estimator.
        matching: Options for matching the two in time.

    Raises:
        StorageError: the reference cannot be read.
        RealtimeError: its columns or times do not fit, or the video cannot be opened.
    """
    reference = read_reference(trial.reference, rotation_names(skeleton))
    trial.skipped(sorted({*skeleton.coordinate_names, *reference.other_names}))
    source = source_of_trial(trial)
    if source.is_live or source.n_frames is None:
        raise RealtimeError(f"{trial.video}: not a recorded video; accepted: a video or a folder of images")
    source.open()
    try:
        offset_s = reference.offset_s(trial.offset_s)
        check_times(reference, source, offset_s, matching.lag_range_s, matching.min_frames)
    finally:
        source.close()
    return reference


def source_of_trial(trial: Trial) -> FrameSource:
    """The video of a trial, or those of several views as one source.

    Raises:
        SourceError: there is no such video, or the videos make no set of views.
    """
    if isinstance(trial.video, str):
        return parse_source(trial.video, capture_fps=trial.capture_rate_hz)
    views = [parse_source(video, capture_fps=trial.capture_rate_hz) for video in trial.video]
    return ViewsSource(views, trial.offsets_s)


def rotation_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of a skeleton's rotational coordinates."""
    return tuple(skeleton.coordinate_names[k] for k in np.flatnonzero(skeleton.is_rotational))


def evaluate_trial(
    trial: Trial, reference: Reference, open_estimator: OpenEstimator, matching: Matching
) -> Evaluation:
    """Track a trial's video and score it.

    Args:
        trial: The video, and what is known about it.
        reference: The trial's reference, from `open_reference`.
        open_estimator: Gives the estimator for the opened video.
        matching: Options for matching the two in time.

    Raises:
        RealtimeError: the video cannot be read, or too few frames can be compared.
    """
    source = source_of_trial(trial)
    source.open()
    try:
        tracked = track(source, open_estimator(trial, source))
    finally:
        source.close()
    return score(trial, tracked, reference, matching)


def track(source: FrameSource, estimator: Estimator) -> Tracked:
    """Step through every frame of an opened source.

    Raises:
        RealtimeError: there is no frame.
    """
    samples, durations_ns = [], []
    with tqdm(desc=estimator.name, unit="frame", leave=False, disable=None) as progress:
        while (frame := source.read()) is not None:
            start_ns = time.perf_counter_ns()
            samples.append(estimator.step(frame))
            durations_ns.append(time.perf_counter_ns() - start_ns)
            progress.update()
    if not samples:
        raise RealtimeError(f"{source.description}: no frame could be read")
    return Tracked(estimator.name, estimator.skeleton, samples, durations_ns)


def estimated_trajectory(tracked: Tracked) -> Trajectory:
    """The rotational coordinates of tracked frames; NaN in lost ones. Time starts at the first frame."""
    rotational = np.flatnonzero(tracked.skeleton.is_rotational)
    stamps_ns = np.array([s.t_capture_ns for s in tracked.samples])
    angles_deg = np.degrees(np.array([s.q[rotational] for s in tracked.samples]))
    lost = np.array([s.status is Status.LOST for s in tracked.samples])
    angles_deg[lost] = np.nan
    return Trajectory(rotation_names(tracked.skeleton), (stamps_ns - stamps_ns[0]) * 1e-9, angles_deg)


def score(trial: Trial, tracked: Tracked, reference: Reference, matching: Matching) -> Evaluation:
    """Score tracked frames against a reference.

    Raises:
        RealtimeError: too few frames can be compared.
    """
    trajectory, offset_s = estimated_trajectory(tracked), reference.offset_s(trial.offset_s)
    skip = trial.skipped(sorted({*trajectory.names, *reference.other_names}))
    comparison = compare(
        trajectory, reference.trajectory, offset_s=offset_s, lag_range_s=matching.lag_range_s, skip=skip
    )
    refuse_few_frames(trial.name, comparison.n_frames, matching.min_frames)
    percentiles = np.percentile(np.array(tracked.durations_ns) * 1e-6, (50, 95, 99))
    return Evaluation(
        trial=trial,
        estimator=tracked.name,
        frames=len(tracked.samples),
        lost_frames=sum(s.status is Status.LOST for s in tracked.samples),
        compared_frames=comparison.n_frames,
        offset_s=offset_s,
        lag_s=comparison.lag_s,
        errors=error_scores(comparison.differences_deg),
        standing=standing_scores(comparison, trial.standing_s),
        extremes=extreme_scores(comparison),
        published_pelvis=published_pelvis(comparison, skip),
        known_after_s=known_after_s(tracked.samples),
        fps=len(tracked.durations_ns) / (sum(tracked.durations_ns) * 1e-9),
        latency_ms=dict(zip(("p50", "p95", "p99"), map(float, percentiles), strict=True)),
        jitter_deg=jitter_deg(trajectory),
        warnings=reference.warnings + _warnings(trial, comparison, offset_s, matching),
    )


def _warnings(trial: Trial, comparison: Comparison, offset_s: float, matching: Matching) -> tuple[str, ...]:
    """What a reader of the figures must know."""
    found = []
    if trial.offset_s == "auto":
        found.append(f"the reference starts at {offset_s:.3f} s; that is taken for the video's first frame")
    if comparison.at_edge:
        found.append(
            f"the best lag, {comparison.lag_s * 1e3:+.0f} ms, is at the edge of those tried: times may not "
            f"match; give --offset, or a wider --lag-range than {matching.lag_range_s:g}"
        )
    return tuple(found)
