"""Finds the people and trials of a folder: OpenCap sessions, a Pose2Sim trial, or plain folders of videos."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

from calib.errors import CalibError
from realtime.errors import StudyError
from realtime.sources.source import VIDEO_SUFFIXES
from realtime.study.opencap_session import OPENCAP_METADATA, read_opencap_session
from realtime.study.pose2sim_trial import is_pose2sim_trial, read_pose2sim_trial
from realtime.study.study_file import StudySubject, Trial, check_height_m, check_name, refuse_twins

PEOPLE_NAME = "people.csv"
PEOPLE_COLUMNS = ("subject", "height_m", "sex")
CAMERA_NAME = "camera.json"
REFERENCE_SUFFIXES = (".mot", ".sto")
_STATIC = re.compile(r"(^|[^a-z])(static|neutral|standing|t-?pose|a-?pose)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """What was found in a folder."""

    layout: str
    """Kind of folder, in words."""
    subjects: tuple[StudySubject, ...]
    remarks: tuple[str, ...] = ()
    """What was left out, for people."""


def find_study(folder: Path) -> FoundStudy:
    """Look at a folder.

    Raises:
        StudyError: it is missing, holds no videos, or names that cannot be told apart.
    """
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder; give the folder of the videos", name="folder")
    try:
        found = _find(folder)
    except OSError as error:
        raise StudyError(f"{folder}: cannot be read ({error.strerror})", name="folder") from error
    if not any(subject.trials or subject.static for subject in found.subjects):
        raise StudyError(
            f"{folder}: no videos; accepted: {', '.join(VIDEO_SUFFIXES)} in it or in a folder for each "
            f"person, OpenCap sessions ({OPENCAP_METADATA}), or a Pose2Sim trial (Config.toml, videos)",
            name="folder",
        )
    refuse_twins(str(folder), "subjects", (subject.name for subject in found.subjects))
    for subject in found.subjects:
        refuse_twins(f"{folder}: {subject.name}", "trials", (trial.name for trial in subject.trials))
    return found


def _find(folder: Path) -> FoundStudy:
    sessions = [f for f in (folder, *_folders(folder)) if (f / OPENCAP_METADATA).is_file()]
    if sessions:
        read = [read_opencap_session(session) for session in sessions]
        return FoundStudy("OpenCap", tuple(s for s, _ in read), tuple(r for _, rs in read for r in rs))
    if is_pose2sim_trial(folder):
        subject, remarks = read_pose2sim_trial(folder)
        return FoundStudy("Pose2Sim", (subject,), remarks)
    return _find_plain(folder)


def _find_plain(folder: Path) -> FoundStudy:
    """A folder for each person, or the videos of one."""
    people = _read_people(folder / PEOPLE_NAME)
    own = videos_of(folder)
    places = [folder.resolve()] if own else [f for f in _folders(folder) if videos_of(f)]
    subjects = [_plain_subject(place, _camera(place) or _camera(folder)) for place in places]
    unknown = sorted(set(people) - {subject.name for subject in subjects})
    if unknown:
        raise StudyError(
            f"{folder / PEOPLE_NAME}: no videos of {', '.join(unknown)}; the folders are "
            f"{', '.join(subject.name for subject in subjects) or 'none'}",
            name="subject", value=unknown,
        )  # fmt: skip
    known = []
    for subject in subjects:
        height_m, sex = people.get(subject.name, (None, None))
        known.append(replace(subject, height_m=height_m, sex=sex))
    remarks = []
    for k, subject in enumerate(known):
        if subject.static is not None and subject.height_m is None:
            remarks.append(f"{subject.name}: a static trial without a stature; kept as a trial")
            trial = Trial(name=Path(subject.static).stem, videos=(subject.static,))
            known[k] = replace(subject, static=None, trials=(trial, *subject.trials))
    return FoundStudy("plain folder", tuple(known), tuple(remarks))


def _plain_subject(folder: Path, camera: Path | None) -> StudySubject:
    """One person's videos; the first that is called static is the static trial."""
    videos = videos_of(folder)
    static = next((video for video in videos if _STATIC.search(video.stem)), None)
    trials = [
        Trial(
            name=check_name(str(video), video.stem), videos=(str(video),), camera=camera,
            reference=_reference(video),
        )
        for video in videos
        if video != static
    ]  # fmt: skip
    return StudySubject(
        name=check_name(str(folder), folder.name), trials=tuple(trials),
        static=None if static is None else str(static), static_camera=camera,
    )  # fmt: skip


def _read_people(path: Path) -> dict[str, tuple[float, str | None]]:
    """Stature and sex of each subject, from a table that the user wrote.

    Raises:
        StudyError: naming line, column and value.
    """
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, lines = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path}: not a csv table ({error})") from error
    missing = [name for name in PEOPLE_COLUMNS[:2] if name not in columns]
    if missing:
        raise StudyError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}; accepted: "
            f"{', '.join(PEOPLE_COLUMNS)} (sex may be left out)",
            name=missing[0],
        )
    refuse_twins(str(path), "subjects", (line["subject"] or "" for line in lines))
    people: dict[str, tuple[float, str | None]] = {}
    for number, line in enumerate(lines, start=2):
        where = f"{path}: line {number} ({line['subject']})"
        try:
            height_m = float(line["height_m"] or "nan")
        except ValueError:
            height_m = float("nan")
        sex = (line.get("sex") or "").strip().lower() or None
        if sex not in (None, "female", "male"):
            raise StudyError(f"{where}: sex is {sex!r}; accepted: female, male, or nothing", name="sex")
        people[line["subject"] or ""] = check_height_m(where, height_m), sex
    return people


def videos_of(folder: Path) -> list[Path]:
    """The videos of a folder by name."""
    return sorted(
        path.resolve()
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path.resolve() for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _camera(folder: Path) -> Path | None:
    """A camera file beside the videos, checked now rather than in every trial.

    Raises:
        StudyError: it is damaged.
    """
    from calib.camera_file import load_camera

    path = folder / CAMERA_NAME
    if not path.is_file():
        return None
    try:
        load_camera(path)
    except CalibError as error:
        raise StudyError(str(error), name="camera") from error
    return path.resolve()


def _reference(video: Path) -> Path | None:
    return next((p for s in REFERENCE_SUFFIXES if (p := video.with_suffix(s)).is_file()), None)
