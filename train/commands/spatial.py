"""`kinecast train spatial`: fit the direct network from pictures to coordinates."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.arguments import positive_int, whole_number
from train.errors import TrainError

HELP = "fit the direct network from pictures to coordinates"
MEASURED_ON = 512
"""Held-out pictures between checkpoints."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR",
        help="made by kinecast train synth; default: people drawn on the fly",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="goes on with what is there")
    parser.add_argument("--held-out", type=Path, metavar="DIR", help="set to measure on now and then")
    add_network_arguments(parser)
    add_fit_arguments(parser)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which network."""
    parser.add_argument(
        "--encoder", default="resnext26_small", metavar="NAME",
        help="resnext26_small (default), resnet18, resnext50_32x4d, resnext101_32x8d, hourglass, blazepose",
    )  # fmt: skip
    parser.add_argument(
        "--preset",
        choices=("kinecast", "d3ke"),
        default="kinecast",
        help="heads and losses; default: kinecast",
    )
    parser.add_argument(
        "--input", type=positive_int, metavar="PX", help="side of the pictures; default: the encoder's"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="torchvision's ImageNet weights to start a ResNet from"
    )


def add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how to fit."""
    parser.add_argument(
        "--images", type=positive_int, default=1_000_000, metavar="N",
        help="pictures to see in all, earlier runs included; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--batch", type=positive_int, default=32, metavar="N", help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of the encoder"
    )
    parser.add_argument(
        "--workers",
        type=whole_number,
        default=1,
        metavar="W",
        help="processes that make batches; default: %(default)s",
    )
    parser.add_argument("--save-every", type=positive_int, default=500, metavar="STEPS")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--no-flip", action="store_true", help="never exchange left and right")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="TERM", help="terms of the loss to switch off"
    )


def run(args: argparse.Namespace) -> int:
    """Fit, or go on fitting."""
    from calib.skeleton import load_skeleton
    from train.fit_spatial import Fit, take_place
    from train.fit_spatial_loop import run_fit
    from train.spatial import NetworkConfig
    from train.spatial_layout import SpatialLayout
    from train.spatial_losses import preset
    from train.spatial_metrics import score_examples
    from train.spatial_sources import ShardPictures

    layout = SpatialLayout.of(load_skeleton())
    network = NetworkConfig(args.encoder, args.preset, args.input or 0)
    held_out = None if args.held_out is None else ShardPictures([args.held_out], layout.skeleton)
    with take_place() as place:
        source = open_source(args.data, args.seed, layout)
        fit = Fit(
            network, layout, source, options_of(args), preset(args.preset, args.without), args.out, place
        )
        if args.weights is not None and fit.spec.step == 0:
            start_from(fit, args.weights)

        def measure(fit: Fit) -> dict[str, float]:
            assert held_out is not None
            return score_examples(fit.average, layout, examples_of(held_out, fit), n=MEASURED_ON).headline()

        if place.is_first:
            print(describe(fit))
        every = 0 if held_out is None else 4 * args.save_every
        throughput = run_fit(fit, measure, every)
        if place.is_first:
            print(
                f"{args.out}: {fit.spec.images} pictures seen; {throughput.images_per_s:.0f} images/s, "
                f"{100 * throughput.waiting_share:.0f} % of the time waiting for data; "
                f"measure: kinecast train evaluate {args.out} --data HELD_OUT"
            )
    return 0


def open_source(folders: list[Path] | None, seed: int, layout):  # type: ignore[no-untyped-def]
    """The pictures of sets, or a stream of people."""
    from train.recipe import Recipe
    from train.spatial_sources import ShardPictures, StreamPictures

    return ShardPictures(folders, layout.skeleton) if folders else StreamPictures(Recipe(seed))


def options_of(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    """How to fit, from the command line.

    Raises:
        TrainError: a number is out of range.
    """
    from train.fit_spatial import FitOptions
    from train.spatial_augment import Augmentation

    if not 0.0 < args.learning_rate < 1.0:
        raise TrainError(f"--learning-rate {args.learning_rate}; accepted: above 0, below 1")
    return FitOptions(
        images=args.images, batch_size=args.batch, learning_rate=args.learning_rate, precision=args.precision,
        workers=args.workers, save_every=args.save_every, seed=args.seed,
        augmentation=Augmentation(flip=0.0) if args.no_flip else Augmentation(),
    )  # fmt: skip


def examples_of(source, fit):  # type: ignore[no-untyped-def]
    """Pictures as the tracker would crop them."""
    from train.spatial_data import SpatialExamples

    return SpatialExamples(source, fit.layout, fit.spec.network.side_px)


def start_from(fit, weights: Path) -> None:  # type: ignore[no-untyped-def]
    """Load ImageNet weights into a network that has seen nothing."""
    from train.encoders.resnet import ResNet, load_imagenet_weights

    for network in (fit.network, fit.average):
        if not isinstance(network.encoder, ResNet):
            raise TrainError(f"--weights is for ResNets; {fit.spec.network.encoder} is none")
        load_imagenet_weights(network.encoder, weights)


def describe(fit) -> str:  # type: ignore[no-untyped-def]
    """One line for the console."""
    n = sum(p.numel() for p in fit.network.parameters())
    config = fit.spec.network
    return (
        f"{config.encoder}, head {config.head}, {n / 1e6:.1f} M parameters, {config.side_px} px, "
        f"{'fp32' if fit.network.encoder_dtype is None else 'bf16'} on {fit.place.device}; "
        f"step {fit.spec.step} of {fit.n_steps}; {fit.source.identity}"
    )
