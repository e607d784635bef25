"""Options that describe a calibration board."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

from realtime.commands.arguments import positive_float

if TYPE_CHECKING:
    from calib.boards.board import Board

BOARD_KINDS = ("charuco", "checkerboard")
DEFAULT_CORNERS = (5, 8)


def corners(text: str) -> tuple[int, int]:
    """Inner corners across and down, such as 5x8."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of inner corners; accepted: columns x rows, such as 5x8"
        )
    return int(match[1]), int(match[2])


def add_board_options(
    parser: argparse.ArgumentParser, *, square_m: float | None = None, is_required: bool = True
) -> None:
    """Declare the options.

    Args:
        parser: Parser of the command.
        square_m: Default side of the squares; None to require it, as measured on the print.
        is_required: Whether the command needs a board.
    """
    group = parser.add_argument_group("board")
    group.add_argument("--board", choices=BOARD_KINDS, default="charuco", help="default: %(default)s")
    group.add_argument(
        "--corners",
        type=corners,
        default=DEFAULT_CORNERS,
        metavar="CxR",
        help="inner corners across and down, where four squares meet; default: 5x8",
    )
    group.add_argument(
        "--square-m",
        type=positive_float,
        required=is_required and square_m is None,
        default=square_m,
        metavar="M",
        help="side of a square, measured on the print" + (f"; default: {square_m}" if square_m else ""),
    )
    group.add_argument(
        "--marker-m", type=positive_float, metavar="M", help="side of a ChArUco marker; default: 0.7 squares"
    )
    group.add_argument(
        "--dictionary",
        metavar="NAME",
        help="dictionary of a ChArUco board, such as 5X5_100; default: 4X4_250",
    )


def board_of(args: argparse.Namespace) -> Board:
    """The board that the options describe.

    Raises:
        BoardError: there is no such board.
    """
    from calib.boards.board import DEFAULT_DICTIONARY, Board, BoardKind

    columns, rows = args.corners
    return Board(
        BoardKind(args.board),
        columns,
        rows,
        args.square_m,
        math.nan if args.marker_m is None else args.marker_m,
        args.dictionary or DEFAULT_DICTIONARY,
    )
