"""`kinecast live`: track a person in front of a camera."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.api.sources import source_of
from realtime.commands import session
from realtime.commands.arguments import size_px
from realtime.commands.ending import Ending, ended_by_signals
from realtime.commands.views import (
    add_views_options,
    source_of_views,
    views_of,
    views_options,
    warn_of_disagreement,
)
from realtime.errors import RealtimeError
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.control.run import ControlledRun
    from realtime.options import RunOptions
    from realtime.overlay.neutral_guide import NeutralGuide
    from realtime.overlay.virtual_camera import VirtualCamera
    from realtime.overlay.window import Window
    from realtime.pipeline.pipeline import Pipeline
    from realtime.pipeline.slot import LatestSlot
    from realtime.pipeline.stats import PipelineStats
    from realtime.pipeline.trace import Trace
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Image, Outputs
    from realtime.recording.takes import Take
    from realtime.sample import Drawing, Estimator
    from realtime.sources.source import FrameSource

HELP = "track a person in front of a camera, live"
SAMPLES_DEPTH = 64
"""Samples that may wait for the disk."""
PICTURES_DEPTH = 16
"""Images that may wait to be drawn and recorded."""
VIDEO_BUFFER_BYTES = 256_000_000
"""Memory for lossless images that may wait for the disk."""

EVENT_KEYS = {"e": "event", **{str(k): str(k) for k in range(1, 10)}}
"""Key of the window -> name of the event that it marks."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--source",
        action="append",
        help="camera number, URL, video or synthetic; default: 0; once for each camera with --cameras",
    )
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size asked of a camera")
    parser.add_argument("--no-window", "--headless", action="store_true", help="run without a window")
    parser.add_argument("--mirror", action="store_true", help="show the window as a mirror")
    parser.add_argument(
        "--virtual-camera",
        action="store_true",
        help="also show the overlay in a camera of the system that video calls and other programs can choose",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="record here")
    parser.add_argument(
        "--record-video",
        action="store_true",
        help="also record the camera's images without loss, so that kinecast replay DIR --retrack repeats "
        "the run bit by bit; takes 0.4 to 1 GB a minute at 640x480 and 30 fps",
    )
    parser.add_argument(
        "--control",
        type=Path,
        metavar="FILE",
        help="let programs that can read this file, which is written, control the run, as kinecast app does",
    )
    add_views_options(parser)
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
    virtual_camera: bool = False
    """Whether a camera of the system shows the overlay."""
    control_path: Path | None = None
    """File through which another program may control the run; None: nothing may."""


def run(args: argparse.Namespace) -> int:
    """Track until the user stops, the source ends or a limit is reached."""
    args.source = args.source or ["0"]
    views = views_options(args)
    if views is not None and args.mirror:
        raise RealtimeError("--mirror shows one camera; leave it out with --cameras", name="mirror")
    args.source = args.source[0]
    return track(
        LiveOptions(
            replace(session.run_options(args), views=views),
            window=not args.no_window,
            mirror=args.mirror,
            record_video=args.record_video,
            virtual_camera=args.virtual_camera,
            control_path=args.control,
        )
    )


def track(options: LiveOptions) -> int:
    """Track until the user stops, the source ends or a limit is reached.

    Raises:
        RecordingError: the video is to be recorded, and no folder is given.
        RecordingStopped: recording ended before the run, such as on a full disk.
    """
    from realtime.options import Neutral
    from realtime.overlay.neutral_guide import NeutralGuide
    from realtime.overlay.window import Window
    from realtime.pipeline.slot import LatestSlot
    from realtime.recording.joint_ranges import JointRanges

    run, out = options.run, options.run.out
    _require_folder(options)
    trace = session.trace_to(run.trace_path)
    opened = source_of(run) if run.views is None else source_of_views(run, is_live=True)
    with session.opened(opened) as source:
        estimator = session.build_estimator(run, source)
        ranges, has_window = JointRanges(estimator.skeleton), _can_show(wanted=options.window)
        camera = _virtual_camera(source) if options.virtual_camera else None
        pictures: LatestSlot[Image] | None = LatestSlot() if has_window or camera is not None else None
        window = Window(camera)
        guide = NeutralGuide(session.build_overlay(run.drawing, estimator, mirror=options.mirror))
        guide.is_skipped = run.estimator.neutral is not Neutral.ASK
        outputs = _build_outputs(options, source, estimator, ranges, _Shown(guide, window, pictures))
        pipeline, controlled = _build_pipeline(options, source, estimator, outputs, trace)
    with ended_by_signals(out) as ending, _listening(options.control_path, controlled):
        if has_window:
            window.open(source.width_px, source.height_px)
        stats = _run_with_progress(
            pipeline, window, pictures, guide, controlled, ending, mirror=options.mirror
        )
        further = {}
        if out is not None and not outputs.failure:
            further = _write_report(out, run, source, estimator, outputs, ranges, stats)
    session.print_outcome(ranges, stats, None if outputs.failure else out)
    session.print_people(further)
    warn_of_disagreement(estimator)
    session.save_trace(run.trace_path, trace)
    if out is not None and outputs.failure:
        raise session.stopped(outputs, stats.frames, out)
    if options.record_video and out and (lacking := outputs.n_unfilmed + stats.unwritten_frames):
        logger.warning("the video lacks %d tracked frames: tracking it again will differ", lacking)
    return 0


def _require_folder(options: LiveOptions) -> None:
    """Refuse to record a video into no folder; whoever controls the run names one later."""
    from realtime.errors import RecordingError

    if options.record_video and options.run.out is None and options.control_path is None:
        raise RecordingError("--record-video needs the folder of a recording: add --out DIR", name="out")


def _build_pipeline(
    options: LiveOptions, source: FrameSource, estimator: Estimator, outputs: Outputs, trace: Trace | None
) -> tuple[Pipeline, ControlledRun | None]:
    """The pipeline, and what carries out orders where a control file is asked for."""
    from realtime.control.preview import Preview
    from realtime.control.run import ControlledRun
    from realtime.pipeline.pipeline import Pipeline, PipelineOptions
    from realtime.pipeline.sinks import Sinks
    from realtime.recording.takes import Takes

    run, controlled = options.run, None
    records = run.out is not None or options.control_path is not None
    takes = Takes(lambda folder: _open_take(folder, options, source, estimator, pipeline))
    preview = None
    if options.control_path is not None:
        drawing_options = replace(run.drawing, panels=False)  # whoever asks for images has the sample, too
        drawing = session.build_overlay(drawing_options, estimator, mirror=options.mirror)
        preview = Preview(drawing, (source.width_px, source.height_px))

    def note_address(address: str) -> None:
        if controlled is not None:
            controlled.stream_address = address

    pipeline = Pipeline(
        source,
        estimator,
        open_publisher=session.publisher_factory(run.publish, source, estimator, note_address),
        sink=outputs if preview is None else Sinks(outputs, takes, preview),
        options=PipelineOptions(
            paced=True,
            max_frames=run.max_frames,
            max_duration_s=run.max_duration_s,
            output_depth=SAMPLES_DEPTH if records else 1,
        ),
        trace=trace,
    )
    if preview is not None:
        controlled = ControlledRun(source, pipeline, takes, preview)
    return pipeline, controlled


def _open_take(
    folder: Path, options: LiveOptions, source: FrameSource, estimator: Estimator, pipeline: Pipeline
) -> Take:
    """A recording of a part of the run.

    Raises:
        RecordingError: the folder cannot be used.
    """
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.takes import Take

    options = replace(options, run=replace(options.run, out=folder))
    ranges = JointRanges(estimator.skeleton)
    outputs = _build_outputs(options, source, estimator, ranges)
    part = pipeline.begin_part()
    return Take(
        folder,
        outputs,
        stop_counting=lambda: pipeline.end_part(part),
        write_report=lambda stats: _write_report(
            folder, options.run, source, estimator, outputs, ranges, stats
        ),
    )


def _write_report(
    folder: Path,
    run: RunOptions,
    source: FrameSource,
    estimator: Estimator,
    outputs: Outputs,
    ranges: JointRanges,
    stats: PipelineStats,
) -> dict[Path, JointRanges]:
    """Write report.json of everybody; the joint ranges of further people."""
    from realtime.recording.parts_recorder import write_people_reports
    from realtime.recording.summary import write_report

    about = {
        "command": "live",
        "heading": run.estimator.heading,
        **session.describe(source, estimator),
    }
    described = about | views_of(outputs, estimator)
    left_out = {"undrawn_frames": outputs.n_undrawn, "unfilmed_frames": outputs.n_unfilmed}
    write_report(folder, described | stats.as_dict() | left_out | {"joint_ranges": ranges.as_dict()})
    return write_people_reports(folder, about, session.each_person(estimator))


@contextmanager
def _listening(path: Path | None, controlled: ControlledRun | None) -> Iterator[None]:
    """Take orders while the run lasts, where a control file is asked for."""
    if path is None or controlled is None:
        yield
        return
    from realtime.control.server import ControlServer

    server = ControlServer(path, controlled)
    try:
        yield
    finally:
        server.close()


def _virtual_camera(source: FrameSource) -> VirtualCamera:
    """The system's virtual camera, with the size of the source's images; prints its name.

    Raises:
        RealtimeError: there is none.
    """
    from realtime.overlay.virtual_camera import VirtualCamera

    camera = VirtualCamera((source.width_px, source.height_px), source.fps)
    print(f"overlay shown by the virtual camera {camera.device}", flush=True)
    return camera


def _can_show(*, wanted: bool) -> bool:
    """Whether a window is wanted and can be opened; says why not."""
    from realtime.overlay.window import display_problem

    problem = display_problem() if wanted else None
    if problem:
        logger.warning("%s; going on without a window", problem)
    return wanted and not problem


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the window shows."""

    drawing: Drawing
    window: Window
    pictures: LatestSlot[Image] | None


def _build_outputs(
    options: LiveOptions,
    source: FrameSource,
    estimator: Estimator,
    ranges: JointRanges,
    shown: _Shown | None = None,
) -> Outputs:
    from realtime.overlay.fitted import FittedDrawing
    from realtime.pipeline.slot import SlotPolicy
    from realtime.recording.outputs import Outputs
    from realtime.recording.video import lossless

    run = options.run
    # What is recorded is never mirrored, and has the size of the camera's images.
    recorded = session.build_overlay(run.drawing, estimator)
    recorder = (
        None if run.out is None else session.open_recorder("live", run, source, estimator, replace=False)
    )
    if options.record_video:
        lossless.warm_up()
    return Outputs(
        ranges,
        recorder=recorder,
        recorded=recorded,
        keeps_video=options.record_video,
        shown=None if shown is None else FittedDrawing(shown.drawing, lambda: shown.window.size_px),
        pictures=None if shown is None else shown.pictures,
        must_record=False,
        policy=SlotPolicy.LATEST,
        # With the window alone, only the newest counts.
        depth=1 if run.out is None else PICTURES_DEPTH,
        video_depth=max(PICTURES_DEPTH, VIDEO_BUFFER_BYTES // (3 * source.width_px * source.height_px)),
    )


def _choose(click: tuple[float, float] | None, pipeline: Pipeline, *, mirror: bool) -> None:
    """Track whoever was clicked in the window, if anybody."""
    if click is None:
        return
    x, y = click
    if not pipeline.choose_at(1.0 - x if mirror else x, y):
        logger.warning("one person is tracked in this way: a click chooses nobody")


def _obey(key: str, pipeline: Pipeline, guide: NeutralGuide) -> None:
    """Do what a key of the window asks for."""
    from realtime.overlay.neutral_guide import REPEAT_KEY, SKIP_KEY

    if key == SKIP_KEY:
        guide.is_skipped = True
    elif key == REPEAT_KEY:
        guide.is_skipped = False
        pipeline.relearn()
    elif key in EVENT_KEYS:
        pipeline.mark(EVENT_KEYS[key])
        logger.warning("marked: %s", EVENT_KEYS[key])


def _run_with_progress(
    pipeline: Pipeline,
    window: Window,
    pictures: LatestSlot[Image] | None,
    guide: NeutralGuide,
    controlled: ControlledRun | None,
    ending: Ending,
    *,
    mirror: bool,
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
            _choose(window.take_click(), pipeline, mirror=mirror)
            return is_open and not (controlled is not None and controlled.is_stopped)

        try:
            return pipeline.run(tick, ending.finish)
        finally:
            window.close()
