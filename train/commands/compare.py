"""`kinecast train compare`: encoders, heads and losses under one equal budget, in one table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from train.commands.arguments import positive_int, whole_number

if TYPE_CHECKING:
    from train.direct.compare import ComparisonRow

HELP = "compare encoders, heads and loss terms, and BANet's on two views, with equal training budgets"
DEFAULT_VARIANTS = (
    "resnext26_small", "resnext26_small:d3ke", "resnet18", "resnext50_32x4d", "resnext101_32x8d", "hourglass",
    "blazepose",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "variants", nargs="*", metavar="ENCODER[:PRESET][-TERM...]",
        help="such as resnext26_small:kinecast-points-flip, or banet-2-views, which takes clips of several "
        "views; default: all encoders, D3KE's head once, and banet-2-views where --data has such clips",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="DIR",
        help="training sets, or folders of kinecast train lift-clips --views N, whose first two views count",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", type=Path, required=True, metavar="DIR", help="set to measure on, of the same kind"
    )
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
    from train.direct.compare import format_rows

    lines: list[ComparisonRow] = []
    for line in _rows(args):
        lines.append(line)
        table = format_rows(lines, args.images)
        (args.out / "comparison.md").write_text(table + "\n")
        rows = [row.as_dict() for row in lines]
        (args.out / "comparison.json").write_text(json.dumps(rows, indent=2) + "\n")
        print(f"{line.variant}: joint angles {line.score.joint_angle_mae_deg:.2f} deg", flush=True)
    print(table)
    return 0


def _rows(args: argparse.Namespace) -> Iterator[ComparisonRow]:
    """The results of all variants, in their order."""
    from calib.skeleton import load_skeleton
    from train.direct.compare import Variant, compare
    from train.direct.fit import FitOptions
    from train.direct.layout import DirectLayout
    from train.direct.sources import ShardPictures
    from train.fusion.banet_fit import NAME
    from train.fusion.compare import compare_views
    from train.fusion.pictures import ViewsPictures, holds_views

    of_views = holds_views(args.data)
    names = args.variants or [*DEFAULT_VARIANTS, *([NAME] if of_views else [])]
    variants = [None if name == NAME else Variant.parse(name) for name in names]
    layout = DirectLayout.of(load_skeleton())
    options = FitOptions(images=args.images, batch_size=args.batch, workers=args.workers).shortened()
    how = (args.out, options, args.input or 0)
    if of_views or None in variants:
        clips, others = (ViewsPictures(folders, layout.skeleton) for folders in (args.data, [args.held_out]))
        for variant in variants:
            if variant is None:
                yield from compare_views(layout, clips, others, *how)
            else:
                yield from compare([variant], layout, clips, others, *how)
        return
    source = ShardPictures(args.data, layout.skeleton)
    held_out = ShardPictures([args.held_out], layout.skeleton, with_clips=False)
    yield from compare(
        [variant for variant in variants if variant is not None], layout, source, held_out, *how
    )
