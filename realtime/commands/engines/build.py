"""`kinecast engines build`: compile a network for this machine, verify it, and keep what passes."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.engines.options import add_source_options, outcomes_of, source_of

HELP = "compile a network for this machine, verify its angles, and keep engines that pass"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_source_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for engines; default: the user's cache, where kinecast live looks for them",
    )


def run(args: argparse.Namespace) -> int:
    """Build engines, and print which one `live` will use."""
    from engines.building.folder import default_engines_dir

    root = args.out or default_engines_dir()
    built = [
        (outcome.manifest.speed.p50_ms, outcome)
        for outcome in outcomes_of(args, source_of(args), root)
        if outcome.manifest is not None
    ]
    _, fastest = min(built, key=lambda item: item[0])
    print(f"fastest: {fastest.name}, in {fastest.folder}")
    if args.out is None:
        print(f"used automatically: kinecast live --estimator direct --model-path {args.model}")
    else:
        print(f"use it with: kinecast live --estimator direct --model-path {fastest.folder}")
    return 0
