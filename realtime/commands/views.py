"""Options of commands that take several videos of one person."""

from __future__ import annotations

import argparse
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import SourceError
from realtime.options import DrawingOptions, RunOptions, ViewsOptions

if TYPE_CHECKING:
    from calib.rig import Rig
    from realtime.sample import Drawing, Estimator
    from realtime.views.estimator import ViewsEstimator
    from realtime.views.source import ViewsSource

LEAST_AGREEMENT = 0.5
"""Share of moments in which views of one person should agree."""

logger = logging.getLogger(__name__)


def add_views_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `views_options` reads, beside the sources."""
    group = parser.add_argument_group("several views of one person")
    group.add_argument(
        "--cameras",
        type=Path,
        metavar="RIG",
        help="file of all cameras, in the order of the videos: from kinecast calibrate two-cameras, OpenCap, "
        "Pose2Sim, Qualisys or OpenCV",
    )
    group.add_argument(
        "--offsets",
        type=offsets_s,
        metavar="S,S",
        help="when the first frame of each video was taken, in seconds on one clock; default: all at once",
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
        return ViewsOptions(sources=sources, rig_path=rig_path, offsets_s=args.offsets)
    if len(sources) > 1:
        raise SourceError(
            f"{len(sources)} videos; to track one person in all, add --cameras RIG, or give one video",
            name="source", value=len(sources), accepted=(1,),
        )  # fmt: skip
    if rig_path is not None or args.offsets is not None:
        raise SourceError(
            "one video; with --cameras and --offsets, give one for each camera of the rig", name="source"
        )
    return None


def source_of_views(options: RunOptions) -> ViewsSource:
    """The videos that the options name, as one source.

    Raises:
        SourceError: there is no such source, or they make no set of views.
    """
    from realtime.api.sources import source_of
    from realtime.views.source import ViewsSource

    assert options.views is not None
    sources = [source_of(replace(options, source=text)) for text in options.views.sources]
    return ViewsSource(sources, options.views.offsets_s)


def rig_of(options: RunOptions, source: ViewsSource) -> Rig:
    """The cameras that the options name, for the images of an open source.

    Raises:
        CameraError: the file cannot be read, or its cameras are not those of the videos.
    """
    from calib.rig_file import load_rig

    assert options.views is not None
    rig = load_rig(options.views.rig_path)
    return rig.for_sizes(source.tiles.sizes_px, may_scale=options.camera.may_scale_camera)


def overlay_of_views(options: DrawingOptions, estimator: ViewsEstimator) -> Drawing:
    """The drawing that the options ask for, with the skeleton in every view.

    Raises:
        FloorError: the floor is asked for, and the first camera has none.
    """
    from realtime.overlay.build import make_overlay
    from realtime.views.drawing import ViewsDrawing

    camera = estimator.camera
    # Cameras of a rig were measured, though other programs do not write how well.
    camera = replace(camera, rms_px=0.0) if camera.is_assumed else camera
    first = make_overlay(options, estimator.skeleton, camera)
    return ViewsDrawing(estimator.skeleton, estimator.rig.cameras, first)


def warn_of_disagreement(estimator: Estimator) -> None:
    """Warn if the views hardly ever showed one person in one pose."""
    from realtime.views.estimator import ViewsEstimator

    if isinstance(estimator, ViewsEstimator) and estimator.agreement < LEAST_AGREEMENT:
        logger.warning(
            "the views agree in %.0f %% of the moments with somebody in several of them, so most of the "
            "result rests on one; are the videos in the order of the cameras (%s), of the same moments "
            "(--offsets), and is the file of their cameras?",
            100.0 * estimator.agreement,
            ", ".join(estimator.rig.names),
        )


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
