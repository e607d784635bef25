"""`kinecast train evaluate`: measure a direct network on images with known labels."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "measure a direct network on sets of labelled images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("network", type=Path, metavar="DIR", help="made by kinecast train spatial")
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", metavar="DIR",
        help="sets to measure on, such as one made by kinecast train synth --held-out",
    )  # fmt: skip
    parser.add_argument(
        "--n", type=positive_int, metavar="N", help="number of images, from the first; default: all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for the result")


def run(args: argparse.Namespace) -> int:
    """Measure and print a table."""
    from calib.skeleton import load_skeleton
    from train.direct.checkpoint import load_network
    from train.direct.examples import DirectExamples
    from train.direct.layout import DirectLayout
    from train.direct.metrics import format_score, score_examples
    from train.direct.sources import ShardPictures

    layout = DirectLayout.of(load_skeleton())
    network, spec = load_network(args.network, layout.skeleton)
    source = ShardPictures(args.data, layout.skeleton, with_clips=False)
    result = score_examples(network, layout, DirectExamples(source, layout, spec.network.side_px), n=args.n)
    print(f"{spec.network.encoder}, {spec.images} images seen; measured on {source.identity}")
    print(format_score(result))
    if args.json is not None:
        args.json.write_text(json.dumps({"network": asdict(spec), **asdict(result)}, indent=2) + "\n")
    return 0
