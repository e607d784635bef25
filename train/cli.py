"""`kinecast train`: synthetic people and the training of networks. Each subcommand is a module."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

from train.errors import TrainError

HELP = "make synthetic people, and train networks on them"

COMMANDS = {
    "all": "train.commands.all_networks",
    "synth": "train.commands.synth",
    "sheet": "train.commands.sheet",
    "import": "train.commands.import_data",
    "lift-data": "train.commands.lift_data",
    "lift-clips": "train.commands.lift_clips",
    "patches": "train.commands.patches",
    "lift": "train.commands.lift",
    "fusion": "train.commands.fusion",
    "proportions": "train.commands.proportions",
    "temporal": "train.commands.temporal",
    "observe": "train.commands.observe",
    "simulate": "train.commands.simulate",
    "spatial": "train.commands.spatial",
    "pseudo-labels": "train.commands.pseudo_labels",
    "evaluate": "train.commands.evaluate",
    "compare": "train.commands.compare",
    "export": "train.commands.export",
    "inputs": "train.commands.inputs",
}
"""Command -> module, in the order of the help."""

NEEDED = ("anny", "onnx", "onnxruntime", "safetensors", "tensorboard", "torch")
"""Packages that the extra `train` installs."""


class CommandModule(Protocol):
    """Interface of a command's module, which imports no heavy packages."""

    HELP: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    subparsers = parser.add_subparsers(dest="train_command", metavar="|".join(COMMANDS), required=True)
    for name, path in COMMANDS.items():
        module = cast(CommandModule, import_module(path))
        child = subparsers.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        child.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
        module.add_arguments(child)
        child.set_defaults(run_train=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand.

    Raises:
        TrainError: A package of the extra `train` is missing, or the command fails.
    """
    try:
        return int(args.run_train(args))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        raise TrainError(
            f"training needs {error.name}, which is not installed: pip install 'kinecast[train]'"
        ) from error
