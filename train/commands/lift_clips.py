"""`kinecast train lift-clips`: run BlazePose over rendered clips of synthetic people."""

from __future__ import annotations

import argparse
import os

from train.commands.arguments import add_lift_data_arguments, positive_int

HELP = "run BlazePose over rendered clips of synthetic people, to train the temporal or the fusion network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_lift_data_arguments(parser)
    parser.add_argument("--clips", type=positive_int, default=400, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--views", type=int, choices=[2, 3, 4], metavar="2|3|4",
        help="number of cameras that see each clip at once, for kinecast train fusion; default: one camera",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=positive_int, default=8, metavar="HZ",
        help="frames a second with --views: fewer show more people for the same work; default: %(default)s",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make the clips that are missing."""
    from tqdm import tqdm

    from train.blazepose.clips import make_lift_clips
    from train.blazepose.data import CLIP_PX
    from train.blazepose.views import make_views_clips
    from train.cluster import seen_from_anywhere
    from train.synth.stream import Recipe

    recipe = Recipe(args.seed, args.held_out, CLIP_PX, args.backgrounds, args.motions).seen_from_anywhere()
    workers = args.workers or os.cpu_count() or 1
    folder = seen_from_anywhere(args.out)
    if args.views is None:
        made = make_lift_clips(folder, recipe, args.clips, workers, args.ray)
    else:
        made = make_views_clips(folder, recipe, args.clips, args.views, args.rate, workers, args.ray)
    with tqdm(total=args.clips, unit="clip", disable=None) as progress:
        for done in made:
            progress.update(done - progress.n)
    print(f"{args.out}: {args.clips} clips done")
    return 0
