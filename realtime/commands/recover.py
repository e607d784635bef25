"""`kinecast recover`: finish a recording whose process was killed."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "finish a recording whose process was killed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")


def run(args: argparse.Namespace) -> int:
    """Write the files that a clean end writes; existing ones stay unchanged."""
    from realtime.recording.parts import parts_of

    for folder in (args.recording, *parts_of(args.recording)):
        _recover(folder)
    return 0


def _recover(folder: Path) -> None:
    from realtime.recording.finish import MOT_NAME, STO_NAME, TRC_NAME, finish_recording
    from realtime.recording.log import LOG_NAME, StreamLog
    from realtime.recording.pictures import LOSSLESS_NAME
    from realtime.recording.summary import REPORT_NAME, StreamReport, write_report
    from realtime.recording.video import OVERLAY_NAME
    from realtime.recording.video.overlay import is_playable

    n_samples = finish_recording(folder)
    made = [MOT_NAME, TRC_NAME]
    if not (folder / REPORT_NAME).exists():
        log = StreamLog(folder / LOG_NAME)
        report = StreamReport(log.meta, with_latency=False)
        for angles, _ in log.samples():
            report.add(angles)
        write_report(folder, {"command": "recover", **report.as_dict()})
        made.append(REPORT_NAME)
        if (folder / OVERLAY_NAME).exists() and not is_playable(folder / OVERLAY_NAME):
            again = f"; kinecast replay {folder} --retrack draws it again" * (folder / LOSSLESS_NAME).exists()
            print(f"{OVERLAY_NAME} cannot be played, as the process was killed{again}")
    print(
        f"{folder}: {n_samples} samples; {STO_NAME} is complete; written from {LOG_NAME}: {', '.join(made)}"
    )
