"""`kinecast train simulate`: simulate BlazePose on people who are not rendered."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from train.commands.arguments import add_ray_argument, positive_int

HELP = "simulate BlazePose on clips without rendering, to train the lifter and the temporal network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("model", type=Path, metavar="FILE.safetensors", help="made by kinecast train observe")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; the run resumes if it exists"
    )
    parser.add_argument("--clips", type=positive_int, default=8000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--workers", type=positive_int, metavar="W", help="number of processes; default: one per core"
    )
    add_ray_argument(parser)
    parser.add_argument("--held-out", action="store_true", help="draw the people held out for evaluation")
    parser.add_argument("--motions", default="procedural", metavar="SOURCE", help="as for train synth")
    parser.add_argument(
        "--rates", type=positive_int, nargs="+", default=[3], metavar="FPS",
        help="frame rates; default: 3, for train lift; use 25 30 60 for train temporal",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make the clips that are missing."""
    from tqdm import tqdm

    from train.blazepose.simulated_files import Simulation, make_simulated_clips
    from train.cluster import seen_from_anywhere, source_seen_from_anywhere

    model, motions = seen_from_anywhere(args.model), source_seen_from_anywhere(args.motions)
    simulation = Simulation(
        model, args.seed, args.held_out, motions, tuple(float(rate) for rate in args.rates)
    )
    out = seen_from_anywhere(args.out)
    workers = args.workers or os.cpu_count() or 1
    with tqdm(total=args.clips, unit="clip", disable=None) as progress:
        for done in make_simulated_clips(out, simulation, args.clips, workers, args.ray):
            progress.update(done - progress.n)
    print(
        f"{args.out}: {args.clips} clips; train on them: kinecast train lift --simulated {args.out}, or "
        f"kinecast train temporal {args.out}"
    )
    return 0
