"""Argument types and groups that commands share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def positive_int(text: str) -> int:
    """Parse an integer from 1."""
    if not re.fullmatch(r"\d{1,12}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def add_ray_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the address of a cluster."""
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="Ray cluster that does the work, such as 10.0.0.1:6379 or auto; --out is on storage that all "
        "its machines share",
    )  # fmt: skip


def add_lift_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the commands that run BlazePose over synthetic people."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; the run resumes if it exists"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--workers", type=positive_int, metavar="W", help="number of processes; default: one per core"
    )
    add_ray_argument(parser)
    parser.add_argument("--held-out", action="store_true", help="draw the people held out for evaluation")
    parser.add_argument(
        "--backgrounds",
        type=Path,
        metavar="DIR",
        help="folder of .hdr panoramas; default: procedural backgrounds",
    )
    parser.add_argument("--motions", default="procedural", metavar="SOURCE", help="as for train synth")


def whole_number(text: str) -> int:
    """Parse an integer from 0."""
    if not re.fullmatch(r"\d{1,12}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
