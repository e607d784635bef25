"""Options that several commands share: which estimator, on which skeleton, seen by which camera."""

from __future__ import annotations

import argparse
import logging
import math
from dataclasses import replace
from pathlib import Path

from calib.camera import DEFAULT_FOV_DEG, CameraCalibration
from calib.camera_file import load_camera
from calib.errors import CameraError
from realtime.commands.engines.options import PRECISIONS, RUNTIMES, choice_from_options
from realtime.errors import RealtimeError
from realtime.estimators.build import ESTIMATOR_NAMES, default_estimator, make_estimator
from realtime.sample import Estimator

logger = logging.getLogger(__name__)

HEIGHT_RANGE_M = (0.5, 2.5)


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
    """Declare what `camera_from_options` reads."""
    group.add_argument("--camera-file", type=Path, metavar="FILE.json", help="of kinecast calibrate camera")
    group.add_argument(
        "--scale-camera",
        action="store_true",
        help="use a camera file of another picture size; right only if both sizes show the same scene",
    )
    group.add_argument(
        "--fov",
        type=float,
        default=DEFAULT_FOV_DEG,
        metavar="DEG",
        help="of the longer side, without a camera file; default: %(default)g",
    )


def add_estimator_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose and set up an estimator."""
    group = parser.add_argument_group("estimator")
    group.add_argument(
        "--estimator",
        choices=ESTIMATOR_NAMES,
        help="default: lifted; landmarks with a skeleton of your own, which the networks do not know",
    )
    group.add_argument("--skeleton", type=Path, metavar="FILE.osim", help="default: kinecast's own skeleton")
    person = group.add_mutually_exclusive_group()
    person.add_argument(
        "--height", type=height_m, metavar="M", help="the person's stature in metres, if known"
    )
    person.add_argument(
        "--subject", type=Path, metavar="FILE.json", help="the person's measures: kinecast calibrate subject"
    )
    group.add_argument(
        "--apply-offsets", action="store_true", help="count angles from the subject's neutral pose"
    )
    add_camera_options(group)
    group.add_argument(
        "--model-path", type=Path, metavar="FILE", help="network to use instead, or the folder of its engine"
    )
    group.add_argument(
        "--runtime", choices=RUNTIMES, help="of the direct network; default: its fastest engine built here"
    )
    group.add_argument("--precision", choices=PRECISIONS, help="of the direct network; default: the same")
    group.add_argument(
        "--region",
        type=region,
        metavar="L,T,W,H",
        help="part of the picture to look for the person in, from 0 to 1",
    )
    group.add_argument("--offline", action="store_true", help="never touch the network")
    group.add_argument(
        "--no-temporal", action="store_true", help="steady angles by the One-Euro filter alone"
    )
    group.add_argument("--no-smoothing", action="store_true", help="raw estimates of single frames")


def camera_from_options(
    args: argparse.Namespace, width_px: int, height_px: int, device: str = ""
) -> CameraCalibration:
    """The calibration the user named, or an assumed level camera.

    Args:
        args: of the options above.
        width_px: of the source's pictures.
        height_px: of the source's pictures.
        device: what the computer calls the camera; empty where there is none, or it is not known.

    Raises:
        CameraError: the calibration is of another camera or picture size.
    """
    if args.camera_file is None:
        return CameraCalibration.assumed(width_px, height_px, args.fov)
    return camera_for(args.camera_file, width_px, height_px, device, may_scale=args.scale_camera)


def camera_for(
    path: Path, width_px: int, height_px: int, device: str = "", *, may_scale: bool = False
) -> CameraCalibration:
    """A calibration from a file, if it is of this camera and picture size.

    Raises:
        CameraError: it is not, or cannot be read.
    """
    camera = load_camera(path)
    if device and camera.device and device != camera.device:
        raise CameraError(
            f"{path}: calibrated for {camera.device}, but this is {device}; calibrate this one: "
            "kinecast calibrate camera"
        )
    k = camera.intrinsics
    if (k.width_px, k.height_px) == (width_px, height_px):
        return camera
    if not may_scale:
        # Whether a camera shows the same scene at another size, or cuts its edges off, only people can see.
        is_same_shape = k.width_px * height_px == k.height_px * width_px
        or_scale = ", or add --scale-camera if both sizes show the same scene" if is_same_shape else ""
        raise CameraError(
            f"{path}: calibrated at {k.width_px}x{k.height_px}, but the source gives "
            f"{width_px}x{height_px}; calibrate again at this size: kinecast calibrate camera{or_scale}"
        )
    logger.warning("%s: scaled from %dx%d", path, k.width_px, k.height_px)
    return replace(camera, intrinsics=k.scaled_to(width_px, height_px))


def estimator_from_options(args: argparse.Namespace, camera: CameraCalibration) -> Estimator:
    """Build the estimator that the options describe.

    Raises:
        RealtimeError: offsets are asked for, and no subject.
    """
    if args.apply_offsets and args.subject is None:
        raise RealtimeError("--apply-offsets needs the person's measures: --subject FILE.json")
    return make_estimator(
        args.estimator or default_estimator(args.skeleton),
        skeleton_path=args.skeleton,
        camera=camera,
        height_m=args.height,
        subject_path=args.subject,
        apply_offsets=args.apply_offsets,
        model_path=args.model_path,
        offline=args.offline,
        smoothing=not args.no_smoothing,
        temporal=not (args.no_smoothing or args.no_temporal),
        search_region=args.region,
        choice=choice_from_options(args),
    )
