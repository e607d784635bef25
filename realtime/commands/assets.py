"""`kinecast assets`: third-party models and clips that kinecast uses."""

from __future__ import annotations

import argparse

HELP = "list or download the models and clips that kinecast uses"
NEEDED = ("pose_detection", "pose_landmark_full", "demo_clip")
"""Assets of the default estimator and the demonstration."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="list|fetch")
    actions.add_parser("list", help="list all assets with licence and location (the default)")
    fetch = actions.add_parser("fetch", help="download missing assets")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="default: all that tracking needs")
    fetch.add_argument(
        "--offline", action="store_true", help="do not use the network; fail if an asset is missing"
    )


def run(args: argparse.Namespace) -> int:
    """List or download assets."""
    if args.action == "fetch":
        return _fetch(args.names, offline=args.offline)
    return _list()


def _list() -> int:
    from engines import assets

    for asset in assets.ASSETS.values():
        path = assets.find(asset.name)
        print(f"{asset.name:<22}{asset.licence:<14}{path if path else 'not fetched'}")
        print(f"{'':<22}{asset.source} ({asset.requirement})")
    return 0


def _fetch(names: list[str], *, offline: bool) -> int:
    from engines import assets

    for name in names or NEEDED:
        print(f"{name}: {assets.fetch(name, offline=offline)}", flush=True)
    return 0
