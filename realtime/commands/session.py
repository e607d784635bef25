"""What `live` and `replay` share: open a source, build the tracker around it, report the outcome."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import check_can_write, names, positive_float, positive_int, rate_hz
from realtime.commands.options import (
    add_estimator_options,
    add_people_option,
    camera_options,
    estimator_options,
)
from realtime.estimators.build import make_camera, make_estimator, make_views_estimator
from realtime.options import DrawingOptions, PublishOptions, RunOptions, TrackingOptions
from realtime.source_names import recorded_name

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from realtime.errors import RecordingStopped
    from realtime.pipeline.pipeline import SampleSender
    from realtime.pipeline.stats import PipelineStats
    from realtime.pipeline.trace import Trace
    from realtime.recording.joint_ranges import JointRanges
    from realtime.recording.outputs import Outputs
    from realtime.recording.parts_recorder import PartsRecorder
    from realtime.recording.recorder import Recorder
    from realtime.sample import Drawing, Estimator
    from realtime.sources.source import FrameSource
    from realtime.stream.security import ServerKeys


NOTE_AFTER_S = 2.0
ENCODINGS = ("msgpack", "json")

logger = logging.getLogger(__name__)


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that `live` and `replay` share; `run_options` reads them."""
    parser.add_argument("--duration", type=positive_float, metavar="S", help="stop after S seconds")
    parser.add_argument("--frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.json", help="write the timing of each step, for ui.perfetto.dev"
    )
    parser.add_argument(
        "--rate",
        type=rate_hz,
        metavar="HZ",
        help="frame rate of a folder of images or of a video without times, or asked of a camera",
    )
    parser.add_argument(
        "--capture-rate",
        type=rate_hz,
        metavar="HZ",
        help="frames a second that the camera took, for a video in slow or fast motion",
    )
    parser.add_argument(
        "--show", type=names, metavar="NAMES", help="coordinates to show as numbers, separated by commas"
    )
    parser.add_argument(
        "--plot", type=names, default=(), metavar="NAMES", help="coordinates to plot over the last seconds"
    )
    parser.add_argument("--no-arcs", action="store_true", help="draw no arcs at the joints")
    parser.add_argument("--floor", action="store_true", help="draw the floor of the camera file")
    add_people_option(parser)
    add_estimator_options(parser)


def add_publish_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Declare where to publish, for whom, and how; `run_options` reads them.

    Args:
        parser: Parser of the command.
        default: Address without `--publish`; None publishes only where the option is given.
    """
    group = parser.add_argument_group("stream")
    said = f"default: {default}" if default else "also publish, such as tcp://127.0.0.1:5570"
    group.add_argument("--publish", default=default, metavar="ADDR", help=said)
    if default:
        group.add_argument(
            "--no-publish", action="store_const", const=None, dest="publish", help="publish nothing"
        )
    group.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="folder of kinecast keys; lets other computers subscribe, as with --publish 'tcp://*:5570'",
    )
    group.add_argument(
        "--encoding",
        choices=ENCODINGS,
        default=ENCODINGS[0],
        help="message encoding; default: %(default)s",
    )


def run_options(args: argparse.Namespace) -> RunOptions:
    """The values of `add_session_options` and `add_publish_options`, with the source and `--out`.

    Raises:
        SourceError: the source is a file on another computer.
    """
    from realtime.sources.parse import local_path

    return RunOptions(
        source=local_path(args.source),
        camera=camera_options(args),
        estimator=estimator_options(args),
        drawing=DrawingOptions(show=args.show, plot=args.plot, arcs=not args.no_arcs, floor=args.floor),
        publish=PublishOptions(address=args.publish, keys_dir=args.keys, encoding=args.encoding),
        size_px=getattr(args, "size", None),
        rate_hz=args.rate,
        capture_rate_hz=args.capture_rate,
        max_frames=args.frames,
        max_duration_s=args.duration,
        trace_path=args.trace,
        out=args.out,
    )


@contextmanager
def opened(source: FrameSource) -> Iterator[FrameSource]:
    """Open a source; close it only if something fails before the pipeline takes it over."""
    try:
        source.open()
        yield source
    except BaseException:
        source.close()
        raise


def build_estimator(options: RunOptions, source: FrameSource) -> Estimator:
    """Build the estimator for an open source, and print what it runs on."""
    estimator, cameras = _estimator_and_cameras(options, source)
    print(
        f"{source.description}: {source.width_px}x{source.height_px}, {source.fps:.4g} fps; "
        f"{cameras}; estimator {estimator.name} on {estimator.description}; "
        f"skeleton {estimator.skeleton.name} with {len(estimator.skeleton.coordinate_names)} coordinates",
        flush=True,
    )
    with waiting_note("preparing; after an installation this compiles for a minute"):
        estimator.warm_up()
    return estimator


def _estimator_and_cameras(options: RunOptions, source: FrameSource) -> tuple[Estimator, str]:
    """The estimator for an open source, and what is known of its cameras."""
    from realtime.commands.views import rig_of
    from realtime.sources.cameras import device_name

    if options.views is not None:
        rig = rig_of(options.views, source, may_scale=options.camera.may_scale_camera)
        estimator = make_views_estimator(options.estimator, rig, keeps_each=options.views.keeps_each)
        return estimator, f"cameras {', '.join(rig.names)}"
    camera = make_camera(options.camera, source.width_px, source.height_px, device_name(source))
    return make_estimator(options.estimator, camera), camera.description


@contextmanager
def waiting_note(text: str) -> Iterator[None]:
    """Print a note if the work takes longer than people wait without wondering."""
    note = threading.Timer(NOTE_AFTER_S, lambda: print(f"kinecast: {text}", file=sys.stderr, flush=True))
    note.daemon = True
    note.start()
    try:
        yield
    finally:
        note.cancel()


def trace_to(path: Path | None) -> Trace | None:
    """Where the steps of the run are noted, if a file is asked for.

    Raises:
        RealtimeError: the file cannot be written.
    """
    from realtime.pipeline.trace import Trace

    check_can_write(path)
    return None if path is None else Trace()


def save_trace(path: Path | None, trace: Trace | None) -> None:
    """Write what was noted, and print where."""
    if trace is not None and path is not None:
        trace.save(path)
        print(f"trace written to {path}: open it at https://ui.perfetto.dev")


def publisher_factory(
    options: PublishOptions,
    source: FrameSource,
    estimator: Estimator,
    on_open: Callable[[str], None] = lambda address: None,
) -> Callable[[], SampleSender] | None:
    """A function that opens the publisher in its own thread; None to publish nothing.

    Args:
        options: Where and for whom to publish.
        source: Open source of the frames.
        estimator: Estimator of the run.
        on_open: Function called with the address, once it is open.

    Raises:
        StreamError: the keys cannot be read.
    """
    if options.address is None:
        return None
    address, keys = options.address, server_keys(options)

    def open_publisher() -> SampleSender:
        from realtime.stream.publisher import Publisher

        publisher = Publisher(
            address,
            estimator.skeleton,
            estimator.camera,
            cameras=cameras_of(estimator),
            source=recorded_name(source.description),
            estimator=estimator.name,
            rate_hz=source.fps,
            encoding=options.encoding,
            keys=keys,
            n_people=len(each_person(estimator)),
        )
        on_open(publisher.address)  # first: whoever reads the announcement may ask for it at once
        announce(publisher.address, keys)
        return publisher

    return open_publisher


def server_keys(options: PublishOptions) -> ServerKeys | None:
    """The keys to publish with; None to publish without encryption.

    Raises:
        StreamError: the folder holds none.
    """
    if options.keys_dir is None:
        return None
    from realtime.stream.key_files import load_server_keys

    return load_server_keys(options.keys_dir)


def announce(address: str, keys: ServerKeys | None) -> None:
    """Print where the stream is published, and for whom."""
    if keys is None:
        print(f"publishing at {address} (kinecast listen --connect {address})", flush=True)
        return
    n = len(keys.allowed_clients)
    print(f"publishing at {address}, encrypted, for {n} subscriber{'s' * (n != 1)} with a key", flush=True)
    if not n:
        logger.warning(
            "nobody has a key yet; make one with: kinecast keys DIR --client NAME, and start again"
        )


def build_overlay(options: DrawingOptions, estimator: Estimator, *, mirror: bool = False) -> Drawing:
    """The drawing that the options ask for.

    Raises:
        FloorError: the floor is asked for, and the camera file has none.
    """
    from realtime.overlay.build import make_overlay
    from realtime.views.drawing import overlay_of_views
    from realtime.views.estimator import ViewsEstimator

    if isinstance(estimator, ViewsEstimator):
        return overlay_of_views(options, estimator.skeleton, estimator.rig)
    return make_overlay(options, estimator.skeleton, estimator.camera, mirror=mirror)


def open_recorder(
    command: str, options: RunOptions, source: FrameSource, estimator: Estimator, *, replace: bool
) -> Recorder | PartsRecorder:
    """A recorder that writes everything, the overlay video included.

    Args:
        command: Name of the command, for `session.json`.
        options: Options of the run, with the folder of the recording.
        source: Source of the frames.
        estimator: Estimator of the run.
        replace: Whether output of an earlier `replay` in the folder may be replaced.

    Raises:
        RecordingError: the folder cannot be written, or holds a recording that must stay.
    """
    from realtime.recording.parts_recorder import PartsRecorder, further_people_of, own_estimates_of
    from realtime.recording.recorder import Recorder, recorded_options
    from realtime.views.estimator import ViewsEstimator

    assert options.out is not None
    facts = describe(source, estimator)
    del facts["smoothing_lag_s"], facts["person"]  # not known yet
    tracked = recorded_options(_tracking_of(options, estimator), options.out)
    together = Recorder(
        options.out,
        estimator.skeleton,
        estimator.camera,
        rig=estimator.rig if isinstance(estimator, ViewsEstimator) else None,
        rate_hz=source.fps,
        replace=replace,
        about={"command": command, "options": tracked, **facts},
    )
    parts = [
        Recorder(
            folder,
            estimator.skeleton,
            camera,
            rate_hz=source.fps,
            replace=replace,
            about={"command": command, **about, **facts},
        )
        for folder, camera, about in _parts_of(options, estimator)
    ]
    if not parts:
        return together
    are_people = len(each_person(estimator)) > 1
    return PartsRecorder(together, parts, further_people_of if are_people else own_estimates_of)


def _parts_of(
    options: RunOptions, estimator: Estimator
) -> Iterator[tuple[Path, CameraCalibration, dict[str, object]]]:
    """Folder, camera and what `session.json` says, of each recording beside the first."""
    from realtime.recording.parts import folder_of_person
    from realtime.recording.parts_recorder import folder_of_view

    assert options.out is not None
    further = range(2, len(each_person(estimator)) + 1)
    for number in further:
        yield folder_of_person(options.out, number), estimator.camera, {"person": number}
    if not further and options.views is not None and options.views.keeps_each:
        for camera in cameras_of(estimator):
            yield folder_of_view(options.out, camera.name), camera, {"view": camera.name}


def _tracking_of(options: RunOptions, estimator: Estimator) -> TrackingOptions:
    """What of the options is needed to track a recording again."""
    return TrackingOptions(
        camera=options.camera,
        estimator=options.estimator,
        rate_hz=options.rate_hz,
        capture_rate_hz=options.capture_rate_hz,
        n_views=len(cameras_of(estimator)) or 1,
    )


def cameras_of(estimator: Estimator) -> tuple[CameraCalibration, ...]:
    """The cameras of an estimator for several views; empty for one with a single camera."""
    from realtime.views.estimator import ViewsEstimator

    return estimator.rig.cameras if isinstance(estimator, ViewsEstimator) else ()


def each_person(estimator: Estimator) -> tuple[Estimator, ...]:
    """The estimators of all people, the first one's first."""
    from realtime.estimators.people import PeopleEstimator

    return estimator.each if isinstance(estimator, PeopleEstimator) else (estimator,)


def warn_of_other_runtime(recorded: str, estimator: Estimator) -> None:
    """Say that a recording's networks ran on something else, such as before an engine was built.

    Args:
        recorded: What they ran on, as `session.json` has it; empty where it is unknown.
        estimator: Estimator that tracks again. The number of its threads changes no result.
    """
    then, now = (re.sub(r", \d+ threads", "", text) for text in (recorded, estimator.description))
    if recorded and then != now:
        logger.warning(
            "the recording was made on %s; on %s, results are not the same (see kinecast doctor)", then, now
        )


def describe(source: FrameSource, estimator: Estimator) -> dict[str, object]:
    """Source, estimator and skeleton of a run, for the report."""
    return {
        "source": recorded_name(source.description),
        "width_px": source.width_px,
        "height_px": source.height_px,
        "source_fps": source.fps,
        "estimator": estimator.name,
        "runtime": estimator.description,
        "skeleton": estimator.skeleton.name,
        "skeleton_sha": estimator.skeleton.sha,
        "smoothing_lag_s": estimator.lag_s,
        "person": estimator.about_person(),
    }


def print_outcome(ranges: JointRanges, stats: PipelineStats, out: Path | None) -> None:
    """Print joint ranges, statistics and the files written.

    Args:
        ranges: Joint ranges of the run.
        stats: Statistics of the run.
        out: Folder of the recording; None without one, or where it could not be finished.
    """
    from realtime.recording.folder import RECORDING_NAMES
    from realtime.recording.summary import format_stats

    if stats.note:
        logger.warning("%s", stats.note)
    print(f"\n{ranges.as_table()}\n\n{format_stats(stats, is_recorded=out is not None)}")
    if out is not None:
        written = [name for name in RECORDING_NAMES if (out / name).exists()]
        print(f"written to {out}: {', '.join(sorted(written))}")


def print_people(ranges: dict[Path, JointRanges]) -> None:
    """Print the joint ranges of further people, and where their files are.

    Args:
        ranges: Folder of each one's recording, and their joint ranges.
    """
    for folder, found in ranges.items():
        print(f"\n{folder.name}\n{found.as_table()}\nwritten to {folder}")


def stopped(outputs: Outputs, n_samples: int, out: Path) -> RecordingStopped:
    """The error of a recording that ended before its run.

    Args:
        outputs: Outputs of the run, closed.
        n_samples: Number of samples of the run.
        out: Folder of the recording.
    """
    from realtime.errors import RecordingStopped

    return RecordingStopped(outputs.n_recorded, n_samples, outputs.failure, out)
