"""`kinecast train lift-data`: run BlazePose over images of synthetic people."""

from __future__ import annotations

import argparse
import os

from train.commands.arguments import add_lift_data_arguments, positive_int

HELP = "run BlazePose over images of synthetic people, to train the lifter and the patch network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_lift_data_arguments(parser)
    parser.add_argument(
        "--pictures", type=positive_int, default=24000, metavar="N", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Make the data that are missing."""
    from tqdm import tqdm

    from train.blazepose.data import PICTURE_PX
    from train.blazepose.pictures import make_lift_data
    from train.cluster import seen_from_anywhere
    from train.synth.people import BLOCK_SIZE
    from train.synth.stream import Recipe

    recipe = Recipe(args.seed, args.held_out, PICTURE_PX, args.backgrounds, args.motions).seen_from_anywhere()
    n_blocks = -(-args.pictures // BLOCK_SIZE)
    workers = args.workers or os.cpu_count() or 1
    with tqdm(total=n_blocks * BLOCK_SIZE, unit="picture", disable=None) as progress:
        for done in make_lift_data(seen_from_anywhere(args.out), recipe, n_blocks, workers, args.ray):
            progress.update(done * BLOCK_SIZE - progress.n)
    print(f"{args.out}: {n_blocks * BLOCK_SIZE} images done; train on them: kinecast train lift {args.out}")
    return 0
