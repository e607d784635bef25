"""`kinecast train synth`: write a set of synthetic images and clips with their labels."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from pathlib import Path

from train.commands.arguments import add_ray_argument, positive_int
from train.errors import TrainError

HELP = "write labelled images and clips of synthetic people as WebDataset shards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="output folder; an interrupted run continues there",
    )
    parser.add_argument("--images", type=positive_int, metavar="N", help="single images")
    parser.add_argument("--clips", type=positive_int, metavar="N", help="clips of four seconds")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--workers", type=positive_int, metavar="W", help="processes; their number changes nothing else"
    )
    add_ray_argument(parser)
    parser.add_argument(
        "--size",
        type=positive_int,
        default=256,
        metavar="PX",
        help="side of an image, default: %(default)s",
    )
    parser.add_argument(
        "--held-out", action="store_true",
        help="people and motions kept for evaluation; alone it makes the set that networks are compared on",
    )  # fmt: skip
    parser.add_argument(
        "--backgrounds",
        type=Path,
        metavar="DIR",
        help="folder of .hdr panoramas; default: procedural ones alone",
    )
    parser.add_argument(
        "--motions", default="procedural", metavar="SOURCE",
        help="captured motion to add: captured, names of its sources, a folder or a file; default: none",
    )  # fmt: skip
    parser.add_argument("--bodies", type=Path, metavar="FILE", help="exported adults; default: Anny's")


def run(args: argparse.Namespace) -> int:
    """Make the set, or what is missing of it."""
    from tqdm import tqdm

    from train.cluster import seen_from_anywhere
    from train.synth.folder import SetDescription, begin, locked
    from train.synth.recipe import HELD_OUT_CLIPS, HELD_OUT_IMAGES, Recipe
    from train.synth.stream import make_shards
    from train.synth.workers import ClusterWorkers, Workers

    images, clips = args.images or 0, args.clips or 0
    if not images and not clips:
        if not args.held_out:
            raise TrainError("nothing to make: give --images N, --clips N or --held-out")
        images, clips = HELD_OUT_IMAGES, HELD_OUT_CLIPS
    recipe = Recipe(args.seed, args.held_out, args.size, args.backgrounds, args.motions, args.bodies)
    description = SetDescription.of(recipe, recipe.open(), images=images, clips=clips)
    with locked(args.out):
        missing = begin(args.out, description)
        start_s = time.perf_counter()
        workers = min(args.workers or os.cpu_count() or 1, len(missing))
        if missing:
            away = recipe.seen_from_anywhere()
            with (
                Workers(recipe, workers)
                if args.ray is None
                else nullcontext(ClusterWorkers(away, args.ray)) as pool,
                tqdm(total=sum(shard.n for shard in missing), unit=" samples", disable=None) as progress,
            ):
                for shard in make_shards(pool, missing, seen_from_anywhere(args.out)):
                    progress.update(shard.n)
    took_s = time.perf_counter() - start_s
    size_mb = sum(path.stat().st_size for path in args.out.glob("*.tar")) / 1e6
    print(f"{args.out}: {images} images and {clips} clips, {size_mb:.0f} MB; took {took_s:.0f} s")
    return 0
