"""`kinecast report`: an HTML page about a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.commands.arguments import check_can_write

HELP = "write an HTML page with curves, ranges of motion and symmetry of a recording"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: report.html in that folder")
    parser.add_argument("--no-pictures", action="store_true", help="omit frames of the overlay video")


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from realtime.report.data import read_recording
    from realtime.report.page import write_html_report

    recording = read_recording(args.recording)
    out = args.out or args.recording / "report.html"
    check_can_write(out)
    write_html_report(recording, out, pictures=not args.no_pictures)
    print(f"written: {out}")
    return 0
