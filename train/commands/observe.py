"""`kinecast train observe`: fit the observation model, which simulates BlazePose."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int
from train.errors import TrainError

HELP = "fit the observation model, which simulates BlazePose on people who are not rendered"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "data",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="images and clips, made by kinecast train lift-data and lift-clips",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.safetensors", help="file of the model"
    )
    parser.add_argument("--steps", type=positive_int, default=3000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--check", type=Path, metavar="DIR", help="held-out clips to compare the model with")
    parser.add_argument(
        "--lifter", type=Path, metavar="FILE.onnx", help="lifter for --check; default: the one that ships"
    )


def run(args: argparse.Namespace) -> int:
    """Fit, save, compare."""
    from calib.skeleton import load_skeleton
    from train.blazepose.data import LiftData
    from train.blazepose.files import save_model
    from train.blazepose.fit import fit_observation, split_sources
    from train.blazepose.network import MeanOptions

    if args.out.suffix != ".safetensors":
        raise TrainError(f"{args.out}: the name must end in .safetensors")
    skeleton = load_skeleton()
    pictures, clips = split_sources([LiftData.load(folder) for folder in args.data])
    print(f"{len(pictures)} images, {len(clips)} frames of {len(list(clips.clips()))} clips")
    model = fit_observation(pictures, clips, skeleton, MeanOptions(steps=args.steps, seed=args.seed))
    save_model(model, args.out)
    print(f"{args.out}: written; simulate clips: kinecast train simulate {args.out}")
    if args.check is not None:
        from engines.shipped import shipped_lifter_path
        from train.lift.exported import exported_lift
        from train.lift.simulation_report import compare, table

        lift = exported_lift(args.lifter or shipped_lifter_path(), skeleton)
        print(table(*compare(model, LiftData.load(args.check), skeleton, lift)))
    return 0
