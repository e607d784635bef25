"""`kinecast calibrate`: what is known before the first frame. Subcommands are modules of their own."""

from __future__ import annotations

import argparse

from realtime.commands.subcommands import add_subcommands, run_subcommand

HELP = "measure the camera, the floor and the person"

COMMANDS = {
    "board": "realtime.commands.calibrate_board",
    "camera": "realtime.commands.calibrate_camera",
    "two-cameras": "realtime.commands.calibrate_two_cameras",
    "floor": "realtime.commands.calibrate_floor",
    "subject": "realtime.commands.calibrate_subject",
}
"""Command -> module, in the order of the help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    add_subcommands(parser, COMMANDS)


run = run_subcommand
