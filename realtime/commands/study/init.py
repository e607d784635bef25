"""`kinecast study init`: a study file from a folder of videos."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a study file from a folder of videos, an OpenCap session or a Pose2Sim trial"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR",
        help="a folder with a folder of videos for each person, or one person's videos; OpenCap sessions; a "
        "Pose2Sim trial",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("study.toml"), metavar="FILE.toml", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Look at the folder, write the file, say what is in it."""
    from realtime.commands.arguments import check_can_write
    from realtime.errors import StudyError
    from realtime.study.layouts import find_study
    from realtime.study.study_file import read_study
    from realtime.study.study_text import study_text

    check_can_write(args.out)
    if args.out.exists():
        raise StudyError(f"{args.out} exists and is kept; name another file with --out FILE.toml", name="out")
    found = find_study(args.folder)
    try:
        args.out.write_text(study_text(found, args.out.parent), encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{args.out}: cannot be written ({error.strerror})", name="out") from error
    study = read_study(args.out)
    n_trials = sum(len(subject.trials) for subject in study.subjects)
    n_static = sum(subject.static is not None for subject in study.subjects)
    n_unknown = sum(subject.height_m is None for subject in study.subjects)
    print(f"{args.out}: {found.layout}, {len(study.subjects)} people, {n_trials} trials, {n_static} static")
    for remark in found.remarks:
        print(f"  {remark}")
    if n_unknown:
        print(f"  {n_unknown} people without a stature: add height_m, for sizes and static trials")
    print(f"check it, then: kinecast study run {args.out} --out OUT")
    return 0
