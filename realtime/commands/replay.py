"""`kinecast replay`: track the person in a video and write files, or send a recording again."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.api.sources import source_of
from realtime.commands import session
from realtime.commands.arguments import positive_float
from realtime.commands.options import with_recorded_options
from realtime.commands.replaying.checks import refuse_rates, require_other_folder
from realtime.commands.replaying.recordings import republish, smooth_copy
from realtime.commands.replaying.track import Recorded, track
from realtime.commands.views import (
    add_sync_option,
    add_views_options,
    each_kept,
    source_of_views,
    synchronised,
    views_options,
)
from realtime.source_names import public_source

if TYPE_CHECKING:
    from realtime.options import RunOptions

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
    from realtime.errors import SourceError
    from realtime.recording.source import is_recording

    views = None if args.retrack and len(args.source) == 1 else views_options(args)
    args.source = args.source[0]
    options = replace(session.run_options(args), views=views, smooth_hz=smooth_hz(args))
    if args.sync is not None and views is None:
        raise SourceError("--sync needs several videos, and --cameras", name="sync")
    if views is not None:
        options = synchronised(options) if args.sync is not None and not args.retrack else options
        return track_views(options, realtime=args.realtime, replace=args.replace, retrack=args.retrack)
    if is_recording(Path(options.source)):
        return _run_recording(args, options)
    if args.retrack:
        raise SourceError(
            f"{public_source(args.source)} is not a recording; leave out --retrack to track a video",
            name="source",
            value=public_source(args.source),
        )
    _require_out(options)
    return track(options, source_of(options), realtime=args.realtime, replace=args.replace)


def _run_recording(args: argparse.Namespace, options: RunOptions) -> int:
    """Track the video of a recording again, smooth the recording, or send it again."""
    from realtime.recording.source import RecordedVideo

    refuse_rates(options)
    if not args.retrack and options.smooth_hz is not None:
        return smooth_copy(options, replace=args.replace)
    if not args.retrack:
        return republish(options, realtime=args.realtime)
    _require_out(options)
    folder = Path(options.source)
    options = with_recorded_options(options, args.words, folder)
    if args.views:
        options = replace(options, views=each_kept(options.views))
    return track(
        options,
        RecordedVideo(folder),
        realtime=args.realtime,
        replace=args.replace,
        recorded=Recorded.of(folder),
    )


def _require_out(options: RunOptions) -> None:
    from realtime.errors import RecordingError

    if options.out is None:
        raise RecordingError("missing the output folder: add --out DIR", name="out")


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
    _require_out(options)
    assert options.out is not None
    for source in options.views.sources:
        require_other_folder(source, options.out)
    return track(options, source_of_views(options), realtime=realtime, replace=replace)
