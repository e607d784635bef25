"""`kinecast study run`: track all trials of a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.commands.arguments import positive_float, positive_int

if TYPE_CHECKING:
    from realtime.study.engine import Engine
    from realtime.study.outcome import Outcome
    from realtime.study.run import StudyRun

HELP = "track all trials of a study; goes on where an earlier run ended"
DESCRIPTION = """
For each person the static trial first, then every trial: its recording, report and, with a reference, its
errors, in OUT/PERSON/TRIAL; at the end a table of all trials and a page that links everything. Trials that
are done stay, half ones start again. Exit code 1 if a trial has no angles.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument("study", type=Path, metavar="STUDY.toml", help="made by kinecast study init")
    parser.add_argument(
        "--out", required=True, metavar="OUT",
        help="folder of the results; with --ray, one that all machines share, or a URL that fsspec knows",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=positive_int, metavar="N",
        help="trials at a time on this machine; more than 1 needs the extra cluster; default: 1",
    )  # fmt: skip
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="Ray cluster that does the work, such as 10.0.0.1:6379 or auto"
    )
    parser.add_argument(
        "--memory", type=positive_float, default=1.5, metavar="GB",
        help="memory to reserve for a trial with --ray or --workers; default: %(default)g",
    )  # fmt: skip
    parser.add_argument(
        "--cpus", type=positive_float, default=1.0, metavar="N",
        help="processor cores to reserve for a trial; default: %(default)g",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true",
        help="make results again that were made from other videos, person models or settings",
    )  # fmt: skip
    parser.add_argument("--offline", action="store_true", help="download nothing")


def run(args: argparse.Namespace) -> int:
    """Do what is missing of the study; write the table and the page."""
    from realtime.errors import StudyError
    from realtime.study.page import PAGE_NAME, write_page
    from realtime.study.results import opened_results
    from realtime.study.run import StudyRun, summary
    from realtime.study.study_file import read_study
    from realtime.study.table import write_table
    from realtime.study.tasks import Settings
    from realtime.study.work import TrialInterrupted

    study = read_study(args.study)
    if args.ray is not None and args.workers is not None:
        raise StudyError(
            "--workers is for this machine; --ray names a cluster, which has its own", name="ray"
        )
    out = args.out if "://" in args.out else str(Path(args.out).absolute())
    settings = Settings.of(study, offline=args.offline)
    with opened_results(out):
        engine = _engine(args)
        try:
            outcomes = _run(StudyRun(study, out, settings, engine, args.replace))
        except TrialInterrupted:
            raise KeyboardInterrupt from None
        finally:
            engine.close()
        tables = write_table(out, outcomes)
        write_page(out, args.study.stem, outcomes, tables)
    print(f"{summary(outcomes)}; written to {args.out}: {', '.join([*tables, PAGE_NAME])}")
    return 0 if all(outcome.is_done for outcome in outcomes) else 1


def _engine(args: argparse.Namespace) -> Engine:
    """What does the work: this process, or Ray."""
    from realtime.commands.replay import track_options
    from realtime.study.engine import InProcess

    if args.ray is None and (args.workers or 1) == 1:
        return InProcess(track_options)
    from engines.cluster import Demands
    from realtime.study.ray_engine import RayEngine

    demands = Demands(args.cpus, int(args.memory * 1e9))
    return RayEngine(track_options, address=args.ray, workers=args.workers or 1, demands=demands)


def _run(study_run: StudyRun) -> list[Outcome]:
    """Run with a bar: trials, and the time that is left."""
    from tqdm import tqdm

    from realtime.study.run import count_tasks

    with tqdm(total=count_tasks(study_run.study), desc="study", unit="trial", disable=None) as progress:

        def report(outcome: Outcome, is_old: bool) -> None:
            if is_old:
                progress.total -= 1  # the time left is that of new ones
                progress.refresh()
                return
            words = outcome.reason or "; ".join(outcome.notes)
            tqdm.write(f"{outcome.title}: {outcome.status}{words and ': '}{words}")
            progress.update()

        return study_run.run(report)
