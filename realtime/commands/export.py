"""`kinecast export`: a recording as a file of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a recording as C3D, BVH, CSV, Excel, Parquet or .mot"
KINDS = ("c3d", "bvh", "csv", "xlsx", "parquet", "mot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")
    parser.add_argument("--to", dest="kind", choices=KINDS, required=True, help="kind of file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--replace", action="store_true", help="replace an existing file")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from realtime.commands.arguments import check_can_write
    from realtime.export.export import export
    from realtime.export.motion import load_recording

    motion = load_recording(args.recording)
    check_can_write(args.out)
    export(motion, args.kind, args.out, replace=args.replace)
    print(f"{len(motion.time_s)} samples written to {args.out}")
    return 0
