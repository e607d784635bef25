"""Types of command-line values, and options that commands of streams and sources share."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import RealtimeError
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.events.movement import CycleOptions
    from realtime.stream.security import ClientKeys


def positive_int(text: str) -> int:
    """A number from 1."""
    if not re.fullmatch(r"\d{1,12}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def positive_float(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def rate_hz(text: str) -> float:
    """Frames a second."""
    value = positive_float(text)
    if not 1.0 <= value <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from 1 to 1000")
    return value


def size_px(text: str) -> tuple[int, int]:
    """Width and height, such as 1280x720."""
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it as 1280x720")
    return int(match[1]), int(match[2])


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def check_can_write(path: Path | None) -> None:
    """Refuse a file that cannot be written, before minutes of work are lost.

    Raises:
        RealtimeError: it cannot be written, or may belong to a recording.
    """
    from realtime.recording.folder import RECORDING_NAMES

    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise RealtimeError(
            f"{path}: cannot be written; name a file in a folder that exists and is yours", value=path
        )
    if path is not None and path.exists() and path.name in RECORDING_NAMES:
        raise RealtimeError(f"{path}: a recording's files have this name; choose another", value=path)


def check_coordinates(asked: Sequence[str], existing: Sequence[str]) -> None:
    """Refuse names of coordinates that the skeleton does not have.

    Raises:
        RealtimeError: a name is unknown; the message lists those that exist.
    """
    unknown = [name for name in asked if name not in existing]
    if unknown:
        raise RealtimeError(
            f"no coordinate {', '.join(unknown)}; the skeleton has {', '.join(existing)}",
            value=unknown,
            accepted=existing,
        )


def add_cycle_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `cycle_options` reads."""
    group = parser.add_argument_group("repetitions")
    group.add_argument(
        "--cycles",
        default="auto",
        metavar="auto|marks|gait|none|NAME",
        help="what divides the recording: marks made by keys, strides, or repetitions of a coordinate "
        "(without a side: the mean of both); auto takes the first of marks, gait and knee_angle that gives "
        "any",
    )
    group.add_argument(
        "--least-range",
        type=positive_float,
        default=30.0,
        metavar="DEG",
        help="least way of a repetition, in degrees or m; default: %(default)g",
    )
    group.add_argument(
        "--direction", choices=("up", "down"), default="up", help="where a repetition goes; default: up"
    )


def cycle_options(args: argparse.Namespace) -> CycleOptions:
    """The values of `add_cycle_options`."""
    from realtime.events.movement import CycleOptions

    return CycleOptions(by=args.cycles, least_range=args.least_range, direction=args.direction)


def add_subscriber_options(parser: argparse.ArgumentParser) -> None:
    """Declare the publisher's address and the end of listening."""
    parser.add_argument("--connect", default=DEFAULT_ADDRESS, metavar="ADDR", help="default: %(default)s")
    parser.add_argument("--count", type=positive_int, metavar="N", help="stop after N samples")
    parser.add_argument(
        "--timeout", type=positive_float, metavar="S", help="give up after S s without a sample"
    )
    add_of_person_option(parser)
    add_key_options(parser)


def add_of_person_option(parser: argparse.ArgumentParser, what: str = "stream") -> None:
    """Declare whose stream or recording is wanted, where there are several.

    Args:
        parser: Parser of the command.
        what: What each person has.
    """
    parser.add_argument(
        "--of-person",
        type=positive_int,
        default=1,
        metavar="N",
        help=f"whose {what}, where the tracker runs or ran with --people; default: %(default)s",
    )


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """Declare the keys of a subscriber."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="NAME.key_secret",
        help="your key, for a publisher on another computer (see kinecast keys)",
    )
    parser.add_argument(
        "--server-key",
        type=Path,
        metavar="FILE.key",
        help="the publisher's key; default: server.key beside yours",
    )


def client_keys(args: argparse.Namespace) -> ClientKeys | None:
    """The keys that `--key` and `--server-key` name; None to subscribe without.

    Raises:
        StreamError: a file holds no key, or only the publisher's key is given.
    """
    from realtime.errors import StreamError
    from realtime.stream.key_files import load_client_keys

    if args.key is None and args.server_key is not None:
        raise StreamError("--server-key needs your own key, too: add --key NAME.key_secret", name="key")
    return None if args.key is None else load_client_keys(args.key, args.server_key)
