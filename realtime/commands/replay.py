"""`kinecast replay`: track the person in a video and write files, or send a recording again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.api.sources import source_of
from realtime.commands import session
from realtime.commands.arguments import positive_float
from realtime.commands.ending import Ending, ended_by_signals
from realtime.commands.options import with_recorded_options
from realtime.commands.views import (
    add_sync_option,
    add_views_options,
    each_kept,
    source_of_views,
    synchronised,
    views_of,
    views_options,
    warn_of_disagreement,
)
from realtime.source_names import public_source

if TYPE_CHECKING:
    from realtime.options import RunOptions
    from realtime.pipeline.pipeline import Pipeline, PipelineOptions
    from realtime.pipeline.stats import PipelineStats
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Outputs
    from realtime.sample import Estimator
    from realtime.sources.source import FrameSource

HELP = "track the person in a video, or publish a recording again"
DESCRIPTION = """
If SOURCE is a video or a folder of images: tracks the person in every frame and writes files to --out.
If SOURCE is a recording (the --out folder of another command): with --publish, sends its samples again, as
fast as subscribers take them, or with --realtime at their own times; with --retrack, tracks the person in its
video again, with the options it was recorded with unless others are given, and writes files to --out; with
--smooth, writes a smoothed copy to --out.
With --cameras, several SOURCEs are videos of one person at the same time, from cameras whose positions are
known: frames are brought together by their times, and give one estimate.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="video, folder of images, recording, or a clip of kinecast assets; several with --cameras",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder")
    parser.add_argument("--realtime", action="store_true", help="run at the recording's own speed")
    parser.add_argument(
        "--retrack",
        action="store_true",
        help="track again in the video of a recording made with --record-video",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the output of an earlier replay in DIR; recordings of live and record always stay",
    )
    parser.add_argument(
        "--smooth",
        action="store_true",
        help="smooth the finished recording without lag, by a filter that knows what comes later "
        "(Butterworth, order 4, forwards and backwards); the stream and the overlay stay as tracked",
    )
    parser.add_argument(
        "--cutoff",
        type=positive_float,
        metavar="HZ",
        help="with --smooth: remove movements above HZ; default: 6",
    )
    add_views_options(parser)
    add_sync_option(parser)
    session.add_publish_options(parser)
    session.add_session_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track, or publish again."""
    from realtime.errors import RecordingError, SourceError
    from realtime.recording.events import recorded_events
    from realtime.recording.recorder import read_session
    from realtime.recording.source import RecordedVideo, chosen_points, is_recording, relearned_frames

    views = None if args.retrack and len(args.source) == 1 else views_options(args)
    args.source = args.source[0]
    options = replace(session.run_options(args), views=views, smooth_hz=smooth_hz(args))
    if args.sync is not None and views is None:
        raise SourceError("--sync needs several videos, and --cameras", name="sync")
    if views is not None:
        options = synchronised(options) if args.sync is not None and not args.retrack else options
        return track_views(options, realtime=args.realtime, replace=args.replace, retrack=args.retrack)
    folder = Path(options.source)
    if is_recording(folder):
        refuse_rates(options)
    if is_recording(folder) and not args.retrack and options.smooth_hz is not None:
        return smooth_copy(options, replace=args.replace)
    if is_recording(folder) and not args.retrack:
        return republish(options, realtime=args.realtime)
    if args.retrack and not is_recording(folder):
        raise SourceError(
            f"{public_source(args.source)} is not a recording; leave out --retrack to track a video",
            name="source",
            value=public_source(args.source),
        )
    if args.out is None:
        raise RecordingError("missing the output folder: add --out DIR", name="out")
    if not args.retrack:
        return track(options, source_of(options), realtime=args.realtime, replace=args.replace)
    options = with_recorded_options(options, args.words, folder)
    if args.views:
        options = replace(options, views=each_kept(options.views))
    return track(
        options,
        RecordedVideo(folder),
        realtime=args.realtime,
        replace=args.replace,
        relearn_at=relearned_frames(folder),
        events_at=recorded_events(folder),
        chosen_at=chosen_points(folder),
        recorded_on=read_session(folder).runtime,
    )


def track_options(options: RunOptions) -> int:
    """Track the video, or the views, that the options name, into the folder that they name.

    Raises:
        RealtimeError: as for `track`.
    """
    source = source_of(options) if options.views is None else source_of_views(options)
    return track(options, source, realtime=False, replace=False)


def smooth_hz(args: argparse.Namespace) -> float | None:
    """The cutoff that the options ask for; None to leave the recording as tracked.

    Raises:
        RecordingError: a cutoff without `--smooth`.
    """
    from realtime.errors import RecordingError
    from realtime.export.smoothing import DEFAULT_CUTOFF_HZ

    if args.cutoff is not None and not args.smooth:
        raise RecordingError("--cutoff belongs to a smoothed recording: add --smooth", name="cutoff")
    return (args.cutoff or DEFAULT_CUTOFF_HZ) if args.smooth else None


def smooth_copy(options: RunOptions, *, replace: bool) -> int:
    """Write a smoothed copy of a recording.

    Raises:
        RecordingError: the output folder is missing, or may not be written.
    """
    from realtime.errors import RecordingError
    from realtime.export.smoothing import write_smoothed

    assert options.smooth_hz is not None
    if options.out is None:
        raise RecordingError("missing the folder of the smoothed copy: add --out DIR", name="out")
    require_other_folder(options.source, options.out)
    n = write_smoothed(Path(options.source), options.out, options.smooth_hz, replace=replace)
    print(f"{n} samples, smoothed at {options.smooth_hz:g} Hz, written to {options.out}")
    return 0


def track_views(options: RunOptions, *, realtime: bool, replace: bool, retrack: bool) -> int:
    """Track one person in several videos.

    Raises:
        RecordingError: the output folder is missing, or a source is a recording or would be replaced.
    """
    from realtime.errors import RecordingError
    from realtime.recording.source import is_recording

    assert options.views is not None
    recordings = [source for source in options.views.sources if is_recording(Path(source))]
    if recordings or retrack:
        raise RecordingError(
            "recordings cannot be tracked together; with --cameras, give videos", name="source"
        )
    if options.out is None:
        raise RecordingError("missing the output folder: add --out DIR", name="out")
    for source in options.views.sources:
        require_other_folder(source, options.out)
    return track(options, source_of_views(options), realtime=realtime, replace=replace)


def refuse_rates(options: RunOptions) -> None:
    """Refuse a rate for a recording, which holds the time of every frame.

    Raises:
        SourceError: a rate is given.
    """
    from realtime.errors import SourceError

    for name, value in (("--rate", options.rate_hz), ("--capture-rate", options.capture_rate_hz)):
        if value is not None:
            raise SourceError(
                f"{options.source} is a recording, whose frames keep their times; leave out {name}, or track "
                f"the video it was made of: kinecast replay VIDEO {name} {value:g} --out DIR",
                name=name,
                value=value,
            )


def republish(options: RunOptions, *, realtime: bool) -> int:
    """Publish the samples of a recording.

    Args:
        options: Options of the run; the source is the folder of the recording.
        realtime: Whether samples are sent at their own times.

    Raises:
        RecordingError: no address is given, or files are asked for.
    """
    from tqdm import tqdm

    from realtime.errors import RecordingError
    from realtime.recording.republish import Republisher

    folder, publish = Path(options.source), options.publish
    if publish.address is None or options.out is not None:
        raise RecordingError(
            f"{folder} is a recording: add --publish ADDR to send it again, --retrack --out DIR to track "
            "its video again, or --smooth --out DIR for a smoothed copy"
        )
    keys, n_sent = session.server_keys(publish), 0
    with (
        ended_by_signals(),
        Republisher(
            folder, publish.address, realtime=realtime, encoding=publish.encoding, keys=keys
        ) as republisher,
    ):
        session.announce(republisher.address, keys)
        try:
            print("waiting for a subscriber", flush=True)
            republisher.wait()
            total = min(republisher.n_samples, options.max_frames or republisher.n_samples)
            with tqdm(total=total, desc="publish", unit="sample", disable=None, leave=False) as progress:
                n_sent = republisher.run(progress.update, n_most=options.max_frames)
        except KeyboardInterrupt:
            return 1
    print(f"{n_sent} samples published")
    return 0


def track(
    options: RunOptions,
    source: FrameSource,
    *,
    realtime: bool,
    replace: bool,
    relearn_at: frozenset[int] = frozenset(),
    events_at: Mapping[int, tuple[str, ...]] | None = None,
    chosen_at: Mapping[int, tuple[float, float]] | None = None,
    recorded_on: str = "",
) -> int:
    """Track every frame, write the files, print the ranges.

    Args:
        options: Options of the run, with the folder of the files.
        source: Source of the frames, not yet open.
        realtime: Whether frames come at their own times.
        replace: Whether output of an earlier replay in the folder may be replaced.
        relearn_at: Numbers of the frames before which the person is learned once more.
        events_at: Numbers of frames and the events that were marked at them.
        chosen_at: Numbers of frames and the points at which somebody was chosen before them.
        recorded_on: What ran the networks of a recording that is tracked again.

    Raises:
        RecordingError: the folder cannot be written, or holds the source.
        RecordingStopped: recording ended before the run, such as on a full disk.
        SourceError: the source cannot be opened, or never ends.
    """
    from realtime.export.smoothing import check_can_smooth
    from realtime.pipeline.pipeline import Pipeline
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Outputs
    from realtime.recording.parts_recorder import write_people_reports
    from realtime.recording.summary import write_report

    out = options.out
    assert out is not None
    require_other_folder(options.source, out)
    require_end(source, has_limit=options.max_frames is not None or options.max_duration_s is not None)
    trace = session.trace_to(options.trace_path)
    pace = _pace(options, realtime, relearn_at, events_at or {}, chosen_at or {})
    with session.opened(source):
        if options.smooth_hz is not None:
            check_can_smooth(options.smooth_hz, source.fps)
        estimator = session.build_estimator(options, source)
        session.warn_of_other_runtime(recorded_on, estimator)
        ranges = JointRanges(estimator.skeleton)
        recorder = session.open_recorder("replay", options, source, estimator, replace=replace)
        overlay = session.build_overlay(options.drawing, estimator)
        outputs = Outputs(ranges, recorder=recorder, recorded=overlay)
        publish = session.publisher_factory(options.publish, source, estimator)
        pipeline = Pipeline(
            source, estimator, open_publisher=publish, sink=outputs, options=pace, trace=trace
        )
    with ended_by_signals(out) as ending:
        stats = _run(pipeline, outputs, options.max_frames or source.n_frames or None, ending, out)
        if options.smooth_hz is not None and outputs.n_recorded:
            ranges = _smoothed(out, options.smooth_hz, estimator)
        about = _about(options) | session.describe(source, estimator)
        described = about | views_of(outputs, estimator) | stats.as_dict()
        write_report(out, described | {"joint_ranges": ranges.as_dict()})
        further = write_people_reports(out, about, session.each_person(estimator))
    session.print_outcome(ranges, stats, out)
    session.print_people(further)
    warn_of_disagreement(estimator)
    session.save_trace(options.trace_path, trace)
    return 1 if stats.interrupted else 0


def _pace(
    options: RunOptions,
    realtime: bool,
    relearn_at: frozenset[int],
    events_at: Mapping[int, tuple[str, ...]],
    chosen_at: Mapping[int, tuple[float, float]],
) -> PipelineOptions:
    from realtime.pipeline.pipeline import PipelineOptions
    from realtime.pipeline.slot import SlotPolicy

    return PipelineOptions(
        policy=SlotPolicy.WAIT,
        paced=realtime,
        max_frames=options.max_frames,
        max_duration_s=options.max_duration_s,
        relearn_at=relearn_at,
        events_at=events_at,
        chosen_at=chosen_at,
    )


def _run(
    pipeline: Pipeline, outputs: Outputs, n_frames: int | None, ending: Ending, out: Path
) -> PipelineStats:
    """Track all frames; a recording that ended before them ends the run, too."""
    from realtime.errors import RecordingError

    try:
        return run_with_progress(pipeline, n_frames, ending)
    except RecordingError as error:
        if not outputs.failure:
            raise
        raise session.stopped(outputs, pipeline.n_estimated, out) from error


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


def require_other_folder(source: str, out: Path) -> None:
    """Refuse to replace what is read.

    Raises:
        RecordingError: the output folder holds the source.
    """
    from realtime.errors import RecordingError
    from realtime.recording.folder import FILE_NAMES

    path = Path(source)
    is_same = path.is_dir() and path.resolve() == out.resolve()
    if is_same or path.resolve() in [(out / name).resolve() for name in FILE_NAMES]:
        raise RecordingError(
            f"{source} would be replaced; choose another folder than {out}", name="out", value=out
        )


def require_end(source: FrameSource, *, has_limit: bool) -> None:
    """Refuse a source that never ends.

    Raises:
        SourceError: the source is live or endless; the message names the command or option to use.
    """
    from realtime.errors import SourceError

    if source.is_live:
        raise SourceError(
            f"{source.description} is live; record it with: kinecast live --source ... --out DIR",
            name="source",
            value=source.description,
        )
    if source.n_frames is None and not has_limit:
        raise SourceError(f"{source.description} has no end; add --frames N or --duration S", name="frames")


def run_with_progress(pipeline: Pipeline, n_frames: int | None, ending: Ending) -> PipelineStats:
    """Run with a bar on the console."""
    from tqdm import tqdm

    with tqdm(total=n_frames, desc="replay", unit="frame", disable=None, leave=False) as progress:

        def tick() -> bool:
            progress.update(pipeline.n_estimated - progress.n)
            return True

        return pipeline.run(tick, ending.finish)
