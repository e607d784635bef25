"""`kinecast report`: an HTML page about a recording."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import add_cycle_options, check_can_write, cycle_options, positive_int

if TYPE_CHECKING:
    from realtime.events.movement import CycleOptions
    from realtime.report.people import ReportedPerson

HELP = "write an HTML page with curves, ranges of motion and symmetry of a recording"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("recording", type=Path, metavar="REC", help="folder of the recording")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: report.html in that folder")
    parser.add_argument("--no-pictures", action="store_true", help="omit frames of the overlay video")
    parser.add_argument(
        "--of-person",
        type=positive_int,
        metavar="N",
        help="report only this one of several people (--people), by default in report_person_N.html; the "
        "pictures show everybody; default: everybody on one page",
    )
    add_cycle_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from realtime.recording.parts import find_person, people_in
    from realtime.report.page import write_html_report

    folder: Path = args.recording
    if args.of_person is None:
        numbers, name = people_in(folder), "report.html"
    else:
        find_person(folder, args.of_person)
        numbers, name = [args.of_person], f"report_person_{args.of_person}.html"
    people = [_reported(folder, number, cycle_options(args)) for number in numbers]
    out = args.out or folder / name
    check_can_write(out)
    write_html_report(people, out, pictures=not args.no_pictures)
    print(f"written: {out}")
    return 0


def _reported(folder: Path, person: int, options: CycleOptions) -> ReportedPerson:
    """What is told of one person; pictures are those of the whole recording.

    Raises:
        RecordingError: the recording cannot be read.
    """
    from dataclasses import replace

    import numpy as np

    from realtime.export.motion import load_recording, repeated_in
    from realtime.recording.parts import folder_of_person, whole_of
    from realtime.recording.source import is_recording
    from realtime.recording.video import OVERLAY_NAME
    from realtime.report.data import read_recording
    from realtime.report.people import ReportedPerson, stays_of
    from realtime.sample import Status

    own = folder_of_person(folder, person)
    recording = read_recording(own)
    whole, number = whole_of(own)
    if (whole / OVERLAY_NAME).is_file():
        recording = replace(recording, video=whole / OVERLAY_NAME)
    if not is_recording(own):  # early ones without a log
        return ReportedPerson(recording, number)
    motion = load_recording(own)
    found = repeated_in(motion, options)
    is_lost = np.array([status is Status.LOST for status in motion.status])
    return ReportedPerson(
        recording,
        number,
        repeated=(found.curves, found.movement),
        stays=stays_of(motion.person_id, motion.time_s, is_lost),
    )
