"""`kinecast live`: track a person in front of a camera."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.api.sources import source_of
from realtime.commands import session
from realtime.commands.arguments import size_px
from realtime.commands.ending import Ending, ended_by_signals
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.options import RunOptions
    from realtime.overlay.neutral_guide import NeutralGuide
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline
    from realtime.pipeline.slot import LatestSlot
    from realtime.pipeline.stats import PipelineStats
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Image, Outputs
    from realtime.sample import Drawing, Estimator
    from realtime.sources.source import FrameSource

HELP = "track a person in front of a camera, live"
SAMPLES_DEPTH = 64
"""Samples that may wait for the disk."""
PICTURES_DEPTH = 16
"""Images that may wait to be drawn and recorded."""
VIDEO_BUFFER_BYTES = 256_000_000
"""Memory for lossless images that may wait for the disk."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--source", default="0", help="camera number, URL, video or synthetic; default: 0")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size asked of a camera")
    parser.add_argument("--no-window", "--headless", action="store_true", help="run without a window")
    parser.add_argument("--mirror", action="store_true", help="show the window as a mirror")
    parser.add_argument("--out", type=Path, metavar="DIR", help="record here")
    parser.add_argument(
        "--record-video",
        action="store_true",
        help="also record the camera's images without loss, so that kinecast replay DIR --retrack repeats "
        "the run bit by bit; takes 0.4 to 1 GB a minute at 640x480 and 30 fps",
    )
    session.add_publish_options(parser, DEFAULT_ADDRESS)
    session.add_session_options(parser)


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Options of `kinecast live`."""

    run: RunOptions
    window: bool
    """Whether a window is shown."""
    mirror: bool
    """Whether the window is mirrored; recordings never are."""
    record_video: bool
    """Whether the camera's images are recorded without loss."""


def run(args: argparse.Namespace) -> int:
    """Track until the user stops, the source ends or a limit is reached."""
    return track(
        LiveOptions(
            session.run_options(args),
            window=not args.no_window,
            mirror=args.mirror,
            record_video=args.record_video,
        )
    )


def track(options: LiveOptions) -> int:
    """Track until the user stops, the source ends or a limit is reached.

    Raises:
        RecordingError: the video is to be recorded, and no folder is given.
        RecordingStopped: recording ended before the run, such as on a full disk.
    """
    from realtime.errors import RecordingError
    from realtime.options import Neutral
    from realtime.overlay.neutral_guide import NeutralGuide
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline, PipelineOptions
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.summary import write_report

    run, out = options.run, options.run.out
    if options.record_video and out is None:
        raise RecordingError("--record-video needs the folder of a recording: add --out DIR", name="out")
    trace = session.trace_to(run.trace_path)
    with session.opened(source_of(run)) as source:
        estimator = session.build_estimator(run, source)
        ranges, pictures = JointRanges(estimator.skeleton), _pictures(wanted=options.window)
        window = Window()
        guide = NeutralGuide(session.build_overlay(run.drawing, estimator, mirror=options.mirror))
        guide.is_skipped = run.estimator.neutral is not Neutral.ASK
        outputs = _build_outputs(options, source, estimator, ranges, pictures, window, guide)
        pipeline = Pipeline(
            source,
            estimator,
            open_publisher=session.publisher_factory(run.publish, source, estimator),
            sink=outputs,
            options=PipelineOptions(
                paced=True,
                max_frames=run.max_frames,
                max_duration_s=run.max_duration_s,
                output_depth=1 if out is None else SAMPLES_DEPTH,
            ),
            trace=trace,
        )
    with ended_by_signals(out) as ending:
        if pictures is not None:
            window.open(source.width_px, source.height_px)
        stats = _run_with_progress(pipeline, window, pictures, guide, ending)
        if out is not None and not outputs.failure:
            described = {
                "command": "live",
                "heading": run.estimator.heading,
                **session.describe(source, estimator),
            }
            left_out = {"undrawn_frames": outputs.n_undrawn, "unfilmed_frames": outputs.n_unfilmed}
            write_report(out, described | stats.as_dict() | left_out | {"joint_ranges": ranges.as_dict()})
    session.print_outcome(ranges, stats, None if outputs.failure else out)
    session.save_trace(run.trace_path, trace)
    if out is not None and outputs.failure:
        raise session.stopped(outputs, stats.frames, out)
    if options.record_video and (lacking := outputs.n_unfilmed + stats.unwritten_frames):
        logger.warning("the video lacks %d tracked frames: tracking it again will differ", lacking)
    return 0


def _pictures(*, wanted: bool) -> LatestSlot[Image] | None:
    """Slot for the images of the window; None without a window."""
    from realtime.overlay.window import display_problem
    from realtime.pipeline.slot import LatestSlot

    problem = display_problem() if wanted else None
    if problem:
        logger.warning("%s; going on without a window", problem)
    return LatestSlot() if wanted and not problem else None


def _build_outputs(
    options: LiveOptions,
    source: FrameSource,
    estimator: Estimator,
    ranges: JointRanges,
    pictures: LatestSlot[Image] | None,
    window: Window,
    shown: Drawing,
) -> Outputs:
    from realtime.overlay.fitted import FittedDrawing
    from realtime.pipeline.slot import SlotPolicy
    from realtime.recording import lossless_video
    from realtime.recording.outputs import Outputs

    run = options.run
    # What is recorded is never mirrored, and has the size of the camera's images.
    recorded = session.build_overlay(run.drawing, estimator)
    recorder = (
        None if run.out is None else session.open_recorder("live", run, source, estimator, replace=False)
    )
    if options.record_video:
        lossless_video.warm_up()
    return Outputs(
        ranges,
        recorder=recorder,
        recorded=recorded,
        keeps_video=options.record_video,
        shown=FittedDrawing(shown, lambda: window.size_px),
        pictures=pictures,
        must_record=False,
        policy=SlotPolicy.LATEST,
        # With the window alone, only the newest counts.
        depth=1 if run.out is None else PICTURES_DEPTH,
        video_depth=max(PICTURES_DEPTH, VIDEO_BUFFER_BYTES // (3 * source.width_px * source.height_px)),
    )


def _obey(key: str, pipeline: Pipeline, guide: NeutralGuide) -> None:
    """Do what a key of the window asks for."""
    from realtime.overlay.neutral_guide import REPEAT_KEY, SKIP_KEY

    if key == SKIP_KEY:
        guide.is_skipped = True
    elif key == REPEAT_KEY:
        guide.is_skipped = False
        pipeline.relearn()


def _run_with_progress(
    pipeline: Pipeline,
    window: Window,
    pictures: LatestSlot[Image] | None,
    guide: NeutralGuide,
    ending: Ending,
) -> PipelineStats:
    """Run with the window, and count on the console."""
    from tqdm import tqdm

    with tqdm(desc="live", unit="frame", disable=None, leave=False) as progress:

        def tick() -> bool:
            progress.update(pipeline.n_estimated - progress.n)
            picture = None if pictures is None else pictures.get(timeout_s=0.0)
            if picture is not None:
                window.show(picture)
            stats = pipeline.live_stats()
            window.set_note(stats.note)
            if stats.latency_ms is not None:
                progress.set_postfix_str(f"latency {stats.latency_ms:.0f} ms", refresh=False)
            is_open = window.is_open()
            _obey(window.take_key(), pipeline, guide)
            return is_open

        try:
            return pipeline.run(tick, ending.finish)
        finally:
            window.close()
