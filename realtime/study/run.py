"""Runs a study: finds what is done already, and has the rest done, the person models first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from realtime.errors import StudyError
from realtime.source_names import public_source
from realtime.study.engine import Engine
from realtime.study.outcome import OUTCOME_NAME, Outcome, TrialStatus
from realtime.study.place import Place
from realtime.study.results import found_outcome, place_in, read_bytes, remove_outcome
from realtime.study.study_file import PERSON, Study, StudySubject
from realtime.study.tasks import Settings, Task, task_key
from realtime.study.work import SUBJECT_NAME

Report = Callable[[Outcome, bool], None]
"""Called with each outcome, and whether an earlier run had it already."""


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One run of a study.

    Args:
        study: The study.
        out: Folder of the results.
        settings: Settings of its trials.
        engine: Does the tasks.
        replace: Whether results that were made from other videos or settings are made again.
    """

    study: Study
    out: Place
    settings: Settings
    engine: Engine
    replace: bool = False

    def run(self, report: Report) -> list[Outcome]:
        """Do what is missing.

        Args:
            report: Called with each outcome as soon as it is known.

        Returns:
            The outcomes of all trials in the order of the study; of person models only those that failed.

        Raises:
            StudyError: results were made from other videos or settings, or the engine is lost.
            TrialInterrupted: the user ended the study.
        """
        outcomes: dict[str, Outcome] = {}

        def keep(task: Task, outcome: Outcome, is_old: bool) -> None:
            outcomes[task.title] = outcome
            report(outcome, is_old)

        for subject in self.study.subjects:
            task = self._task(subject)
            if task is None:
                self._start_trials(subject, None, keep)
            elif (found := self._found(task)) is not None:
                keep(task, found, True)
                self._start_trials(subject, found, keep)
            else:
                self.engine.submit(task)
        subjects = {subject.name: subject for subject in self.study.subjects}
        while (result := self.engine.next()) is not None:
            task, outcome = result
            keep(task, outcome, False)
            if task.trial is None:
                self._start_trials(subjects[task.subject.name], outcome, keep)
        return self._in_order(outcomes)

    def _task(self, subject: StudySubject) -> Task | None:
        """The task of a person model; None without a static trial."""
        if subject.static is None:
            return None
        task = Task(out=self.out, settings=self.settings, subject=replace(subject, trials=()), trial=None)
        return replace(task, key=task_key(task))

    def _start_trials(
        self, subject: StudySubject, person: Outcome | None, keep: Callable[[Task, Outcome, bool], None]
    ) -> None:
        """Submit a subject's trials, as soon as it is known whether there is a person model."""
        place = content = None
        if person is not None and person.is_done:
            place = place_in(self.out, subject.name, PERSON, SUBJECT_NAME)
            content = read_bytes(place)
        for trial in subject.trials:
            task = Task(
                out=self.out, settings=self.settings, subject=replace(subject, trials=()), trial=trial,
                person=place,
            )  # fmt: skip
            task = replace(task, key=task_key(task, content or b""))
            found = self._found(task)
            if found is None:
                self.engine.submit(task)
            else:
                keep(task, found, True)

    def _found(self, task: Task) -> Outcome | None:
        """A result that is there already."""
        found = found_outcome(self.out, task.subject.name, task.name)
        if found is None and read_bytes(place_in(self.out, task.subject.name, task.name, OUTCOME_NAME)):
            remove_outcome(self.out, task.subject.name, task.name)  # damaged
        if found is None or found.key == task.key:
            return found
        if self.replace:
            remove_outcome(self.out, task.subject.name, task.name)
            return None
        raise StudyError(
            f"{public_source(self.out)}: {task.title} was made from another video, person model or settings; "
            "choose another --out, or add --replace to make such trials again",
            name="out",
        )

    def _in_order(self, outcomes: dict[str, Outcome]) -> list[Outcome]:
        rows = []
        for subject in self.study.subjects:
            person = outcomes.get(f"{subject.name}/{PERSON}")
            if person is not None and not person.is_done:
                rows.append(person)
            rows += [outcomes[f"{subject.name}/{trial.name}"] for trial in subject.trials]
        return rows


def count_tasks(study: Study) -> int:
    """Trials and person models of a study."""
    return sum(len(subject.trials) + (subject.static is not None) for subject in study.subjects)


def summary(outcomes: list[Outcome]) -> str:
    """What came of a study, in a sentence."""
    missing = [outcome for outcome in outcomes if outcome.status is not TrialStatus.DONE]
    n_done = len(outcomes) - len(missing)
    if not missing:
        return f"all {n_done} trials done"
    names = ", ".join(outcome.title for outcome in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return f"{n_done} of {len(outcomes)} trials done; without angles: {names}{more} (reasons in the table)"
