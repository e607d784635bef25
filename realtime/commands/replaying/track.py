"""Tracks every frame of a source and writes the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands import session
from realtime.commands.ending import Ending, ended_by_signals
from realtime.commands.replaying.checks import require_end, require_other_folder
from realtime.commands.views import views_of, warn_of_disagreement

if TYPE_CHECKING:
    from realtime.options import RunOptions
    from realtime.pipeline.pipeline import Pipeline, PipelineOptions
    from realtime.pipeline.stats import PipelineStats
    from realtime.pipeline.trace import Trace
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Outputs
    from realtime.sample import Estimator
    from realtime.sources.source import FrameSource


@dataclass(frozen=True, slots=True)
class Recorded:
    """What happened in a recorded run, and happens again when its video is tracked again."""

    relearn_at: frozenset[int] = frozenset()
    """Numbers of the frames before which the person is learned once more."""
    events_at: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Numbers of frames and the events that were marked at them."""
    chosen_at: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """Numbers of frames and the points at which somebody was chosen before them."""
    runtime: str = ""
    """What ran the networks."""

    @classmethod
    def of(cls, folder: Path) -> Recorded:
        """What a recording tells.

        Raises:
            RecordingError: the folder holds no recording, or its files cannot be read.
        """
        from realtime.recording.events import recorded_events
        from realtime.recording.recorder import read_session
        from realtime.recording.source import chosen_points, relearned_frames

        return cls(
            relearned_frames(folder),
            recorded_events(folder),
            chosen_points(folder),
            read_session(folder).runtime,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What one run needs, open and ready."""

    options: RunOptions
    out: Path
    estimator: Estimator
    outputs: Outputs
    pipeline: Pipeline
    ranges: JointRanges


def track(
    options: RunOptions,
    source: FrameSource,
    *,
    realtime: bool,
    replace: bool,
    recorded: Recorded | None = None,
) -> int:
    """Track every frame, write the files, print the ranges.

    Args:
        options: Options of the run, with the folder of the files.
        source: Source of the frames, not yet open.
        realtime: Whether frames come at their own times.
        replace: Whether output of an earlier replay in the folder may be replaced.
        recorded: What happened in the recording that is tracked again.

    Raises:
        RecordingError: the folder cannot be written, or holds the source.
        RecordingStopped: recording ended before the run, such as on a full disk.
        SourceError: the source cannot be opened, or never ends.
    """
    out = options.out
    assert out is not None
    require_other_folder(options.source, out)
    require_end(source, has_limit=options.max_frames is not None or options.max_duration_s is not None)
    trace = session.trace_to(options.trace_path)
    recorded = recorded or Recorded()
    pace = _pace(options, realtime, recorded)
    run = _prepared(options, source, out, pace, trace, replace=replace, runtime=recorded.runtime)
    with ended_by_signals(out) as ending:
        stats = _tracked(run, options.max_frames or source.n_frames or None, ending)
        ranges, further = _reported(run, source, stats)
    session.print_outcome(ranges, stats, out)
    session.print_people(further)
    warn_of_disagreement(run.estimator)
    session.save_trace(options.trace_path, trace)
    return 1 if stats.interrupted else 0


def _prepared(
    options: RunOptions,
    source: FrameSource,
    out: Path,
    pace: PipelineOptions,
    trace: Trace | None,
    *,
    replace: bool,
    runtime: str,
) -> _Run:
    """Open the source, the estimator and the files."""
    from realtime.export.smoothing import check_can_smooth
    from realtime.pipeline.pipeline import Pipeline
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Outputs

    with session.opened(source):
        if options.smooth_hz is not None:
            check_can_smooth(options.smooth_hz, source.fps)
        estimator = session.build_estimator(options, source)
        session.warn_of_other_runtime(runtime, estimator)
        ranges = JointRanges(estimator.skeleton)
        recorder = session.open_recorder("replay", options, source, estimator, replace=replace)
        overlay = session.build_overlay(options.drawing, estimator)
        outputs = Outputs(ranges, recorder=recorder, recorded=overlay)
        publish = session.publisher_factory(options.publish, source, estimator)
        pipeline = Pipeline(
            source, estimator, open_publisher=publish, sink=outputs, options=pace, trace=trace
        )
    return _Run(options, out, estimator, outputs, pipeline, ranges)


def _pace(options: RunOptions, realtime: bool, recorded: Recorded) -> PipelineOptions:
    from realtime.pipeline.pipeline import PipelineOptions
    from realtime.pipeline.slot import SlotPolicy

    return PipelineOptions(
        policy=SlotPolicy.WAIT,
        paced=realtime,
        max_frames=options.max_frames,
        max_duration_s=options.max_duration_s,
        relearn_at=recorded.relearn_at,
        events_at=recorded.events_at,
        chosen_at=recorded.chosen_at,
    )


def _tracked(run: _Run, n_frames: int | None, ending: Ending) -> PipelineStats:
    """Track all frames; a recording that ended before them ends the run, too."""
    from realtime.errors import RecordingError

    try:
        return run_with_progress(run.pipeline, n_frames, ending)
    except RecordingError as error:
        if not run.outputs.failure:
            raise
        raise session.stopped(run.outputs, run.pipeline.n_estimated, run.out) from error


def _reported(
    run: _Run, source: FrameSource, stats: PipelineStats
) -> tuple[JointRanges, dict[Path, JointRanges]]:
    """Smooth the files if asked, and write the reports.

    Returns:
        Ranges of the person, and of further people by the folders of their recordings.
    """
    from realtime.recording.parts_recorder import write_people_reports
    from realtime.recording.summary import write_report

    options, ranges = run.options, run.ranges
    if options.smooth_hz is not None and run.outputs.n_recorded:
        ranges = _smoothed(run.out, options.smooth_hz, run.estimator)
    about = _about(options) | session.describe(source, run.estimator)
    described = about | views_of(run.outputs, run.estimator) | stats.as_dict()
    write_report(run.out, described | {"joint_ranges": ranges.as_dict()})
    return ranges, write_people_reports(run.out, about, session.each_person(run.estimator))


def _smoothed(out: Path, smooth_hz: float, estimator: Estimator) -> JointRanges:
    """Smooth the files, of further people too; the ranges of what is in the first one's then."""
    from realtime.export.smoothing import smooth_recording
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.parts import parts_of

    for folder in parts_of(out):
        smooth_recording(folder, smooth_hz, JointRanges(estimator.skeleton))
    ranges = JointRanges(estimator.skeleton)
    smooth_recording(out, smooth_hz, ranges)
    return ranges


def _about(options: RunOptions) -> dict[str, object]:
    """Command and options, for the report."""
    from realtime.export.smoothing import smoothing_text

    smoothed = "" if options.smooth_hz is None else smoothing_text(options.smooth_hz)
    return {"command": "replay", "heading": options.estimator.heading, "smoothed": smoothed}


def run_with_progress(pipeline: Pipeline, n_frames: int | None, ending: Ending) -> PipelineStats:
    """Run with a bar on the console."""
    from tqdm import tqdm

    with tqdm(total=n_frames, desc="replay", unit="frame", disable=None, leave=False) as progress:

        def tick() -> bool:
            progress.update(pipeline.n_estimated - progress.n)
            return True

        return pipeline.run(tick, ending.finish)
