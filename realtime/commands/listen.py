"""`kinecast listen`: print the samples of a running tracker."""

from __future__ import annotations

import argparse
import json
import math
import sys
from itertools import islice
from typing import TYPE_CHECKING

from realtime.commands.arguments import add_subscriber_options, check_coordinates, client_keys, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime.client import Subscription
    from realtime.stream.angle_sample import AngleSample

HELP = "print the joint angles of a running tracker"
HINT_AFTER_S = 3.0
SHOWN_BY_DEFAULT = (
    "hip_flexion_r",
    "hip_flexion_l",
    "knee_angle_r",
    "knee_angle_l",
    "elbow_flex_r",
    "elbow_flex_l",
)
SHOWN_AT_MOST = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_subscriber_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per line with all angles in degrees"
    )
    parser.add_argument(
        "--show", type=names, metavar="NAMES", help="coordinates to print, separated by commas"
    )


def run(args: argparse.Namespace) -> int:
    """Print samples until stopped."""
    from realtime.client import subscribe

    with subscribe(args.connect, keys=client_keys(args), person=args.of_person) as subscription:
        shown: tuple[str, ...] | None = None
        try:
            for sample in islice(samples(subscription, args.timeout), args.count):
                if args.json:
                    line = json.dumps(sample.as_record(), allow_nan=False)
                else:
                    shown = shown if shown is not None else choose(args.show, tuple(sample.keys()))
                    line = format_sample(sample, shown)
                print(line, flush=True)
        except KeyboardInterrupt:
            pass
    return 0


def samples(subscription: Subscription, timeout_s: float | None) -> Iterator[AngleSample]:
    """Iterate over samples; prints a hint once if none arrives.

    Raises:
        StreamError: no sample arrived within `timeout_s`.
    """
    from realtime.errors import StreamError

    first_wait_s = HINT_AFTER_S if timeout_s is None else timeout_s
    sample = subscription.receive(first_wait_s)
    if sample is None:
        silence = subscription.described_silence(first_wait_s)
        if timeout_s is not None:
            raise StreamError(silence)
        print(f"kinecast: {silence} (Still waiting.)", file=sys.stderr)
    while True:
        if sample is not None:
            yield sample
        sample = subscription.receive(timeout_s)
        if sample is None and timeout_s is not None:
            raise StreamError(f"the samples have stopped: {subscription.described_silence(timeout_s)}")


def choose(asked: tuple[str, ...] | None, existing: tuple[str, ...]) -> tuple[str, ...]:
    """The coordinates to print."""
    if asked is not None:
        check_coordinates(asked, existing)
        return asked
    return tuple(name for name in SHOWN_BY_DEFAULT if name in existing) or existing[:SHOWN_AT_MOST]


def format_sample(sample: AngleSample, shown: tuple[str, ...]) -> str:
    """A sample as one line of text."""
    parts = [f"{sample.frame_id:>7}  {sample.status.value:<8}  {sample.age_ms:6.1f} ms"]
    for name in shown:
        value = sample[name]
        parts.append(f"{name} {'   -  ' if math.isnan(value) else f'{value:6.1f}'}")
    if sample.missed:
        parts.append(f"({sample.missed} missed)")
    return "  ".join(parts)
