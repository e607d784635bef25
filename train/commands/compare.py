"""`kinecast train compare`: encoders, heads and losses under one equal budget, in one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from train.commands.arguments import positive_int, whole_number

HELP = "compare encoders, heads and loss terms with equal training budgets"
DEFAULT_VARIANTS = (
    "resnext26_small", "resnext26_small:d3ke", "resnet18", "resnext50_32x4d", "resnext101_32x8d", "hourglass",
    "blazepose",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "variants", nargs="*", metavar="ENCODER[:PRESET][-TERM...]",
        help="such as resnext26_small:kinecast-points-flip; default: all encoders, and D3KE's head once",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="training sets")
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="set to measure on")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; the run resumes if it exists"
    )
    parser.add_argument(
        "--images", type=positive_int, default=100_000, metavar="N",
        help="training images per variant; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--input", type=positive_int, metavar="PX", help="side of the input images; default: each encoder's"
    )
    parser.add_argument("--batch", type=positive_int, default=32, metavar="N", help="default: %(default)s")
    parser.add_argument("--workers", type=whole_number, default=1, metavar="W", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Fit, measure, print and write `comparison.md` and `comparison.json`."""
    from calib.skeleton import load_skeleton
    from train.direct.compare import Variant, compare, format_rows
    from train.direct.fit import FitOptions
    from train.direct.layout import DirectLayout
    from train.direct.sources import ShardPictures

    variants = [Variant.parse(text) for text in args.variants or DEFAULT_VARIANTS]
    layout = DirectLayout.of(load_skeleton())
    source = ShardPictures(args.data, layout.skeleton)
    held_out = ShardPictures([args.held_out], layout.skeleton, with_clips=False)
    options = FitOptions(images=args.images, batch_size=args.batch, workers=args.workers).shortened()
    lines = []
    for line in compare(variants, layout, source, held_out, args.out, options, args.input or 0):
        lines.append(line)
        table = format_rows(lines, args.images)
        (args.out / "comparison.md").write_text(table + "\n")
        rows = [row.as_dict() for row in lines]
        (args.out / "comparison.json").write_text(json.dumps(rows, indent=2) + "\n")
        print(f"{line.variant}: all angles {line.score.angle_mae_deg:.2f} deg", flush=True)
    print(table)
    return 0
