"""`kinecast train inputs`: images of a set as an exported network takes them in, for its engines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.commands.arguments import positive_int
from train.errors import TrainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELP = "write images as inputs of a direct or a patch network, for kinecast engines build --inputs"
N_DEFAULT = 800


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "network",
        type=Path,
        metavar="FILE.onnx",
        help="made by kinecast train export or kinecast train patches",
    )
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", metavar="DIR",
        help="sets, such as that of kinecast train synth --held-out; of kinecast train lift-data for patches",
    )  # fmt: skip
    parser.add_argument(
        "--n", type=positive_int, default=N_DEFAULT, metavar="N",
        help="number of images or of patches; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="file of the inputs")


def run(args: argparse.Namespace) -> int:
    """Crop images as live use would, and write them.

    Raises:
        EngineError: the network cannot be read.
        TrainError: it is neither a direct nor a patch network, or a set does not fit it.
    """
    import numpy as np

    from calib.skeleton import load_skeleton
    from engines.features.direct_outputs import INPUTS
    from engines.features.patches import is_patch_network
    from engines.spec import load_spec
    from train.patches.data import network_inputs

    spec, skeleton = load_spec(args.network), load_skeleton()
    names = tuple(tensor.name for tensor in spec.inputs)
    if is_patch_network(spec):
        what, arrays = "patches", network_inputs(args.data, skeleton, args.n)
    elif names == INPUTS:
        what, arrays = "images", _direct_inputs(args.data, spec.inputs[0].shape[0], args.n)
    else:
        raise TrainError(
            f"{args.network}: takes {', '.join(names)}; accepted: networks of kinecast train export and of "
            "kinecast train patches"
        )
    np.savez_compressed(args.out, **arrays)  # type: ignore[arg-type]
    n = len(next(iter(arrays.values())))
    print(f"{args.out}: {n} {what}; use them: kinecast engines build {args.network} --inputs {args.out}")
    return 0


def _direct_inputs(data: list[Path], side_px: int, n: int) -> dict[str, NDArray[Any]]:
    """Crops for a direct network."""
    import numpy as np

    from calib.skeleton import load_skeleton
    from train.direct.examples import DirectExamples
    from train.direct.layout import DirectLayout
    from train.direct.sources import ShardPictures

    layout = DirectLayout.of(load_skeleton())
    source = ShardPictures(data, layout.skeleton, with_clips=False)
    examples = DirectExamples(source, layout, side_px)
    chosen = np.unique(np.linspace(0, len(source) - 1, min(n, len(source))).astype(int)).tolist()
    made = [examples[k] for k in chosen]
    images = np.stack([np.asarray(m["image"]).transpose(1, 2, 0)[..., ::-1] for m in made])
    return {"image": images, "log_reach": np.stack([m["log_reach"] for m in made])}
