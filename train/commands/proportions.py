"""`kinecast train proportions`: fit segment lengths to stature, images and sex."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.errors import TrainError

HELP = "fit segment lengths to stature, sex and upright images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("data", type=Path, nargs="+", metavar="DIR", help="made by kinecast train lift-data")
    parser.add_argument(
        "--held-out",
        type=Path,
        required=True,
        metavar="DIR",
        help="made by kinecast train lift-data --held-out",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="file of the table")


def run(args: argparse.Namespace) -> int:
    """Fit, measure on held-out adults, write."""
    from calib.proportions import SEGMENTS
    from train.blazepose.data import LiftData, concatenated
    from train.bodies.puppet import PuppetPool
    from train.lift.proportions import Adults, fit_proportions, upright_blocks, write_table

    pool = PuppetPool()
    learnt = upright_blocks(concatenated([LiftData.load(folder) for folder in args.data]))
    other = upright_blocks(LiftData.load(args.held_out))
    if set(learnt.adult) & set(other.adult):
        raise TrainError(f"{args.held_out}: shows people of the training data; make it with --held-out")
    regressions = fit_proportions(learnt, other, pool, Adults.of(pool))
    n_blocks, n_people = len(learnt.adult), len(set(learnt.adult))
    source = (
        f"kinecast train proportions: {n_blocks} blocks of upright pictures of {n_people} synthetic adults; "
        f"spread and errors on {len(other.adult)} blocks of {len(set(other.adult))} others"
    )
    write_table(args.out, regressions, source)
    print(source)
    print(f"{'mean error in %':<26}" + "".join(f"{name:>19}" for name in SEGMENTS))
    for name, row in regressions.items():
        errors = row["mean_error_percent"]
        print(f"{name:<26}" + "".join(f"{value:>19}" for value in errors))
    return 0
