"""`kinecast train import`: other people's labelled videos as sets for training and evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int
from train.errors import TrainError

HELP = "read other people's labelled videos (BML-MoVi with D3KE's labels, ODAH of BANet, OpenCap) as a set"
LAYOUTS = ("bmlmovi", "odah", "opencap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("layout", choices=LAYOUTS, help="how the folder is laid out; see train/README.md")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, metavar="SET", help="folder of the set")
    parser.add_argument(
        "--every",
        type=positive_int,
        default=5,
        metavar="N",
        help="take one of N frames; default: %(default)s",
    )
    parser.add_argument("--offline", action="store_true", help="do not use the network")


def run(args: argparse.Namespace) -> int:
    """Read, check, write, and say what was left out."""
    from calib.skeleton import load_skeleton
    from engines.assets import fetch
    from engines.blazepose.tracker import BlazePose
    from train.importing import bmlmovi, odah, opencap
    from train.importing.write import check_takes, write_imported_set

    if not args.folder.is_dir():
        raise TrainError(f"{args.folder}: no such folder")
    skeleton = load_skeleton()
    find_takes = {"bmlmovi": bmlmovi, "odah": odah, "opencap": opencap}[args.layout].find_takes
    takes, remarks = find_takes(args.folder, skeleton, args.every)
    check_takes(takes)
    networks = [fetch(name, offline=args.offline) for name in ("pose_landmark_full", "pose_detection")]
    blazepose = BlazePose(networks[0], networks[1], n_threads=1)
    result = write_imported_set(takes, skeleton, blazepose, args.out, args.layout)
    names = skeleton.coordinate_names
    unknown = [n for k, n in enumerate(names) if n not in result.stated and not skeleton.is_dependent[k]]
    print(
        f"{args.out}: {result.images} images of {result.takes} takes; joint centres lie "
        f"{max(result.miss_percent):.1f} % of the person's height or less from where BlazePose sees them"
    )
    print(f"  not stated by the source, so without weight: {', '.join(unknown) or 'nothing'}")
    for line in [*remarks, *result.left_out]:
        print(f"  left out: {line}")
    print(f"use it: kinecast train spatial --data {args.out}, train evaluate, or train lift {args.out}")
    return 0
