"""`kinecast export`: a recording as a file of another program."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.arguments import (
    add_cycle_options,
    add_of_person_option,
    check_can_write,
    cycle_options,
)

HELP = "write a recording as C3D, BVH, CSV, Excel, Parquet or .mot"
KINDS = ("c3d", "bvh", "csv", "xlsx", "parquet", "mot")
TABLES = ("angles", "ranges", "events", "repetitions", "repetition_ranges", "symmetry", "mean_curves")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")
    parser.add_argument("--to", dest="kind", choices=KINDS, required=True, help="kind of file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--table",
        choices=TABLES,
        default=TABLES[0],
        help="table of a CSV or Parquet file; default: %(default)s",
    )
    add_of_person_option(parser, "recording")
    add_cycle_options(parser)
    parser.add_argument("--replace", action="store_true", help="replace an existing file")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from realtime.export.export import ExportOptions, export
    from realtime.export.motion import load_recording

    motion = load_recording(args.recording, person=args.of_person)
    check_can_write(args.out)
    options = ExportOptions(table=args.table, cycles=cycle_options(args))
    export(motion, args.kind, args.out, replace=args.replace, options=options)
    print(f"{len(motion.time_s)} samples written to {args.out}")
    return 0
