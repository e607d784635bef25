"""`kinecast train fusion`: train a network that fuses several views, and measure it on held-out people."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "train a network over several views, and compare it with the mean of what the lifter makes of each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "data", type=Path, metavar="DIR", help="clips made by kinecast train lift-clips --views N"
    )
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="clips of other people")
    parser.add_argument("--epochs", type=positive_int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table here, too")


def run(args: argparse.Namespace) -> int:
    """Train, measure, print a table."""
    from calib.skeleton import load_skeleton
    from engines.shipped import shipped_lifter_path
    from train.fusion.data import load_moments
    from train.fusion.fit import FusionOptions, errors_deg, fit_fusion, format_errors, training_rows
    from train.lift.exported import exported_lift

    skeleton = load_skeleton()
    lift = exported_lift(shipped_lifter_path(), skeleton)
    held_out = load_moments(args.held_out, skeleton, lift)
    sets = training_rows(load_moments(args.data, skeleton, lift), skeleton)
    print(f"{sum(map(len, sets))} choices of views of training moments", flush=True)
    model = fit_fusion(
        sets,
        FusionOptions(epochs=args.epochs, seed=args.seed),
        lambda epoch, loss: print(f"{epoch + 1:>4} loss {loss:.4f}", flush=True),
    )
    rows = {}
    for n_views in range(2, held_out[0].seen.shape[1] + 1):
        for what, one in (("mean of the views", None), ("network", model)):
            rows[f"{what}, {n_views} views"] = errors_deg(one, held_out, n_views, skeleton)
    table = format_errors(rows, skeleton)
    print(table)
    if args.out is not None:
        args.out.write_text(table + "\n")
    return 0
