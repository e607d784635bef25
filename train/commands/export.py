"""`kinecast train export`: a direct network as an ONNX file for live use."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.errors import TrainError

HELP = "export a direct network as ONNX for kinecast live --estimator direct, with its weights beside it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("network", type=Path, nargs="?", metavar="DIR", help="made by kinecast train spatial")
    what.add_argument(
        "--untrained",
        metavar="ENCODER",
        help="export an untrained network of this encoder, to measure speed",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="file of the network")


def run(args: argparse.Namespace) -> int:
    """Export, and check against torch."""
    from calib.skeleton import load_skeleton
    from train.direct.checkpoint import load_network, save_weights
    from train.direct.export import export_direct, untrained_network
    from train.direct.layout import DirectLayout

    if args.out.suffix != ".onnx":
        raise TrainError(f"{args.out}: the name must end in .onnx")
    layout = DirectLayout.of(load_skeleton())
    if args.untrained is not None:
        export_direct(
            untrained_network(args.untrained, layout), layout, args.out, f"untrained {args.untrained}"
        )
        print(f"{args.out}: exported, untrained; measure its speed: kinecast engines bench {args.out}")
        return 0
    network, spec = load_network(args.network, layout.skeleton)
    export_direct(network, layout, args.out, f"{spec.network.encoder} after {spec.images} images")
    save_weights(args.out.with_suffix(".safetensors"), network, spec)
    print(
        f"{args.out}: exported; the same in ONNX Runtime as in torch; use it: kinecast live "
        f"--estimator direct --model-path {args.out}; make it faster: kinecast engines build {args.out}"
    )
    return 0
