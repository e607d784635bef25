"""`kinecast train sheet`: look at a set of synthetic people."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "draw images of a set with the skeleton on top"

_SHEET_IMAGES, _WORST_IMAGES, _WORST_SCALE = 64, 1000, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="made by kinecast train synth")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".png or .jpg")
    parser.add_argument(
        "--n", type=positive_int, metavar="N",
        help=f"images, default: {_SHEET_IMAGES}; with --worst: to choose from, default: {_WORST_IMAGES}",
    )  # fmt: skip
    parser.add_argument(
        "--worst",
        action="store_true",
        help="only the one that shows a joint centre farthest from its skin",
    )
    parser.add_argument(
        "--bodies", type=Path, metavar="FILE", help="exported adults of the set; default: Anny's"
    )


def run(args: argparse.Namespace) -> int:
    """Draw."""
    from calib.skeleton import load_skeleton
    from train.bodies.puppet import PuppetPool
    from train.synth.folder import read_description
    from train.synth.sheet import contact_sheet, draw_skeleton, find_worst, joint_body, pick, ring, save_image

    description, skeleton = read_description(args.folder), load_skeleton()
    if not args.worst:
        pictures = pick(args.folder, description, args.n or _SHEET_IMAGES)
        save_image(args.out, contact_sheet([draw_skeleton(picture, skeleton) for picture in pictures]))
        print(f"{args.out}: {len(pictures)} images")
        return 0
    pool = PuppetPool(skeleton, args.bodies)
    worst = find_worst(args.folder, description, pool, args.n or _WORST_IMAGES)
    image = draw_skeleton(worst.picture, skeleton, _WORST_SCALE)
    centre_px = worst.picture.labels.centres_px[joint_body(worst.joint, skeleton)]
    ring(image, centre_px * _WORST_SCALE, 8.0 * _WORST_SCALE)
    save_image(args.out, image)
    print(
        f"{args.out}: {worst.picture.key}, {worst.picture.labels.motion}: {worst.joint} is "
        f"{1e3 * worst.residual_m:.1f} mm from the skin's, the worst of {worst.n}"
    )
    return 0
