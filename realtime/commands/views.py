"""Options of commands that take several views of one person."""

from __future__ import annotations

import argparse
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from calib.errors import CameraError
from realtime.errors import SourceError
from realtime.options import RunOptions, ViewsOptions
from realtime.source_names import public_source

if TYPE_CHECKING:
    from calib.rig import Rig
    from realtime.recording.outputs import Outputs
    from realtime.sample import Estimator
    from realtime.sources.source import FrameSource
    from realtime.views.live_source import LiveViewsSource
    from realtime.views.source import ViewsSource

LEAST_AGREEMENT = 0.5
"""Share of moments in which views of one person should agree."""

logger = logging.getLogger(__name__)


def add_sync_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--sync`, for videos with clocks of their own."""
    parser.add_argument(
        "--sync",
        choices=["auto"],
        help="find when each video began, and whether its clock drifts, from the person's movement",
    )


def add_views_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `views_options` reads, beside the sources."""
    group = parser.add_argument_group("several views of one person")
    group.add_argument(
        "--cameras",
        type=Path,
        metavar="RIG",
        help="file of all cameras, in the order of the sources: from kinecast calibrate cameras, OpenCap, "
        "Pose2Sim, Qualisys or OpenCV",
    )
    group.add_argument(
        "--camera-names",
        type=camera_names,
        metavar="NAME,NAME",
        help="which of the file's cameras took the sources, in the order of the sources; default: all",
    )
    group.add_argument(
        "--offsets",
        type=offsets_s,
        metavar="S,S",
        help="of videos: when the first frame of each was taken, in seconds on one clock; of cameras: time "
        "added to the stamps of each, negative where images arrive late; default: 0",
    )
    group.add_argument(
        "--views",
        action="store_true",
        help="also estimate the pose from each view alone, draw it in that view, and record it under "
        "OUT/views, to compare",
    )


def views_options(args: argparse.Namespace) -> ViewsOptions | None:
    """The views that the command line names; None for a single source.

    Raises:
        SourceError: several sources without cameras, or cameras and offsets without several sources.
    """
    sources, rig_path = tuple(args.source), args.cameras
    if rig_path is not None and len(sources) > 1:
        if args.camera_path is not None:
            raise SourceError("--camera-file names one camera; --cameras names all", name="camera_path")
        return ViewsOptions(
            sources=sources,
            rig_path=rig_path,
            camera_names=args.camera_names,
            offsets_s=args.offsets,
            keeps_each=args.views,
        )
    if len(sources) > 1:
        raise SourceError(
            f"{len(sources)} sources; to track one person in all, add --cameras RIG "
            "(kinecast calibrate cameras makes one), or give one source",
            name="source", value=len(sources), accepted=(1,),
        )  # fmt: skip
    given = [
        ("--cameras", rig_path),
        ("--camera-names", args.camera_names),
        ("--offsets", args.offsets),
        ("--views", args.views or None),
    ]
    for name, value in given:
        if value is not None:
            raise SourceError(
                f"one source; with {name}, give one for each camera of the rig", name="source", value=name
            )
    return None


def synchronised(options: RunOptions) -> RunOptions:
    """The options with the clocks of the videos, as the person's movement tells them; prints what was found.

    Raises:
        SourceError: a video cannot be read, or the movement does not tell its clock.
        CameraError: the file of the cameras cannot be read, or they are not those of the videos.
    """
    from realtime.estimators.build import make_landmark_tracker
    from realtime.views.sync import Clock, SeenMovement, find_clock, watch

    assert options.views is not None
    if options.views.offsets_s is not None:
        raise SourceError("choose one: --sync auto, or --offsets", name="sync")
    source = source_of_views(options)
    seen: list[SeenMovement] = []
    source.open()
    try:
        rig = rig_of(options.views, source, may_scale=options.camera.may_scale_camera)
        print("looking for the movement that all videos show", flush=True)
        for one, camera in zip(source.sources, rig.cameras, strict=True):
            seen.append(watch(one, camera, make_landmark_tracker(offline=options.estimator.offline)))
    finally:
        source.close()
    clocks = [Clock(0.0, 0.0)]
    for movement, camera in zip(seen[1:], rig.cameras[1:], strict=True):
        clock = find_clock(seen[0], movement, camera.name)
        clocks.append(clock)
        drift = f"; its clock is {100.0 * (clock.rate - 1.0):+.2f} % off" if clock.rate != 1.0 else ""
        print(f"{camera.name} begins at {clock.offset_s:+.3f} s (+-{clock.sigma_s:.3f}){drift}", flush=True)
    views = replace(
        options.views,
        offsets_s=tuple(clock.offset_s for clock in clocks),
        clock_rates=tuple(clock.rate for clock in clocks),
    )
    return replace(options, views=views)


def each_kept(options: ViewsOptions | None) -> ViewsOptions:
    """The options of a recording that is tracked again with `--views`.

    Raises:
        SourceError: it holds one view.
    """
    if options is None:
        raise SourceError("the recording holds one view; leave out --views", name="views")
    return replace(options, keeps_each=True)


def source_of_views(options: RunOptions, *, is_live: bool = False) -> ViewsSource | LiveViewsSource:
    """The sources that the options name, as one.

    Args:
        options: Options of the run.
        is_live: Whether frames are taken as they come, as cameras give them.

    Raises:
        SourceError: there is no such source, or they make no set of views.
    """
    from realtime.api.sources import source_of
    from realtime.sources.parse import local_path
    from realtime.views.live_source import LiveViewsSource
    from realtime.views.source import ViewsSource

    assert options.views is not None
    texts = options.views.sources
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None and twice != "synthetic":
        raise SourceError(
            f"{public_source(twice)} is there more than once; give each camera its own source",
            name="source", value=public_source(twice),
        )  # fmt: skip
    sources = [source_of(replace(options, source=local_path(text))) for text in texts]
    if is_live:
        return LiveViewsSource(sources, options.views.offsets_s)
    return ViewsSource(sources, options.views.offsets_s, options.views.clock_rates)


def rig_of(options: ViewsOptions, source: FrameSource, *, may_scale: bool) -> Rig:
    """The cameras that the options name, for the images of an open source.

    Args:
        options: The views.
        source: Several sources, or the video of a recording of several views.
        may_scale: Whether cameras calibrated at another size of the same shape are scaled.

    Raises:
        CameraError: the file cannot be read, or its cameras are not those of the sources.
    """
    from calib.rig_file import load_rig
    from realtime.views.source_set import SourceSet

    rig = load_rig(options.rig_path, options.camera_names)
    if isinstance(source, SourceSet):
        return rig.for_sizes(source.tiles.sizes_px, may_scale=may_scale)
    # The video of a recording, whose images stand side by side.
    width_px = sum(camera.intrinsics.width_px for camera in rig.cameras)
    if width_px != source.width_px:
        raise CameraError(
            f"{options.rig_path}: its images are {width_px} px wide together, those of "
            f"{source.description} {source.width_px}; is it the file of this recording?",
            name="width_px", value=width_px, accepted=(source.width_px,),
        )  # fmt: skip
    return rig


def views_of(outputs: Outputs, estimator: Estimator) -> dict[str, object]:
    """Which views carried which seconds, for the report; empty with a single camera."""
    from realtime.views.estimator import ViewsEstimator

    if not isinstance(estimator, ViewsEstimator):
        return {}
    agreement = estimator.agreement
    share = round(agreement, 4) if math.isfinite(agreement) else None
    return {"views": outputs.view_shares.as_dict(estimator.rig.names) | {"agreement": share}}


def warn_of_disagreement(estimator: Estimator) -> None:
    """Warn if the views hardly ever showed one person in one pose."""
    from realtime.views.estimator import ViewsEstimator

    if isinstance(estimator, ViewsEstimator) and estimator.agreement < LEAST_AGREEMENT:
        logger.warning(
            "the views agree in %.0f %% of the moments with somebody in several of them, so most of the "
            "result rests on one; are the sources in the order of the cameras (%s), of the same moments "
            "(--offsets), and did no camera move since its file was made (kinecast calibrate cameras)?",
            100.0 * estimator.agreement,
            ", ".join(estimator.rig.names),
        )


def camera_names(text: str) -> tuple[str, ...]:
    """Names of cameras from the command line, such as `left,right`."""
    return tuple(name.strip() for name in text.split(","))


def offsets_s(text: str) -> tuple[float, ...]:
    """Times separated by commas, for argparse."""
    try:
        values = tuple(float(value) for value in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(math.isfinite(value) for value in values):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one time in seconds for each video, such as 0,0.35"
        )
    return values
