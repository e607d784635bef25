"""What `live` and `replay` share: open a source, build the tracker around it, report what came out."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from realtime.commands.arguments import check_can_write, names, positive_float, positive_int, rate_hz
from realtime.commands.options import add_estimator_options, camera_from_options, estimator_from_options

if TYPE_CHECKING:
    from realtime.pipeline.pipeline import SampleSender
    from realtime.pipeline.stats import PipelineStats
    from realtime.pipeline.trace import Trace
    from realtime.recording.outputs import Drawing
    from realtime.recording.recorder import Recorder
    from realtime.recording.summary import JointRanges
    from realtime.sample import Estimator
    from realtime.sources.source import FrameSource
    from realtime.stream.security import ServerKeys


NOTE_AFTER_S = 2.0
ENCODINGS = ("msgpack", "json")

logger = logging.getLogger(__name__)


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that `live` and `replay` share."""
    parser.add_argument("--duration", type=positive_float, metavar="S", help="end after S seconds")
    parser.add_argument("--frames", type=positive_int, metavar="N", help="end after N frames")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.json", help="write each step, for ui.perfetto.dev"
    )
    parser.add_argument(
        "--rate", type=rate_hz, metavar="HZ", help="of a folder's pictures, or asked of a camera"
    )
    parser.add_argument(
        "--show", type=names, metavar="NAMES", help="coordinates to draw, separated by commas"
    )
    parser.add_argument(
        "--plot", type=names, default=(), metavar="NAMES", help="coordinates to plot over the last seconds"
    )
    parser.add_argument("--no-arcs", action="store_true", help="draw no arcs at the joints")
    parser.add_argument("--floor", action="store_true", help="draw the floor that the camera file knows")
    add_estimator_options(parser)


def add_publish_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Declare where to publish, for whom, and how."""
    group = parser.add_argument_group("stream")
    said = f"default: {default}" if default else "also publish, such as tcp://127.0.0.1:5570"
    group.add_argument("--publish", default=default, metavar="ADDR", help=said)
    if default:
        group.add_argument(
            "--no-publish", action="store_const", const=None, dest="publish", help="send nothing"
        )
    group.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="of kinecast keys; lets other computers subscribe, as with --publish 'tcp://*:5570'",
    )
    group.add_argument(
        "--encoding", choices=ENCODINGS, default=ENCODINGS[0], help="of the messages; default: %(default)s"
    )


def source_of(args: argparse.Namespace) -> FrameSource:
    """The source that `--source` or SOURCE names; a clip among the assets is fetched.

    Raises:
        SourceError: there is no such source.
        AssetError: the clip cannot be fetched.
    """
    from engines.assets import ASSETS, fetch
    from realtime.sources.source import VIDEO_SUFFIXES, parse_source

    asset = ASSETS.get(args.source)
    is_clip = asset is not None and asset.path.endswith(VIDEO_SUFFIXES)
    text = str(fetch(args.source, offline=args.offline)) if is_clip else args.source
    return parse_source(text, fps=args.rate, size_px=getattr(args, "size", None))


def take_recorded_options(args: argparse.Namespace, recording: Path) -> None:
    """Give the estimator the options that a recording was made with, where the command line names no others.

    Raises:
        RecordingError: session.json is missing or damaged.
    """
    from realtime.recording.recorder import read_session

    about = read_session(recording)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_estimator_options(parser)
    recorded, _ = parser.parse_known_args(about.words)
    folder = Path(about.working_folder)
    parser.set_defaults(
        **{
            name: folder / value if isinstance(value, Path) else value
            for name, value in vars(recorded).items()
        }
    )
    vars(args).update(vars(parser.parse_known_args(args.words)[0]))


@contextmanager
def opened(source: FrameSource) -> Iterator[FrameSource]:
    """Open a source; close it only if something fails before the pipeline takes it over."""
    try:
        source.open()
        yield source
    except BaseException:
        source.close()
        raise


def build_estimator(args: argparse.Namespace, source: FrameSource) -> Estimator:
    """Build the estimator for an open source, and say on what it runs."""
    from realtime.sources.cameras import device_name

    camera = camera_from_options(args, source.width_px, source.height_px, device_name(source))
    estimator = estimator_from_options(args, camera)
    print(
        f"{source.description}: {source.width_px}x{source.height_px}, {source.fps:.4g} fps; "
        f"{camera.description}; estimator {estimator.name} on {estimator.description}; "
        f"skeleton {estimator.skeleton.name} with {len(estimator.skeleton.coordinate_names)} coordinates",
        flush=True,
    )
    with waiting_note("preparing; after an installation this compiles for a minute"):
        estimator.warm_up()
    return estimator


@contextmanager
def waiting_note(text: str) -> Iterator[None]:
    """Say what is going on if it takes longer than a person waits without wondering."""
    note = threading.Timer(NOTE_AFTER_S, lambda: print(f"kinecast: {text}", file=sys.stderr, flush=True))
    note.daemon = True
    note.start()
    try:
        yield
    finally:
        note.cancel()


def trace_of(args: argparse.Namespace) -> Trace | None:
    """Where the steps of the run are noted, if they are asked for.

    Raises:
        RealtimeError: the file cannot be written.
    """
    from realtime.pipeline.trace import Trace

    check_can_write(args.trace)
    return None if args.trace is None else Trace()


def save_trace(args: argparse.Namespace, trace: Trace | None) -> None:
    """Write what was noted, and tell where."""
    if trace is not None:
        trace.save(args.trace)
        print(f"trace written to {args.trace}: open it at https://ui.perfetto.dev")


def publisher_factory(
    args: argparse.Namespace, source: FrameSource, estimator: Estimator
) -> Callable[[], SampleSender] | None:
    """What opens the publisher in its thread; None to publish nothing.

    Raises:
        StreamError: the keys cannot be read.
    """
    if args.publish is None:
        return None
    keys = server_keys(args)

    def open_publisher() -> SampleSender:
        from realtime.stream.publisher import Publisher

        publisher = Publisher(
            args.publish,
            estimator.skeleton,
            estimator.camera,
            source=source.description,
            estimator=estimator.name,
            rate_hz=source.fps,
            encoding=args.encoding,
            keys=keys,
        )
        announce(publisher.address, keys)
        return publisher

    return open_publisher


def server_keys(args: argparse.Namespace) -> ServerKeys | None:
    """The keys that `--keys` names; None to publish without.

    Raises:
        StreamError: there are none.
    """
    if args.keys is None:
        return None
    from realtime.stream.key_files import load_server_keys

    return load_server_keys(args.keys)


def announce(address: str, keys: ServerKeys | None) -> None:
    """Tell people where and for whom the stream is."""
    if keys is None:
        print(f"publishing at {address} (kinecast listen --connect {address})", flush=True)
        return
    n = len(keys.allowed_clients)
    print(f"publishing at {address}, encrypted, for {n} subscriber{'s' * (n != 1)} with a key", flush=True)
    if not n:
        logger.warning(
            "nobody has a key yet; make one with: kinecast keys DIR --client NAME, and start again"
        )


def build_overlay(args: argparse.Namespace, estimator: Estimator, *, mirror: bool = False) -> Drawing:
    """The drawing that the options ask for.

    Raises:
        FloorError: the floor is asked for, and the camera's was not measured.
    """
    from realtime.overlay.floor_grid import FloorDrawing
    from realtime.overlay.overlay import Overlay

    overlay = Overlay(
        estimator.skeleton,
        estimator.camera,
        coordinates=args.show,
        mirror=mirror,
        plots=args.plot,
        arcs=not args.no_arcs,
    )
    return FloorDrawing(estimator.camera, overlay) if args.floor else overlay


def open_recorder(
    args: argparse.Namespace, source: FrameSource, estimator: Estimator, *, replace: bool
) -> Recorder:
    """A recorder that writes everything, the overlay video included.

    Args:
        args: the command's options; `out` is the folder.
        source: what is tracked.
        estimator: with what.
        replace: whether an earlier recording in the folder may go; what a camera saw cannot be made again.

    Raises:
        RecordingError: the folder cannot be written, or holds a recording that must stay.
    """
    from realtime.recording.recorder import Recorder

    facts = describe(source, estimator)
    del facts["smoothing_lag_s"]  # not known yet
    return Recorder(
        args.out,
        estimator.skeleton,
        estimator.camera,
        rate_hz=source.fps,
        replace=replace,
        about={
            "command": args.command,
            "words": args.words,
            "working_folder": str(Path.cwd()),
            **facts,
        },
    )


def describe(source: FrameSource, estimator: Estimator) -> dict[str, object]:
    """What was tracked with what, for the report."""
    return {
        "source": source.description,
        "width_px": source.width_px,
        "height_px": source.height_px,
        "source_fps": source.fps,
        "estimator": estimator.name,
        "runtime": estimator.description,
        "skeleton": estimator.skeleton.name,
        "skeleton_sha": estimator.skeleton.sha,
        "smoothing_lag_s": estimator.lag_s,
    }


def print_outcome(ranges: JointRanges, stats: PipelineStats, out: Path | None) -> None:
    """Tell people what came out."""
    from realtime.recording.recorder import FILE_NAMES
    from realtime.recording.summary import REPORT_NAME, format_stats

    if stats.note:
        logger.warning("%s", stats.note)
    print(f"\n{ranges.as_table()}\n\n{format_stats(stats, is_recorded=out is not None)}")
    if out is not None:
        written = [name for name in (*FILE_NAMES, REPORT_NAME) if (out / name).exists()]
        print(f"written to {out}: {', '.join(sorted(written))}")


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let the signal that service managers send end the run as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
