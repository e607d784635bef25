"""`kinecast engines build`: compile a network for this machine, verify it, and keep what passes."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.engines.options import add_source_options, outcomes_of, source_of

HELP = "compile a network for this machine, verify its answers, and keep engines that pass"


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
    from engines.building.parity import POINTS, measure_of

    root, source = args.out or default_engines_dir(), source_of(args)
    built = [
        (outcome.manifest.speed.p50_ms, outcome)
        for outcome in outcomes_of(args, source, root)
        if outcome.manifest is not None
    ]
    _, fastest = min(built, key=lambda item: item[0])
    print(f"fastest: {fastest.name}, in {fastest.folder}")
    if measure_of(source.spec) is POINTS:
        print(_patches_use(source.spec.sha256, args.out))
    elif args.out is None:
        print(f"used automatically: kinecast live --estimator direct --model-path {args.model}")
    else:
        print(f"use it with: kinecast live --estimator direct --model-path {fastest.folder}")
    return 0


def _patches_use(sha256: str, out: Path | None) -> str:
    """How an engine of a patch network comes to run."""
    from engines.shipped import shipped_patches_path
    from engines.spec import load_spec

    shipped = shipped_patches_path()
    if sha256 != load_spec(shipped).sha256:
        return f"kinecast live runs another patch network, the one that ships: {shipped}"
    if out is not None:
        return "kinecast live looks for it in the user's cache: leave out --out"
    return "used automatically: kinecast live, with the estimator lifted"
