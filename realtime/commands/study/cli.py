"""`kinecast study`: many trials of many people. Each subcommand is a module."""

from __future__ import annotations

import argparse

from realtime.subcommands import add_subcommands, run_subcommand

HELP = "track whole studies: many trials of many people, on one machine or many"

COMMANDS = {
    "init": "realtime.commands.study.init",
    "run": "realtime.commands.study.run",
}
"""Command -> module, in the order of the help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, COMMANDS)


run = run_subcommand
