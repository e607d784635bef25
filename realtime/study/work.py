"""Does one task of a study, in whatever process: makes a person model, or tracks a trial and measures it."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from calib.errors import CalibError
from calib.scaling import write_scaled_osim
from calib.skeleton import default_skeleton_path
from calib.subject import save_subject
from engines.errors import EngineError
from realtime.errors import RealtimeError
from realtime.estimators.build import make_camera
from realtime.options import CameraOptions, EstimatorOptions, RunOptions, ViewsOptions
from realtime.report.data import read_recording
from realtime.report.page import write_html_report
from realtime.report.people import ReportedPerson
from realtime.source_names import recorded_name, without_secrets
from realtime.study.measures import Values, evaluation_values, movement_values, quality_values
from realtime.study.outcome import Outcome, TrialStatus, write_outcome
from realtime.study.place import local_copy, name_of
from realtime.study.results import working_folder
from realtime.study.study_file import SEXES, StudySubject, Trial
from realtime.study.tasks import Settings, Task

Track = Callable[[RunOptions], int]
"""Tracks a video into the folder that the options name, as `kinecast replay` does; 0: to its end."""

LOG_NAME = "log.txt"
SUBJECT_NAME, OSIM_NAME = "subject.json", "scaled.osim"
REPORT_PAGE_NAME = "report.html"
REFUSALS = (RealtimeError, CalibError, EngineError)


class TrialInterrupted(Exception):
    """The user ended the study."""


def do_task(task: Task, track: Track) -> Outcome:
    """Do one task; whatever goes wrong with its files is in the outcome.

    Args:
        task: What to do.
        track: Tracks a video.

    Raises:
        TrialInterrupted: the user ended it.
    """
    try:
        with working_folder(task.out, task.subject.name, task.name) as folder, _logged(folder) as notes:
            outcome = _person(task, folder) if task.trial is None else _trial(task, folder, track)
            said = tuple(_public(note.replace(str(folder), task.title), task) for note in notes)
            outcome = task.outcome(
                outcome.status, reason=outcome.reason, notes=said + outcome.notes, values=outcome.values
            )
            write_outcome(folder, outcome)
        return outcome
    except (KeyboardInterrupt, TrialInterrupted) as error:
        raise TrialInterrupted from error
    except REFUSALS as error:
        return task.outcome(TrialStatus.FAILED, reason=_public(_plain(error), task))
    except Exception as error:
        logging.getLogger(__name__).debug("%s", traceback.format_exc())
        return task.outcome(
            TrialStatus.FAILED, reason=f"{type(error).__name__}: {_public(_plain(error), task)}"
        )


def _plain(error: BaseException) -> str:
    return " ".join(without_secrets(str(error)).split()) or "no details"


def _public(text: str, task: Task) -> str:
    """A message that names files without their folders, which are private."""
    places = [task.out, *(task.trial.videos if task.trial is not None else (task.subject.static or "",))]
    for place in places:
        text = text.replace(place, name_of(place)) if place else text
    return text


def _person(task: Task, folder: Path) -> Outcome:
    """Measure the subject in the static trial, as `kinecast calibrate subject` does."""
    from realtime.calibration.subject_observer import SubjectObserver
    from realtime.sources.parse import parse_source, read_frames

    subject, skeleton_path = task.subject, task.settings.skeleton
    assert subject.static is not None and subject.height_m is not None
    with local_copy(subject.static) as path:
        source = parse_source(str(path))
        observer = None
        for frame in read_frames(source):
            if observer is None:
                camera = make_camera(
                    CameraOptions(camera_path=subject.static_camera), source.width_px, source.height_px
                )
                observer = SubjectObserver(
                    camera, subject.height_m, skeleton_path=skeleton_path,
                    is_female=None if subject.sex is None else subject.sex == SEXES[0],
                    offline=task.settings.offline,
                )  # fmt: skip
            observer.look(frame)
    if observer is None:
        raise RealtimeError(f"{name_of(subject.static)}: no frame could be read")
    found = observer.result(recorded_name(name_of(subject.static)))
    save_subject(folder / SUBJECT_NAME, found, observer.skeleton)
    write_scaled_osim(skeleton_path or default_skeleton_path(), found.scale_factors, folder / OSIM_NAME)
    return task.outcome(TrialStatus.DONE, values={"frames": found.n_frames})


def _trial(task: Task, folder: Path, track: Track) -> Outcome:
    """Track a trial, and write its report and its row."""
    assert task.trial is not None
    with ExitStack() as stack:
        videos = [str(stack.enter_context(local_copy(video))) for video in task.trial.videos]
        person = None if task.person is None else stack.enter_context(local_copy(task.person))
        options = run_options(task.trial, task.subject, task.settings, videos, person, folder)
        if track(options) != 0:
            raise TrialInterrupted
    recording = read_recording(folder)
    write_html_report([ReportedPerson(recording)], folder / REPORT_PAGE_NAME)
    basis = "static" if task.person else "stature" if task.subject.height_m else "images"
    values: Values = {"person_model": basis, **quality_values(recording)}
    if recording.is_lost.all():
        reason = f"nobody was found in its {len(recording.time_s)} frames"
        return task.outcome(TrialStatus.NOBODY, reason=reason, values=values)
    values |= movement_values(recording)
    notes: tuple[str, ...] = ()
    if task.trial.reference is not None:
        try:
            found, notes = evaluation_values(recording, task.trial)
            values |= found
        except REFUSALS as error:
            notes = (f"not compared with its reference: {_plain(error)}",)
    return task.outcome(TrialStatus.DONE, notes=notes, values=values)


def run_options(
    trial: Trial, subject: StudySubject, settings: Settings, videos: list[str], person: Path | None, out: Path
) -> RunOptions:
    """The options with which `kinecast replay` tracks a trial."""
    views = None
    if trial.cameras is not None:
        views = ViewsOptions(sources=tuple(videos), rig_path=trial.cameras, offsets_s=trial.offsets_s)
    return RunOptions(
        source=videos[0],
        camera=CameraOptions(camera_path=trial.camera),
        estimator=EstimatorOptions(
            estimator=settings.estimator,
            skeleton_path=settings.skeleton,
            height_m=subject.height_m if person is None else None,
            subject_path=person,
            offline=settings.offline,
            heading=settings.heading,
            search_region=settings.search_region,
        ),
        capture_rate_hz=trial.capture_rate_hz,
        out=out,
        views=views,
    )


class _Notes(logging.Handler):
    """Keeps warnings for the row."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.notes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        note = without_secrets(" ".join(self.format(record).split()))
        self.notes.append(note)
        print(f"warning: {note}", flush=True)


@contextmanager
def _logged(folder: Path) -> Iterator[list[str]]:
    """Send what is printed to the log of the trial, and keep its warnings."""
    handler = _Notes()
    root = logging.getLogger()
    with (folder / LOG_NAME).open("w", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        root.addHandler(handler)
        try:
            yield handler.notes
        finally:
            root.removeHandler(handler)
