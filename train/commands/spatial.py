"""`kinecast train spatial`: train the direct network, from images to coordinates."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from train.commands.arguments import positive_int, whole_number
from train.errors import TrainError

if TYPE_CHECKING:
    from train.direct.fit import Fit, FitOptions
    from train.direct.layout import DirectLayout
    from train.direct.sources import PictureSource

HELP = "train the direct network, from images to coordinates"
MEASURED_ON = 512
"""Number of held-out images of a measurement during training."""
MEASURED_EVERY = 4
"""Number of checkpoints between measurements."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR",
        help="sets made by kinecast train synth; default: people rendered on the fly",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder; the run resumes if it exists"
    )
    parser.add_argument("--held-out", type=Path, metavar="DIR", help="set to measure on during training")
    parser.add_argument(
        "--pseudo-labels", type=Path, metavar="DIR",
        help="images of real people to mix in, made by kinecast train pseudo-labels",
    )  # fmt: skip
    parser.add_argument(
        "--real-share",
        type=float,
        default=0.1,
        metavar="P",
        help="share of images of real people; default: %(default)s",
    )
    _add_network_arguments(parser)
    _add_fit_arguments(parser)


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder", default="resnext26_small", metavar="NAME",
        help="resnext26_small (default), resnet18, resnext50_32x4d, resnext101_32x8d, hourglass, blazepose",
    )  # fmt: skip
    parser.add_argument(
        "--preset",
        choices=("kinecast", "d3ke"),
        default="kinecast",
        help="heads and loss terms; default: kinecast",
    )
    parser.add_argument(
        "--input", type=positive_int, metavar="PX", help="side of the input images; default: the encoder's"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="initial weights, made by kinecast train export, or torchvision's ImageNet weights of a ResNet",
    )


def _add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", type=positive_int, default=1_000_000, metavar="N",
        help="total number of training images, earlier runs included; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--batch",
        type=positive_int,
        default=32,
        metavar="N",
        help="batch size per process; default: %(default)s",
    )
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="precision of the encoder"
    )
    parser.add_argument(
        "--workers", type=whole_number, default=1, metavar="W",
        help="number of processes that make batches; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--save-every", type=positive_int, default=500, metavar="STEPS", help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--no-flip", action="store_true", help="do not mirror images")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="TERM", help="terms of the loss to switch off"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or resume training."""
    from calib.skeleton import load_skeleton
    from train.direct.distributed import distributed_context
    from train.direct.fit import Fit
    from train.direct.layout import DirectLayout
    from train.direct.loop import run_fit
    from train.direct.losses import preset
    from train.direct.network import NetworkConfig
    from train.direct.sources import ShardPictures, StreamPictures
    from train.synth.recipe import Recipe

    skeleton = load_skeleton()
    layout = DirectLayout.of(skeleton)
    network = NetworkConfig(args.encoder, args.preset, args.input or 0)
    source = ShardPictures(args.data, skeleton) if args.data else StreamPictures(Recipe(args.seed))
    real = None if args.pseudo_labels is None else ShardPictures([args.pseudo_labels], skeleton)
    measure = None
    if args.held_out is not None:
        measure = _measure(ShardPictures([args.held_out], skeleton, with_clips=False), layout)
    options, weights = _options(args), preset(args.preset, args.without)
    with distributed_context() as rank:
        fit = Fit(network, layout, source, options, weights, args.out, rank, real)
        if args.weights is not None and fit.spec.step == 0:
            _start_from(fit, args.weights)
        if rank.is_first:
            print(_describe(fit), flush=True)
        throughput = run_fit(fit, measure, MEASURED_EVERY * args.save_every)
        if rank.is_first:
            print(
                f"{args.out}: {fit.spec.images} images seen; {throughput.images_per_s:.0f} images/s, "
                f"{100 * throughput.waiting_share:.0f} % of the time waiting for data; "
                f"measure: kinecast train evaluate {args.out} --data HELD_OUT"
            )
    return 0


def _measure(held_out: PictureSource, layout: DirectLayout) -> Callable[[Fit], dict[str, float]]:
    """Make a function that scores a network on held-out images, cropped as by the tracker."""
    from train.direct.examples import DirectExamples
    from train.direct.metrics import score_examples

    def measure(fit: Fit) -> dict[str, float]:
        examples = DirectExamples(held_out, layout, fit.spec.network.side_px)
        return score_examples(fit.average, layout, examples, n=MEASURED_ON).headline()

    return measure


def _options(args: argparse.Namespace) -> FitOptions:
    from train.direct.augment import Augmentation
    from train.direct.fit import FitOptions

    if not 0.0 < args.learning_rate < 1.0:
        raise TrainError(f"--learning-rate {args.learning_rate}; accepted: above 0, below 1")
    if not 0.0 <= args.real_share < 1.0:
        raise TrainError(f"--real-share {args.real_share}; accepted: from 0, below 1")
    return FitOptions(
        images=args.images, batch_size=args.batch, learning_rate=args.learning_rate, precision=args.precision,
        workers=args.workers, save_every=args.save_every, seed=args.seed, real_share=args.real_share,
        augmentation=Augmentation(flip=0.0) if args.no_flip else Augmentation(),
    )  # fmt: skip


def _start_from(fit: Fit, weights: Path) -> None:
    """Load initial weights: those of an exported network, or ImageNet's."""
    from train.direct.checkpoint import is_checkpoint, load_network
    from train.direct.encoders.resnet import ResNet, load_imagenet_weights
    from train.direct.fit import check_network

    if is_checkpoint(weights):
        trained, spec = load_network(weights, fit.layout.skeleton)
        check_network(weights, spec.network, fit.spec.network)
        for network in (fit.network, fit.average):
            network.load_state_dict(trained.state_dict())
        return
    for network in (fit.network, fit.average):
        if not isinstance(network.encoder, ResNet):
            raise TrainError(f"--weights is for ResNets; {fit.spec.network.encoder} is none")
        load_imagenet_weights(network.encoder, weights)


def _describe(fit: Fit) -> str:
    config = fit.spec.network
    n = sum(p.numel() for p in fit.network.parameters())
    precision = "fp32" if fit.network.encoder_dtype is None else "bf16"
    return (
        f"{config.encoder}, head {config.head}, {n / 1e6:.1f} M parameters, {config.side_px} px, "
        f"{precision} on {fit.rank.device}; {fit.spec.images} of {fit.options.images} images seen; "
        f"{fit.spec.data}"
    )
