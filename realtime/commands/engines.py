"""`kinecast engines`: the fastest right way to run a network here. Subcommands are modules of their own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

HELP = "build, inspect and time engines: networks compiled for this machine"

COMMANDS = {
    "build": "realtime.commands.engines_build",
    "inspect": "realtime.commands.engines_inspect",
    "bench": "realtime.commands.engines_bench",
}
"""Command -> module, in the order of the help."""


class CommandModule(Protocol):
    """What the module of a command has; importing it is cheap."""

    HELP: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    subparsers = parser.add_subparsers(dest="engines_command", metavar="|".join(COMMANDS), required=True)
    for name, path in COMMANDS.items():
        module = cast(CommandModule, import_module(path))
        child = subparsers.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        child.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
        module.add_arguments(child)
        child.set_defaults(run_engines=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand that was named."""
    return int(args.run_engines(args))
