"""`kinecast calibrate subject`: a person's scale factors and neutral stance."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import check_can_write, positive_float, rate_hz, size_px
from realtime.commands.options import add_camera_options, camera_options, height_m
from realtime.estimators.build import make_camera

if TYPE_CHECKING:
    from calib.skeleton import Skeleton
    from calib.subject import Subject
    from realtime.calibration.subject_observer import SubjectObserver
    from realtime.sources.source import FrameSource

HELP = "measure a person: scale factors, neutral stance, a scaled model"
GUIDE = (
    (0.0, "stand still, facing the camera, arms hanging, head to feet in the image"),
    (4.0, "turn around once, slowly"),
    (10.0, "lift one knee, then the other"),
    (15.0, "squat twice, slowly"),
    (21.0, "raise both arms sideways and lower them"),
)
"""Instructions with their times in s."""
DURATION_S = 25.0
SEXES = ("female", "male")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    sources = parser.add_argument_group("source, one of").add_mutually_exclusive_group(required=True)
    sources.add_argument("--source", metavar="N", help="camera number or URL; prints instructions for 25 s")
    sources.add_argument(
        "--video", metavar="FILE", help="a video of the person standing still, then moving slowly"
    )
    sources.add_argument("--images", metavar="DIR", help="a folder of images of the person")
    parser.add_argument(
        "--height", type=height_m, required=True, metavar="M", help="stature in metres, without shoes"
    )
    parser.add_argument("--sex", choices=SEXES, help="improves the estimated widths of hips and shoulders")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.json", help="for --subject")
    parser.add_argument(
        "--osim", type=Path, metavar="FILE.osim", help="output: the scaled model; default: beside --out"
    )
    parser.add_argument("--skeleton", type=Path, metavar="FILE.osim", help="default: kinecast's own skeleton")
    add_camera_options(parser)
    parser.add_argument(
        "--duration",
        type=positive_float,
        default=DURATION_S,
        metavar="S",
        help="duration with a camera; default: %(default)g",
    )
    parser.add_argument("--size", type=size_px, metavar="WxH", help="image size requested from a camera")
    parser.add_argument(
        "--rate", type=rate_hz, metavar="HZ", help="frame rate requested from a camera, or of images"
    )
    parser.add_argument("--offline", action="store_true", help="do not use the network")


def run(args: argparse.Namespace) -> int:
    """Observe the person, and write and print the measurements."""
    from calib.scaling import write_scaled_osim
    from calib.skeleton import default_skeleton_path
    from calib.subject import save_subject
    from realtime.calibration.subject_observer import SubjectObserver
    from realtime.sources.parse import parse_source

    osim = args.osim or args.out.with_suffix(".osim")
    for path in (args.out, osim):
        check_can_write(path)
    source = parse_source(args.images or args.video or args.source, fps=args.rate, size_px=args.size)
    source.open()
    try:
        camera = make_camera(camera_options(args), source.width_px, source.height_px)
        observer = SubjectObserver(
            camera,
            args.height,
            skeleton_path=args.skeleton,
            is_female=None if args.sex is None else args.sex == SEXES[0],
            offline=args.offline,
        )
        print(f"{source.description}: {camera.description}", flush=True)
        _observe(args, source, observer)
    finally:
        source.close()
    subject = observer.result(source.description)
    save_subject(args.out, subject, observer.skeleton)
    write_scaled_osim(args.skeleton or default_skeleton_path(), subject.scale_factors, osim)
    print(describe(subject, observer.skeleton, observer.meter.n_still))
    print(f"written to {args.out} and {osim}; use them with: kinecast live --subject {args.out}")
    return 0


def _observe(args: argparse.Namespace, source: FrameSource, observer: SubjectObserver) -> None:
    """Pass every frame to the observer; print instructions for a person in front of a camera."""
    from tqdm import tqdm

    guide = list(GUIDE) if source.is_live else []
    first_ns = None
    with tqdm(desc="subject", unit="frame", leave=False, disable=None) as progress:
        while (frame := source.read()) is not None:
            first_ns = frame.t_capture_ns if first_ns is None else first_ns
            elapsed_s = (frame.t_capture_ns - first_ns) * 1e-9
            if source.is_live and elapsed_s > args.duration:
                return
            while guide and elapsed_s >= guide[0][0]:
                tqdm.write(guide.pop(0)[1])
            observer.look(frame, is_single=args.images is not None)
            progress.update()


def describe(subject: Subject, skeleton: Skeleton, n_still: int) -> str:
    """Description of the measurements."""
    from calib.subject import is_point_name
    from realtime.calibration.subject_meter import segment_lengths_of

    lines = [f"from {subject.n_frames} frames of somebody {subject.height_m:.2f} m tall:"]
    for segment in segment_lengths_of(subject, skeleton):
        lines.append(f"  {segment.name:<18}{100 * segment.length_m:6.1f} cm  +-{100 * segment.spread_m:.1f}")
    if subject.landmark_offsets:
        words = ", ".join(n.replace("_", " ") for n in subject.landmark_offsets if not is_point_name(n))
        n_points = sum(map(is_point_name, subject.landmark_offsets))
        points = f", and {n_points} points of patches" if n_points else ""
        lines.append(f"landmarks on this person, from standing still and upright: {words}{points}")
    else:
        lines.append(
            "  landmarks on this person unknown: stand still and upright, facing the camera, for 2 s"
        )
    known = [k for k in range(skeleton.n_q) if math.isfinite(subject.neutral_offsets[k])]
    if not known:
        lines.append(
            f"  no neutral stance: {n_still} frames of standing still; stand still for 3 s to measure offsets"
        )
        return "\n".join(lines)
    lines.append(f"neutral stance, {n_still} frames, in deg (subtracted only with --apply-offsets):")
    for k in known:
        offset, spread = (math.degrees(a[k]) for a in (subject.neutral_offsets, subject.neutral_spread))
        lines.append(f"  {skeleton.coordinate_names[k]:<18}{offset:+6.1f}  +-{spread:.1f}")
    return "\n".join(lines)
