"""`kinecast record`: write what a running tracker publishes, without touching the tracker."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import add_subscriber_options, client_keys, positive_float

if TYPE_CHECKING:
    from realtime.angle_sample import AngleSample

HELP = "record the angles and markers that a running tracker publishes"

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_subscriber_options(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for what is written")
    parser.add_argument("--duration", type=positive_float, metavar="S", help="end after S seconds of samples")


def run(args: argparse.Namespace) -> int:
    """Record until told to stop."""
    from realtime.client import subscribe
    from realtime.commands.listen import samples
    from realtime.commands.session import ended_by_sigterm

    with subscribe(args.connect, poses=True, keys=client_keys(args)) as subscription, ended_by_sigterm():
        heard = islice(samples(subscription, args.connect, args.timeout), args.count)
        n_samples = record(until(heard, args.duration), args.out)
        missed = subscription.missed
    print(f"{n_samples} samples recorded, {missed} missed on the way", end="")
    print(f"; written to {args.out}" if n_samples else "; nothing was written")
    return 0


def until(heard: Iterator[AngleSample], duration_s: float | None) -> Iterator[AngleSample]:
    """The samples of the first `duration_s` seconds."""
    end_ns: int | None = None
    for sample in heard:
        if end_ns is None and duration_s is not None:
            end_ns = sample.t_capture_ns + int(duration_s * 1e9)
        if end_ns is not None and sample.t_capture_ns >= end_ns:
            return
        yield sample


def record(heard: Iterator[AngleSample], out: Path) -> int:
    """Write samples until there are no more, or Ctrl-C.

    Returns:
        How many were written.

    Raises:
        RecordingError: the folder cannot be written; what was written before stays.
        StreamError: the tracker has stopped and a time limit was given.
    """
    from tqdm import tqdm

    from realtime.recorder import Recorder

    recorder: Recorder | None = None
    sha, n_samples = "", 0
    with tqdm(desc="record", unit="sample", disable=None, leave=False) as progress:
        try:
            for sample in heard:
                model = sample.meta.model
                if recorder is None:
                    rate_hz, sha = sample.meta.rate_hz, model.sha
                    recorder = Recorder(out, model, rate_hz=rate_hz, replace=False)
                elif model.sha != sha:
                    logger.warning(
                        "the tracker now uses another skeleton (%s); recording ends here", model.name
                    )
                    break
                recorder.write(sample.pose_sample())
                n_samples += 1
                progress.update()
        except KeyboardInterrupt:
            pass
        finally:
            if recorder is not None:
                recorder.close()
    return n_samples
