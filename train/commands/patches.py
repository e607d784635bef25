"""`kinecast train patches`: train the patch network and export it for live use."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int
from train.errors import TrainError

HELP = "train the network that looks at patches of the image, and export it"
HELD_OUT_EVERY = 12
"""Every twelfth adult is held out to measure the error."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("data", type=Path, nargs="+", metavar="DIR", help="made by kinecast train lift-data")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="file of the network")
    parser.add_argument("--epochs", type=positive_int, default=4, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Train, measure on held-out adults, export."""
    from calib.skeleton import load_skeleton
    from train.patches.data import cut_folders
    from train.patches.export import export_patches
    from train.patches.fit import PatchOptions, errors_of_region, fit_patches, look

    if args.out.suffix != ".onnx":
        raise TrainError(f"{args.out}: the name must end in .onnx")
    skeleton = load_skeleton()
    data = cut_folders(args.data, skeleton)
    is_other = data.adult % HELD_OUT_EVERY == 0
    learnt, other = data.rows(~is_other), data.rows(is_other)
    print(f"{len(learnt)} training images, {len(other)} images of held-out people")
    network = fit_patches(
        learnt,
        PatchOptions(epochs=args.epochs, seed=args.seed),
        lambda step, n, loss: print(f"{step:>6} of {n} loss {loss:.3f}", flush=True),
    )
    if len(other):
        print("median distance in percent of the side of BlazePose's region, about 2.4 cm each:")
        for name, value in errors_of_region(look(network, other), other.truth).items():
            print(f"  {name:<12}{value:6.2f} percent")
    export_patches(network, skeleton, args.out, args.out.stem)
    print(f"{args.out}: exported; the same in ONNX Runtime as in torch")
    return 0
