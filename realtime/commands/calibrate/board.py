"""`kinecast calibrate board`: write a calibration board to print."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.calibrate.board_options import add_board_options, board_of

HELP = "write a calibration board to print at true scale"
PAPERS = ("a4", "a3", "letter", "fit")
DEFAULT_SQUARE_M = 0.028
"""Largest square for 5x8 inner corners on A4 and letter paper."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="output: .pdf, .svg or .png")
    parser.add_argument(
        "--paper", choices=PAPERS, default="a4", help="default: %(default)s; fit: as large as the board"
    )
    add_board_options(parser, square_m=DEFAULT_SQUARE_M)


def run(args: argparse.Namespace) -> int:
    """Write the board, and print what to do with it."""
    from calib.boards.board_print import lay_out, save_sheet

    board = board_of(args)
    save_sheet(lay_out(board, args.paper), args.out)
    options = f"--board {board.kind} --corners {board.columns}x{board.rows} --square-m {board.square_m:g}"
    print(f"written to {args.out}: {board.description}")
    print("print it at 100 %, glue it on a flat and stiff plate, measure a square, and run:")
    print(f"  kinecast calibrate camera --source 0 {options} --out camera.json")
    return 0
