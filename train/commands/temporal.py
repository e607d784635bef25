"""`kinecast train temporal`: train the network that smooths a frame by the frames before, and export it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from train.commands.arguments import positive_int
from train.errors import TrainError

if TYPE_CHECKING:
    from train.temporal.network import CausalNetwork
    from train.temporal.training import SequenceSource

LEARNING_RATE, INPUT_NOISE = 1.5e-3, 0.02
HELP = "train the causal temporal network on the lifter's output, and export it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "data", type=Path, nargs="+", metavar="DIR",
        help="clips made by kinecast train simulate or lift-clips, which the lifter was not trained on",
    )  # fmt: skip
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="clips of other people")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="file of the network")
    parser.add_argument(
        "--lifter", type=Path, metavar="FILE.onnx", help="lifter; default: the one that ships"
    )
    parser.add_argument(
        "--kind", default=["tcn"], nargs="+", metavar="KIND",
        help="tcn, gru, transformer or unet; several are compared, and the first is exported",
    )  # fmt: skip
    parser.add_argument(
        "--corrects", action="store_true", help="allow any correction of coordinates, not only smoothing"
    )
    parser.add_argument("--epochs", type=positive_int, default=8, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--steps", type=positive_int, default=100, metavar="N", help="steps per epoch; default: %(default)s"
    )
    parser.add_argument("--batch", type=positive_int, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--frames",
        type=positive_int,
        default=96,
        metavar="N",
        help="number of frames in the loss; default: %(default)s",
    )
    parser.add_argument(
        "--history", type=positive_int, default=200, metavar="N",
        help="largest number of frames that the network reads in training; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--motions", type=Path, metavar="FILE.npz",
        help="file for the held-out clips, for python -m realtime.bench.smoothing",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train each kind, measure all on held-out people, export the first."""
    from calib.skeleton import load_skeleton
    from engines.features.motion_metrics import format_scores, save_motions, score
    from engines.shipped import shipped_lifter_path
    from train.blazepose.data import LiftData
    from train.lift.exported import exported_lift
    from train.temporal.data import Dynamics, steadied_coordinates, temporal_clips
    from train.temporal.export import export_temporal
    from train.temporal.training import ALONE, LabelledClips, SequenceSource, motions_of

    if args.out.suffix != ".onnx":
        raise TrainError(f"{args.out}: the name must end in .onnx")
    skeleton = load_skeleton()
    lift = exported_lift(args.lifter or shipped_lifter_path(), skeleton)
    source = SequenceSource(
        [LabelledClips.of(LiftData.load(folder), skeleton) for folder in args.data], skeleton, lift, args.seed
    )
    networks = {kind: _fit(kind, source, args) for kind in args.kind}
    other = LiftData.load(args.held_out)
    clips = list(temporal_clips(other, Dynamics.of(other, skeleton), skeleton, lift))
    motions = motions_of(networks, clips, skeleton)
    print(format_scores({name: score(motions, name) for name in (ALONE, *networks)}))
    if args.motions is not None:
        save_motions(args.motions, motions)
    export_temporal(
        networks[args.kind[0]], args.out, args.out.stem,
        coordinate_names=steadied_coordinates(skeleton), skeleton_sha=skeleton.sha,
    )  # fmt: skip
    print(f"{args.out}: exported; the same in ONNX Runtime as in torch")
    return 0


def _fit(kind: str, source: SequenceSource, args: argparse.Namespace) -> CausalNetwork:
    """Train one kind with the budget that all share."""
    from train.temporal.fit import TemporalOptions
    from train.temporal.loss import TemporalLossWeights
    from train.temporal.training import train_temporal

    def report_epoch(epoch: int, loss: float, network: object) -> None:
        print(f"{kind}: {epoch + 1:>4} loss {loss:.4f}", flush=True)

    options = TemporalOptions(
        epochs=args.epochs, steps_per_epoch=args.steps, batch_size=args.batch, seed=args.seed,
        n_frames=args.frames, max_history=args.history, learning_rate=LEARNING_RATE, input_noise=INPUT_NOISE,
    )  # fmt: skip
    return train_temporal(kind, source, options, TemporalLossWeights(), report_epoch, corrects=args.corrects)
