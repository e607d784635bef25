"""The tasks of a study: a person model of each subject with a static trial, a recording of each trial."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from realtime.study.outcome import Outcome, TrialStatus
from realtime.study.place import Place, size_of
from realtime.study.study_file import PERSON, Study, StudySubject, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is the same for all trials of a study."""

    estimator: str | None
    heading: str
    search_region: tuple[float, float, float, float] | None
    skeleton: Path | None
    offline: bool = False

    @classmethod
    def of(cls, study: Study, *, offline: bool) -> Settings:
        """The settings of a study."""
        return cls(
            estimator=study.estimator, heading=study.heading, search_region=study.search_region,
            skeleton=study.skeleton, offline=offline,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work, which any process on any machine can do."""

    out: Place
    """Folder of the study's results."""
    settings: Settings
    subject: StudySubject
    """The subject, without trials."""
    trial: Trial | None
    """Trial to track; None makes the person model."""
    person: Place | None = None
    """File of the person model, if there is one."""
    key: str = ""
    """Hash of everything that the result depends on."""

    @property
    def name(self) -> str:
        """Name of the trial, or `PERSON`."""
        return PERSON if self.trial is None else self.trial.name

    @property
    def title(self) -> str:
        """Subject and trial, for people."""
        return f"{self.subject.name}/{self.name}"

    def outcome(
        self, status: TrialStatus, *, reason: str = "", notes: tuple[str, ...] = (),
        values: dict[str, int | float | str | None] | None = None,
    ) -> Outcome:  # fmt: skip
        """What came of it."""
        return Outcome(
            subject=self.subject.name, trial=self.name, status=status, key=self.key, reason=reason,
            notes=notes, values=values or {},
        )  # fmt: skip


def task_key(task: Task, person: bytes = b"") -> str:
    """Hash of everything that the result depends on, apart from computer and version.

    Videos count by their names and sizes: reading them all would take as long as tracking some.

    Args:
        task: Task without a key.
        person: Content of the person model's file; empty without one.
    """
    subject = task.subject
    # A trial does not depend on the static trial, but on the model that was made of it.
    known = {"height_m": subject.height_m} if task.trial is not None else asdict(subject)
    places = task.trial.videos if task.trial is not None else (subject.static or "",)
    settings = asdict(task.settings)
    del settings["offline"]
    content = {
        "settings": settings, "subject": known, "trial": None if task.trial is None else asdict(task.trial),
        "sizes": [size_of(place) for place in places if place],
    }  # fmt: skip
    digest = hashlib.sha256(msgspec.json.encode(content, enc_hook=_file_key, order="deterministic"))
    digest.update(person)
    return digest.hexdigest()[:16]


def _file_key(value: object) -> object:
    """Small files count by their content, wherever they lie."""
    if isinstance(value, Path):
        return hashlib.sha256(value.read_bytes()).hexdigest()
    raise NotImplementedError(f"{type(value).__name__} has no place in a task")


def kinecast_version() -> str:
    """The installed version."""
    try:
        return version("kinecast")
    except PackageNotFoundError:
        return "source"
