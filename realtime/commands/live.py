"""`kinecast live`: track a person in front of a camera."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands import session
from realtime.commands.arguments import size_px
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline
    from realtime.pipeline.slot import LatestSlot
    from realtime.pipeline.stats import PipelineStats
    from realtime.recording.outputs import Image, Outputs
    from realtime.recording.summary import JointRanges
    from realtime.sample import Estimator
    from realtime.sources.source import FrameSource

HELP = "track a person in front of a camera, live"
SAMPLES_DEPTH = 64
"""Samples that may wait for the disk."""
PICTURES_DEPTH = 16
"""Pictures that may wait to be drawn and recorded."""
VIDEO_BUFFER_BYTES = 256_000_000
"""Of pictures without loss that may wait for the disk."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--source", default="0", help="camera number, URL, video or synthetic; default: 0")
    parser.add_argument("--size", type=size_px, metavar="WxH", help="picture size asked of a camera")
    parser.add_argument("--no-window", "--headless", action="store_true", help="run without a window")
    parser.add_argument("--mirror", action="store_true", help="show the window as a mirror")
    parser.add_argument("--out", type=Path, metavar="DIR", help="record here")
    parser.add_argument(
        "--record-video",
        action="store_true",
        help="also keep the camera's pictures, without loss, so that kinecast replay DIR --retrack repeats "
        "the run bit by bit; takes 0.4 to 1 GB a minute at 640x480 and 30 fps",
    )
    session.add_publish_options(parser, DEFAULT_ADDRESS)
    session.add_session_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track until told to stop."""
    from realtime.errors import RecordingError
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline, PipelineOptions
    from realtime.recording.summary import JointRanges, write_report

    if args.record_video and args.out is None:
        raise RecordingError("--record-video needs the folder of a recording: add --out DIR")
    trace = session.trace_of(args)
    with session.opened(session.source_of(args)) as source:
        estimator = session.build_estimator(args, source)
        ranges, pictures = JointRanges(estimator.skeleton), _pictures(args)
        outputs = _build_outputs(args, source, estimator, ranges, pictures)
        pipeline = Pipeline(
            source,
            estimator,
            open_publisher=session.publisher_factory(args, source, estimator),
            sink=outputs,
            options=PipelineOptions(
                paced=True,
                max_frames=args.frames,
                max_duration_s=args.duration,
                output_depth=1 if args.out is None else SAMPLES_DEPTH,
            ),
            trace=trace,
        )
    with session.ended_by_sigterm():
        window = Window()
        if pictures is not None:
            window.open(source.width_px, source.height_px)
        stats = _run_with_progress(pipeline, window, pictures)
    if args.out is not None and not outputs.failure:
        described = {"command": "live", **session.describe(source, estimator)}
        pictures_left_out = {"undrawn_frames": outputs.n_undrawn, "unfilmed_frames": outputs.n_unfilmed}
        write_report(
            args.out, described | stats.as_dict() | pictures_left_out | {"joint_ranges": ranges.as_dict()}
        )
    session.print_outcome(ranges, stats, args.out)
    session.save_trace(args, trace)
    if args.record_video and (lacking := outputs.n_unfilmed + stats.unwritten_frames):
        logger.warning("the video lacks %d tracked frames: tracking it again will differ", lacking)
    return 0


def _pictures(args: argparse.Namespace) -> LatestSlot[Image] | None:
    """Where the window's pictures are left; None where there is no window."""
    from realtime.overlay.window import display_problem
    from realtime.pipeline.slot import LatestSlot

    problem = None if args.no_window else display_problem()
    if problem:
        logger.warning("%s; going on without a window", problem)
    return None if args.no_window or problem else LatestSlot()


def _build_outputs(
    args: argparse.Namespace,
    source: FrameSource,
    estimator: Estimator,
    ranges: JointRanges,
    pictures: LatestSlot[Image] | None,
) -> Outputs:
    from realtime.pipeline.slot import SlotPolicy
    from realtime.recording import lossless_video
    from realtime.recording.outputs import Outputs

    shown = session.build_overlay(args, estimator, mirror=args.mirror)
    # What is recorded is never mirrored.
    recorded = session.build_overlay(args, estimator) if args.mirror else shown
    recorder = None if args.out is None else session.open_recorder(args, source, estimator, replace=False)
    if args.record_video:
        lossless_video.warm_up()
    return Outputs(
        ranges,
        recorder=recorder,
        recorded=recorded,
        keeps_video=args.record_video,
        shown=shown,
        pictures=pictures,
        must_record=False,
        policy=SlotPolicy.LATEST,
        # With the window alone, only the newest counts.
        depth=1 if args.out is None else PICTURES_DEPTH,
        video_depth=max(PICTURES_DEPTH, VIDEO_BUFFER_BYTES // (3 * source.width_px * source.height_px)),
    )


def _run_with_progress(
    pipeline: Pipeline, window: Window, pictures: LatestSlot[Image] | None
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
            return window.is_open()

        try:
            return pipeline.run(tick)
        finally:
            window.close()
