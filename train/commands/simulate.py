"""`kinecast train simulate`: simulate BlazePose on people who are not rendered."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "let an observation model film people without pictures, for the lifter to learn from first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("model", type=Path, metavar="FILE.safetensors", help="by kinecast train observe")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="goes on with what is there")
    parser.add_argument("--clips", type=positive_int, default=8000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--workers", type=positive_int, metavar="W", help="processes; default: one a core")
    parser.add_argument("--held-out", action="store_true", help="people kept for evaluation")
    parser.add_argument("--motions", default="procedural", metavar="SOURCE", help="as for train synth")
    parser.add_argument(
        "--rates", type=positive_int, nargs="+", default=[3], metavar="FPS",
        help="frames a second; default: 3, for the lifter; for train temporal: 25 30 60",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make the clips, or what is missing of them."""
    from tqdm import tqdm

    from train.blazepose.simulated_files import Simulation, make_simulated_clips

    simulation = Simulation(
        args.model, args.seed, args.held_out, args.motions, tuple(float(rate) for rate in args.rates)
    )
    workers = args.workers or os.cpu_count() or 1
    with tqdm(total=args.clips, unit="clip", disable=None) as progress:
        for done in make_simulated_clips(args.out, simulation, args.clips, workers):
            progress.update(done - progress.n)
    print(
        f"{args.out}: {args.clips} clips; learn from them: kinecast train lift --simulated {args.out}, or "
        f"kinecast train temporal {args.out}"
    )
    return 0
