"""`kinecast replay`: track the person in a video and write files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands import session

if TYPE_CHECKING:
    from realtime.pipeline import Pipeline
    from realtime.run_stats import PipelineStats
    from realtime.sources import FrameSource

HELP = "track the person in a video and write the angles to files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "source", metavar="SOURCE", help="video, folder of pictures, or a clip of kinecast assets"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for what is written")
    parser.add_argument("--realtime", action="store_true", help="at the recording's own speed")
    session.add_publish_options(parser)
    session.add_session_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track every frame, write the files, print the ranges."""
    from realtime.outputs import Outputs
    from realtime.pipeline import Pipeline, PipelineOptions
    from realtime.report import JointRanges, write_report
    from realtime.slot import SlotPolicy

    source = session.source_of(args)
    require_other_folder(args.source, args.out)
    require_end(source, has_limit=args.frames is not None or args.duration is not None)
    with session.opened(source):
        estimator = session.build_estimator(args, source)
        ranges = JointRanges(estimator.skeleton)
        overlay = session.build_overlay(args, estimator)
        outputs = Outputs(
            ranges,
            recorder=session.open_recorder(args.out, source, estimator, replace=True),
            recorded=overlay,
        )
        pipeline = Pipeline(
            source,
            estimator,
            open_publisher=session.publisher_factory(args, source, estimator),
            sink=outputs,
            options=PipelineOptions(
                policy=SlotPolicy.WAIT,
                paced=args.realtime,
                max_frames=args.frames,
                max_duration_s=args.duration,
            ),
        )
    with session.ended_by_sigterm():
        stats = run_with_progress(pipeline, args.frames or source.n_frames or None)
    described = {"command": "replay", **session.describe(source, estimator)}
    write_report(args.out, described | stats.as_dict() | {"joint_ranges": ranges.as_dict()})
    session.print_outcome(ranges, stats, args.out)
    return 1 if stats.interrupted else 0


def require_other_folder(source: str, out: Path) -> None:
    """Refuse to replace the video that is read.

    Raises:
        RecordingError: saying so.
    """
    from realtime.errors import RecordingError
    from realtime.recorder import FILE_NAMES

    if Path(source).resolve() in [(out / name).resolve() for name in FILE_NAMES]:
        raise RecordingError(f"{source} would be replaced; choose another folder than {out}")


def require_end(source: FrameSource, *, has_limit: bool) -> None:
    """Refuse a source that never ends.

    Raises:
        SourceError: saying which command or option is meant.
    """
    from realtime.errors import SourceError

    if source.is_live:
        raise SourceError(
            f"{source.description} is live; record it with: kinecast live --source ... --out DIR"
        )
    if source.n_frames is None and not has_limit:
        raise SourceError(f"{source.description} has no end; add --frames N or --duration S")


def run_with_progress(pipeline: Pipeline, n_frames: int | None) -> PipelineStats:
    """Run with a bar on the console."""
    from tqdm import tqdm

    with tqdm(total=n_frames, desc="replay", unit="frame", disable=None, leave=False) as progress:

        def tick() -> bool:
            progress.update(pipeline.n_estimated - progress.n)
            return True

        return pipeline.run(tick)
