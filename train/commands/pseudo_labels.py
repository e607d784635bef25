"""`kinecast train pseudo-labels`: recordings of real people as training images."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "make a training set from recordings, labelled by the estimator that tracked them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "recordings", type=Path, nargs="+", metavar="DIR", help="made by kinecast replay VIDEO --out DIR"
    )
    parser.add_argument(
        "--videos", type=Path, action="append", default=[], metavar="DIR",
        help="folder with the recordings' videos, here or below; may be given several times; default: beside "
        "each recording, or its own, of --record-video",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument(
        "--every",
        type=positive_int,
        default=5,
        metavar="N",
        help="use every Nth frame; default: %(default)s",
    )


def run(args: argparse.Namespace) -> int:
    """Read the recordings and write the set."""
    from calib.skeleton import load_skeleton
    from train.direct.pseudo_labels import read_recording, write_pseudo_set

    skeleton = load_skeleton()
    recordings = [read_recording(folder, skeleton, args.videos) for folder in args.recordings]
    n = write_pseudo_set(recordings, skeleton, args.out, args.every)
    print(
        f"{args.out}: {n} images of {len(recordings)} recordings; train on them: "
        f"kinecast train spatial --pseudo-labels {args.out}"
    )
    return 0
