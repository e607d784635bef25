"""`kinecast train inputs`: images of a set as an exported direct network takes them in, for its engines."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int

HELP = "write images as inputs of an exported direct network, for kinecast engines build --inputs"
N_DEFAULT = 800


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("network", type=Path, metavar="FILE.onnx", help="made by kinecast train export")
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", metavar="DIR",
        help="sets, such as that of kinecast train synth --held-out",
    )  # fmt: skip
    parser.add_argument("--n", type=positive_int, default=N_DEFAULT, metavar="N", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="file of the inputs")


def run(args: argparse.Namespace) -> int:
    """Crop images as the tracker would, and write them."""
    import numpy as np

    from calib.skeleton import load_skeleton
    from engines.spec import load_spec
    from train.direct.examples import DirectExamples
    from train.direct.layout import DirectLayout
    from train.direct.sources import ShardPictures

    layout = DirectLayout.of(load_skeleton())
    spec = load_spec(args.network)
    source = ShardPictures(args.data, layout.skeleton, with_clips=False)
    examples = DirectExamples(source, layout, spec.inputs[0].shape[0])
    chosen = np.unique(np.linspace(0, len(source) - 1, min(args.n, len(source))).astype(int)).tolist()
    made = [examples[k] for k in chosen]
    images = np.stack([np.asarray(m["image"]).transpose(1, 2, 0)[..., ::-1] for m in made])
    np.savez_compressed(args.out, image=images, log_reach=np.stack([m["log_reach"] for m in made]))
    print(
        f"{args.out}: {len(made)} images; use them: kinecast engines build {args.network} --inputs {args.out}"
    )
    return 0
