"""`kinecast evaluate`: the causal pipeline on videos, against reference recordings."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import msgspec

from calib.rig_file import load_rig
from calib.skeleton import load_skeleton
from realtime.api.sources import source_of
from realtime.bench.accuracy import LAG_RANGE_S
from realtime.bench.evaluation import Evaluation, Matching, OpenEstimator, evaluate_trial, open_reference
from realtime.bench.overlay_fit import NETWORK, format_overlay, independent_observer, measure_overlay
from realtime.bench.reference import MIN_FRAMES, Offset
from realtime.bench.trials import evaluate_trials
from realtime.bench.trials_file import Trial, read_trials
from realtime.bench.trials_table import format_evaluation, format_trials
from realtime.commands.arguments import check_can_write, positive_int, rate_hz
from realtime.commands.options import add_estimator_options, camera_options, estimator_options
from realtime.errors import RealtimeError
from realtime.estimators.build import make_camera, make_estimator, make_views_estimator
from realtime.options import RunOptions
from realtime.sample import Estimator
from realtime.sources.source import FrameSource
from realtime.views.source_set import SourceSet

HELP = "measure an estimator against reference coordinates"

OF_ONE_TRIAL = {
    "reference": "--reference",
    "offset": "--offset",
    "height_m": "--height",
    "subject_path": "--subject",
    "camera_path": "--camera-file",
    "capture_rate": "--capture-rate",
}
"""Options of a single trial; a trials file says them for each."""


def offset(text: str) -> Offset:
    """Seconds, or `auto`."""
    return "auto" if text == "auto" else _seconds(text, -math.inf, "auto or a number of seconds")


def lag_range_s(text: str) -> float:
    """Seconds from 0 to 10."""
    return _seconds(text, 0.0, "a number of seconds from 0 to 10", 10.0)


def _seconds(text: str, low: float, accepted: str, high: float = math.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and low <= value <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is not {accepted}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--video", metavar="V", help="video of one trial")
    what.add_argument(
        "--trials",
        type=Path,
        metavar="FILE.toml",
        help="many trials: a list of videos, references and people",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="R.mot",
        help="reference coordinates of --video, or states of OpenSim",
    )
    parser.add_argument(
        "--offset",
        type=offset,
        metavar="S|auto",
        help="reference time = video time + S; auto: the reference starts when the video does; default: 0",
    )
    parser.add_argument(
        "--lag-range",
        type=lag_range_s,
        default=LAG_RANGE_S,
        metavar="S",
        help="largest lag tried on either side of the offset; default: %(default)g",
    )
    parser.add_argument(
        "--min-frames",
        type=positive_int,
        default=MIN_FRAMES,
        metavar="N",
        help="refuse fewer compared frames; default: %(default)d",
    )
    parser.add_argument(
        "--capture-rate",
        type=rate_hz,
        metavar="HZ",
        help="frames a second that the camera of --video took, if it is in slow or fast motion",
    )
    parser.add_argument(
        "--overlay",
        action="store_true",
        help=f"measure how well the skeleton drawn on --video lies on the person, not its angles; needs "
        f"no reference, but the network of: kinecast assets fetch {NETWORK}",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the result here")
    add_estimator_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track, compare, print a table and write the JSON."""
    check_can_write(args.json)
    matching = Matching(args.lag_range, args.min_frames)
    _check_options(args)
    if args.overlay:
        return _measure_overlay(args)
    open_estimator = estimator_opener(args)
    skeleton = load_skeleton(args.skeleton_path)
    if args.trials is not None:
        trials = read_trials(args.trials)
        result = evaluate_trials(trials, skeleton, open_estimator, matching, _print_trial)
        print(format_trials(result))
        _write(args.json, result.as_dict())
        return 0
    trial = Trial(
        args.video,
        "",
        args.video,
        args.reference,
        args.offset or 0.0,
        args.camera_path,
        args.height_m,
        capture_rate_hz=args.capture_rate,
    )
    evaluation = evaluate_trial(trial, open_reference(trial, skeleton, matching), open_estimator, matching)
    print(format_evaluation(evaluation))
    _write(args.json, evaluation.as_dict())
    return 0


def _measure_overlay(args: argparse.Namespace) -> int:
    """Compare the drawn skeleton with an independent network; print a table and write the JSON."""
    estimator = estimator_options(args)
    options = RunOptions(source=args.video, estimator=estimator, capture_rate_hz=args.capture_rate)
    source = source_of(options)
    look = independent_observer(estimator.search_region)
    source.open()
    try:
        camera = make_camera(camera_options(args), source.width_px, source.height_px)
        fit = measure_overlay(source, make_estimator(estimator, camera), look)
    finally:
        source.close()
    print(format_overlay(fit))
    _write(args.json, fit.as_dict())
    return 0


def estimator_opener(args: argparse.Namespace) -> OpenEstimator:
    """Builds the estimator of the options for each trial's camera, or cameras, and stature."""
    estimator, camera = estimator_options(args), camera_options(args)

    def open_estimator(trial: Trial, source: FrameSource) -> Estimator:
        if isinstance(source, SourceSet):
            assert trial.camera is not None
            rig = load_rig(trial.camera).for_sizes(source.tiles.sizes_px, may_scale=camera.may_scale_camera)
            return make_views_estimator(replace(estimator, height_m=trial.height_m), rig)
        calibration = make_camera(
            replace(camera, camera_path=trial.camera), source.width_px, source.height_px
        )
        return make_estimator(replace(estimator, height_m=trial.height_m), calibration)

    return open_estimator


def _check_options(args: argparse.Namespace) -> None:
    if args.overlay:
        given = [o for o, value in (("--trials", args.trials), ("--reference", args.reference)) if value]
        if given:
            raise RealtimeError(f"{given[0]} cannot go with --overlay; accepted: --video V --overlay")
        return
    if args.trials is None:
        if args.reference is None:
            raise RealtimeError("--video needs a reference: add --reference R.mot")
        return
    given = [option for name, option in OF_ONE_TRIAL.items() if getattr(args, name) is not None]
    if given:
        raise RealtimeError(
            f"{', '.join(given)} cannot go with --trials; the trials file says it for each trial: reference, "
            "offset_s, height_m, camera, capture_rate_hz"
        )


def _print_trial(evaluation: Evaluation) -> None:
    print(f"{evaluation.trial.name} ({evaluation.trial.person})")
    print(format_evaluation(evaluation), end="\n\n", flush=True)


def _write(path: Path | None, values: dict[str, object]) -> None:
    if path is None:
        return
    try:
        # msgspec writes null for NaN, which JSON does not have.
        path.write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=2) + b"\n")
    except OSError as error:
        raise RealtimeError(f"{path}: cannot write the result ({error.strerror})") from error
