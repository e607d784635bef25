"""`kinecast train temporal`: fit the network that refines each frame by those before it, and export it."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int
from train.errors import TrainError

HELP = "fit the causal temporal network over the lifter's output, and export it"
HELD_OUT_EVERY = 12
"""As for the lifter: every twelfth adult is kept to measure on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="of train lift-data")
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="of train lift-clips")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="the network")
    parser.add_argument("--kind", default="tcn", metavar="KIND", help="tcn, gru, transformer, unet")
    parser.add_argument(
        "--width", type=positive_int, metavar="N", help="of the network; default: by its kind"
    )
    parser.add_argument("--epochs", type=positive_int, default=30, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--lift-epochs", type=positive_int, default=25, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Fit two lifters on half of the people each, then the network; measure on other people; export."""
    from calib.skeleton import load_skeleton
    from train.export_temporal import export_temporal
    from train.fit_lift import LiftOptions
    from train.fit_temporal import TemporalOptions
    from train.lift import lifted_coordinates
    from train.lift_data import LiftData
    from train.temporal_loss import LossWeights
    from train.temporal_training import (
        SequenceSource,
        crossed_lift,
        crossed_lifters,
        halves,
        score_temporal,
        train_temporal,
    )  # fmt: skip

    if args.out.suffix != ".onnx":
        raise TrainError(f"{args.out}: the name must end in .onnx")
    skeleton = load_skeleton()
    pictures, clips = LiftData.load(args.pictures), LiftData.load(args.clips)
    known = [data.rows(data.adult % HELD_OUT_EVERY != 0) for data in (pictures, clips)]
    other = [data.rows(data.adult % HELD_OUT_EVERY == 0) for data in (pictures, clips)]
    models = crossed_lifters(known[0], skeleton, LiftOptions(args.lift_epochs, seed=args.seed), print)
    even, odd = crossed_lift(models, skeleton)
    parts = [half for data in known for half in halves(data, skeleton, even, odd)]
    held_out = [SequenceSource(halves(data, skeleton, even, odd), skeleton, 0)(0) for data in other]

    def tell(epoch: int, loss: float, network: object) -> None:
        print(f"{epoch + 1:>4} loss {loss:.4f}", flush=True)

    network = train_temporal(
        args.kind,
        SequenceSource(parts, skeleton, args.seed),
        models[0].target_scale,
        TemporalOptions(epochs=args.epochs, seed=args.seed),
        LossWeights(),
        tell,
        width=args.width,
    )
    for name, sequences in zip(("pictures", "clips"), held_out, strict=True):
        print(f"  other people, {name}: {score_temporal(network, sequences, skeleton)}")
    export_temporal(
        network, args.out, args.out.stem,
        coordinate_names=lifted_coordinates(skeleton), skeleton_sha=skeleton.sha,
    )  # fmt: skip
    print(f"{args.out}: exported; the same in ONNX Runtime as in torch")
    return 0
