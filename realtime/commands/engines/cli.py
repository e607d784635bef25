"""`kinecast engines`: networks compiled for this machine. Each subcommand is a module."""

from __future__ import annotations

import argparse

from realtime.subcommands import add_subcommands, run_subcommand

HELP = "build, inspect and time engines: networks compiled for this machine"

COMMANDS = {
    "build": "realtime.commands.engines.build",
    "inspect": "realtime.commands.engines.inspect",
    "bench": "realtime.commands.engines.bench",
}
"""Command -> module, in the order of the help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, COMMANDS)


run = run_subcommand
