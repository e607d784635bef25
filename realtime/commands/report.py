"""`kinecast report`: an HTML page about a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.arguments import add_cycle_options, check_can_write, cycle_options

HELP = "write an HTML page with curves, ranges of motion and symmetry of a recording"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: report.html in that folder")
    parser.add_argument("--no-pictures", action="store_true", help="omit frames of the overlay video")
    add_cycle_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from realtime.export.motion import load_recording, repeated_in
    from realtime.recording.source import is_recording
    from realtime.report.data import read_recording
    from realtime.report.page import write_html_report

    recording = read_recording(args.recording)
    out = args.out or args.recording / "report.html"
    check_can_write(out)
    repeated = None
    if is_recording(args.recording):
        found = repeated_in(load_recording(args.recording), cycle_options(args))
        repeated = found.curves, found.movement
    write_html_report(recording, out, pictures=not args.no_pictures, repeated=repeated)
    print(f"written: {out}")
    return 0
