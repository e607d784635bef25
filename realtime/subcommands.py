"""Commands that have subcommands: each is a module of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast


class CommandModule(Protocol):
    """What the module of a command has; importing it is cheap."""

    HELP: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_subcommands(parser: argparse.ArgumentParser, commands: dict[str, str]) -> None:
    """Declare subcommands.

    Args:
        parser: Parser of the command.
        commands: Module of each subcommand, in the order of the help.
    """
    subparsers = parser.add_subparsers(dest="subcommand", metavar="|".join(commands), required=True)
    for name, path in commands.items():
        module = cast(CommandModule, import_module(path))
        child = subparsers.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        child.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
        module.add_arguments(child)
        child.set_defaults(run_subcommand=module.run)


def run_subcommand(args: argparse.Namespace) -> int:
    """Run the subcommand that was named."""
    return int(args.run_subcommand(args))
