"""Recordings that are sent again or smoothed, without tracking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands import session
from realtime.commands.ending import ended_by_signals
from realtime.commands.replaying.checks import require_other_folder

if TYPE_CHECKING:
    from realtime.options import RunOptions


def smooth_copy(options: RunOptions, *, replace: bool) -> int:
    """Write a smoothed copy of a recording.

    Raises:
        RecordingError: the output folder is missing, or may not be written.
    """
    from realtime.errors import RecordingError
    from realtime.export.smoothing import write_smoothed

    assert options.smooth_hz is not None
    if options.out is None:
        raise RecordingError("missing the folder of the smoothed copy: add --out DIR", name="out")
    require_other_folder(options.source, options.out)
    n = write_smoothed(Path(options.source), options.out, options.smooth_hz, replace=replace)
    print(f"{n} samples, smoothed at {options.smooth_hz:g} Hz, written to {options.out}")
    return 0


def republish(options: RunOptions, *, realtime: bool) -> int:
    """Publish the samples of a recording.

    Args:
        options: Options of the run; the source is the folder of the recording.
        realtime: Whether samples are sent at their own times.

    Raises:
        RecordingError: no address is given, or files are asked for.
    """
    from tqdm import tqdm

    from realtime.errors import RecordingError
    from realtime.recording.republish import Republisher

    folder, publish = Path(options.source), options.publish
    if publish.address is None or options.out is not None:
        raise RecordingError(
            f"{folder} is a recording: add --publish ADDR to send it again, --retrack --out DIR to track "
            "its video again, or --smooth --out DIR for a smoothed copy"
        )
    keys, n_sent = session.server_keys(publish), 0
    with (
        ended_by_signals(),
        Republisher(
            folder, publish.address, realtime=realtime, encoding=publish.encoding, keys=keys
        ) as republisher,
    ):
        session.announce(republisher.address, keys)
        try:
            print("waiting for a subscriber", flush=True)
            republisher.wait()
            total = min(republisher.n_samples, options.max_frames or republisher.n_samples)
            with tqdm(total=total, desc="publish", unit="sample", disable=None, leave=False) as progress:
                n_sent = republisher.run(progress.update, n_most=options.max_frames)
        except KeyboardInterrupt:
            return 1
    print(f"{n_sent} samples published")
    return 0
