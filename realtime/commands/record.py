"""`kinecast record`: record the stream of a running tracker from a separate process."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import add_subscriber_options, client_keys, positive_float

if TYPE_CHECKING:
    from realtime.recording.summary import StreamReport
    from realtime.stream.angle_sample import AngleSample

HELP = "record the angles and markers of a running tracker"

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_subscriber_options(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the recording")
    parser.add_argument(
        "--duration", type=positive_float, metavar="S", help="exit after S seconds of samples"
    )


def run(args: argparse.Namespace) -> int:
    """Record until stopped."""
    from realtime.client import subscribe
    from realtime.commands.ending import ended_by_signals
    from realtime.commands.listen import samples

    with (
        subscribe(args.connect, poses=True, keys=client_keys(args), person=args.of_person) as subscription,
        ended_by_signals(args.out) as ending,
    ):
        heard = islice(samples(subscription, args.timeout), args.count)
        report = record(until(heard, args.duration), args.out, ending.finish)
    if report is None:
        print("no samples received; nothing was written")
        return 0
    print(f"\n{report.ranges.as_table()}\n")
    print(f"{report.n_samples} samples recorded, {report.n_missed} lost on the way; written to {args.out}")
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


def record(
    heard: Iterator[AngleSample], out: Path, on_end: Callable[[], None] = lambda: None
) -> StreamReport | None:
    """Write samples until the stream ends or Ctrl-C is pressed.

    Args:
        heard: Samples as they come.
        out: Folder of the recording.
        on_end: Function called before the files are finished.

    Returns:
        Report on the recording; None if no sample arrived.

    Raises:
        RecordingError: the folder cannot be written.
        RecordingStopped: recording ended before the stream, such as on a full disk; earlier samples are kept.
        StreamError: the tracker has stopped and a time limit was given.
    """
    from tqdm import tqdm

    from realtime.errors import RecordingError, RecordingStopped
    from realtime.recording.recorder import Recorder
    from realtime.recording.summary import StreamReport, write_report

    recorder: Recorder | None = None
    report: StreamReport | None = None
    with tqdm(desc="record", unit="sample", disable=None, leave=False) as progress:
        try:
            for sample in heard:
                if recorder is None or report is None:
                    recorder = Recorder(out, sample.meta, replace=False)
                    report = StreamReport(sample.meta, with_latency=True)
                elif sample.meta.model != recorder.meta.model:
                    name = sample.meta.model.name
                    logger.warning("the tracker now uses another skeleton (%s); recording ends here", name)
                    break
                recorder.write_messages(sample.message, sample.pose, meta=sample.meta)
                report.add(sample.message, n_missed=sample.missed)
                progress.update()
        except KeyboardInterrupt:
            pass
        except RecordingError as error:
            if report is None:
                raise
            raise RecordingStopped(report.n_samples, report.n_samples + 1, str(error), out) from error
        finally:
            on_end()
            if recorder is not None and report is not None:
                recorder.close()
                if recorder.error is None:
                    write_report(out, {"command": "record", **report.as_dict()})
    return report
