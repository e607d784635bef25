"""`kinecast train lift`: train the lifter and export it for live use."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int
from train.errors import TrainError

HELP = "train the lifter, from landmarks to coordinates, and export it"
HELD_OUT_EVERY = 12
"""Every twelfth adult is held out to measure the error."""
MIN_INTERVAL_S = 0.45
"""Smallest interval between the training frames of a clip; closer ones hardly differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "data", type=Path, nargs="+", metavar="DIR", help="made by kinecast train lift-data or lift-clips"
    )
    parser.add_argument(
        "--simulated",
        type=Path,
        metavar="DIR",
        help="simulated clips for the first part of training, made by kinecast train simulate",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="file of the network")
    parser.add_argument("--epochs", type=positive_int, default=40, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--networks",
        type=positive_int,
        metavar="N",
        help="number of new networks to average; default: 1",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE.onnx",
        help="lifter to train further, instead of new networks: engines/data/lifter.onnx is the shipped one",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Train, measure on held-out adults, export."""
    from calib.skeleton import load_skeleton
    from train.blazepose.data import LiftData, concatenated
    from train.lift.errors import MIN_IMAGES, write_error_correlation
    from train.lift.export import export_lift
    from train.lift.exported import exported_models
    from train.lift.fit import LiftOptions, fit_lift, score

    if args.out.suffix != ".onnx":
        raise TrainError(f"{args.out}: the name must end in .onnx")
    if args.start is not None and args.networks is not None:
        raise TrainError(f"{args.start} says how many networks there are; leave out --networks, or --start")
    skeleton = load_skeleton()
    data = concatenated([LiftData.load(folder).apart(MIN_INTERVAL_S) for folder in args.data])
    held_out = data.adult % HELD_OUT_EVERY == 0
    learnt, other = data.rows(~held_out), data.rows(held_out)
    simulated = None if args.simulated is None else LiftData.load(args.simulated)
    if simulated is not None:
        simulated = simulated.rows(simulated.adult % HELD_OUT_EVERY != 0)
    print(f"{len(learnt)} training images, {len(other)} images of held-out people")
    starts = [None] * (args.networks or 1) if args.start is None else exported_models(args.start, skeleton)
    models = []
    for k, start in enumerate(starts):
        options = LiftOptions(epochs=args.epochs, seed=args.seed + k)
        models.append(
            fit_lift(
                learnt,
                skeleton,
                options,
                lambda epoch, loss, _: print(f"{epoch + 1:>4} loss {loss:.4f}", flush=True),
                simulated=simulated,
                start=start,
            )
        )
        for name, value in (score(models[-1], other, skeleton) if len(other) else {}).items():
            print(f"  {name:<20}{value:6.1f} deg")
    export_lift(models, skeleton, args.out, args.out.stem)
    if not write_error_correlation(args.out, other, skeleton):
        print(f"{len(other)} images of held-out people; {MIN_IMAGES} would tell how its errors go together")
    print(f"{args.out}: exported; the same in ONNX Runtime as in torch")
    return 0
