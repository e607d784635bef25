"""`kinecast calibrate`: measurement of camera, floor and person. Each subcommand is a module."""

from __future__ import annotations

import argparse

from realtime.subcommands import add_subcommands, run_subcommand

HELP = "measure the camera, the floor and the person"

COMMANDS = {
    "board": "realtime.commands.calibrate.board",
    "camera": "realtime.commands.calibrate.camera",
    "two-cameras": "realtime.commands.calibrate.two_cameras",
    "cameras": "realtime.commands.calibrate.cameras",
    "floor": "realtime.commands.calibrate.floor",
    "subject": "realtime.commands.calibrate.subject",
}
"""Command -> module, in the order of the help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, COMMANDS)


run = run_subcommand
