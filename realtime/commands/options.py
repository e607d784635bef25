"""Options that several commands share: which estimator, on which skeleton, seen by which camera."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from calib.camera import DEFAULT_FOV_DEG
from engines.runtimes.available import Precision, Runtime
from realtime.commands.arguments import positive_int
from realtime.commands.engines.options import PRECISIONS, RUNTIMES
from realtime.estimators.build import ESTIMATOR_NAMES
from realtime.options import (
    HEADINGS,
    HEIGHT_RANGE_M,
    CameraOptions,
    EstimatorOptions,
    Neutral,
    RunOptions,
    TrackingOptions,
    ViewsOptions,
    is_heading,
    with_paths_from,
)


def height_m(text: str) -> float:
    """A person's stature for argparse."""
    low, high = HEIGHT_RANGE_M
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a stature from {low} to {high} m; give metres, such as 1.75"
        )
    return value


def heading(text: str) -> str:
    """A heading of the ground for argparse."""
    if not is_heading(text):
        accepted = f"{', '.join(HEADINGS)}, or an angle from -360 to 360 in degrees"
        raise argparse.ArgumentTypeError(f"{text!r} is not a heading; accepted: {accepted}")
    return text


def region(text: str) -> tuple[float, float, float, float]:
    """Left, top, width, height for argparse."""
    try:
        left, top, width, height = (float(value) for value in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not left,top,width,height, such as 0,0.5,1,0.5"
        ) from error
    return left, top, width, height


def add_camera_options(group: argparse._ActionsContainer) -> None:
    """Declare what `camera_options` reads."""
    group.add_argument(
        "--camera-file",
        dest="camera_path",
        type=Path,
        metavar="FILE.json",
        help="calibration from kinecast calibrate camera",
    )
    group.add_argument(
        "--scale-camera",
        dest="may_scale_camera",
        action="store_true",
        help="use a camera file of another image size; right only if both sizes show the same scene",
    )
    group.add_argument(
        "--fov",
        dest="fov_deg",
        type=float,
        default=DEFAULT_FOV_DEG,
        metavar="DEG",
        help="field of view along the longer side, without a camera file; default: %(default)g",
    )


def add_estimator_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `camera_options` and `estimator_options` read."""
    group = parser.add_argument_group("estimator")
    group.add_argument(
        "--estimator",
        choices=ESTIMATOR_NAMES,
        help="default: lifted; landmarks with a skeleton of your own, which the networks do not know",
    )
    _add_person_options(group)
    add_camera_options(group)
    _add_network_options(group)
    group.add_argument(
        "--person",
        metavar="largest|left|right|N",
        help="who is tracked where several people are in view, N counted from the left; default: the largest",
    )
    group.add_argument(
        "--region",
        dest="search_region",
        type=region,
        metavar="L,T,W,H",
        help="part of the image to search for the person: left, top, width, height, from 0 to 1",
    )
    group.add_argument(
        "--heading",
        type=heading,
        default=HEADINGS[0],
        metavar="person|camera|DEG",
        help="where ground's X points: where the person faces at first, at the camera (or as in the camera "
        "file), or DEG degrees to the person's left from straight at the camera; default: %(default)s",
    )
    group.add_argument(
        "--no-patches",
        dest="patches",
        action="store_false",
        help="look at the image once only: quicker, and a little less accurate",
    )
    group.add_argument(
        "--no-temporal",
        dest="temporal",
        action="store_false",
        help="smooth angles with the One-Euro filter alone",
    )
    group.add_argument(
        "--no-smoothing", dest="smoothing", action="store_false", help="raw estimates of single frames"
    )


def add_people_option(group: argparse._ActionsContainer) -> None:
    """Declare the number of people, which `estimator_options` reads."""
    group.add_argument(
        "--people",
        dest="n_people",
        type=positive_int,
        default=1,
        metavar="N",
        help="track up to N people (at most 4), each with a stream (topics angles, angles/2, ...) and a "
        "recording (OUT, OUT/person_2, ...) of their own; default: %(default)s",
    )


def _add_person_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--skeleton",
        dest="skeleton_path",
        type=Path,
        metavar="FILE.osim",
        help="default: kinecast's own skeleton",
    )
    person = group.add_mutually_exclusive_group()
    person.add_argument(
        "--height",
        dest="height_m",
        type=height_m,
        metavar="M",
        help="the person's stature in metres, if known",
    )
    person.add_argument(
        "--subject",
        dest="subject_path",
        type=Path,
        metavar="FILE.json",
        help="the person's scale factors, from kinecast calibrate subject",
    )
    group.add_argument(
        "--apply-offsets", action="store_true", help="count angles from the subject's neutral pose"
    )

    group.add_argument(
        "--neutral",
        choices=[choice.value for choice in Neutral],
        default=Neutral.ASK.value,
        help="how the person is learned while they stand upright for two seconds: ask shows in the window of "
        "live what to do, auto shows nothing, off learns nothing; default: %(default)s",
    )


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model-path",
        type=Path,
        metavar="FILE",
        help="network to use instead of kinecast's, or the folder of its engine",
    )
    group.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="runtime of the direct network; default: its fastest engine built on this machine",
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, help="precision of the direct network; default: as above"
    )
    group.add_argument("--offline", action="store_true", help="download nothing")
    group.set_defaults(engines_dir=None, n_people=1)


def camera_options(args: argparse.Namespace) -> CameraOptions:
    """The values of `add_camera_options`."""
    return CameraOptions(**{f.name: getattr(args, f.name) for f in fields(CameraOptions)})


def estimator_options(args: argparse.Namespace) -> EstimatorOptions:
    """The values of `add_estimator_options`, apart from the camera's."""
    found = {f.name: getattr(args, f.name) for f in fields(EstimatorOptions)}
    return EstimatorOptions(
        **found
        | {
            "runtime": None if args.runtime is None else Runtime(args.runtime),
            "neutral": Neutral(args.neutral),
            "precision": None if args.precision is None else Precision(args.precision),
        }
    )


def with_recorded_options(options: RunOptions, words: Sequence[str], recording: Path) -> RunOptions:
    """Take the camera and estimator of a recording, where the command line names no others.

    Args:
        options: Options of the run.
        words: Words of the command line.
        recording: Folder of the recording.

    Raises:
        RecordingError: session.json is missing or damaged, or the cameras of several views are missing.
    """
    from realtime.errors import RecordingError
    from realtime.recording.folder import RIG_NAME
    from realtime.recording.recorder import read_session

    about = read_session(recording)
    if about.options is not None and about.options.n_views > 1:
        if not (recording / RIG_NAME).is_file():
            raise RecordingError(
                f"{recording} holds {about.options.n_views} views and no {RIG_NAME}, without which they "
                "cannot be tracked again; track the videos: kinecast replay A B --cameras RIG --out DIR"
            )
        options = replace(
            options, views=ViewsOptions(sources=(options.source,), rig_path=recording / RIG_NAME)
        )
    parser = _estimator_parser()
    recorded = about.options or _options_of_words(parser, about.words or [], Path(about.working_folder))
    recorded = TrackingOptions(
        camera=with_paths_from(recorded.camera, recording),
        estimator=with_paths_from(recorded.estimator, recording),
    )
    parser.set_defaults(**asdict(recorded.camera), **asdict(recorded.estimator))
    args, _ = parser.parse_known_args(words)
    return replace(options, camera=camera_options(args), estimator=estimator_options(args))


def _options_of_words(parser: argparse.ArgumentParser, words: Sequence[str], folder: Path) -> TrackingOptions:
    """Options of an early recording: it holds the words of its command line and the working folder."""
    args, _ = parser.parse_known_args(words)
    return TrackingOptions(
        camera=with_paths_from(camera_options(args), folder),
        estimator=with_paths_from(estimator_options(args), folder),
    )


def _estimator_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_people_option(parser)
    add_estimator_options(parser)
    return parser
