"""The file of a study: who was filmed, in which trials, by which cameras. TOML, as `study init` writes it."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from realtime.errors import StudyError
from realtime.options import HEADINGS, HEIGHT_RANGE_M, is_heading
from realtime.study.place import Place, joined

SEXES = ("female", "male")
_NAME = re.compile(r"\w[\w .+-]{0,79}")
PERSON = "person"
"""Name that a subject's person model has among its trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One take of one person: a video, or several at the same time."""

    name: str
    videos: tuple[Place, ...]
    cameras: Path | None = None
    """File of all cameras, in the order of several videos; see `calib.rig_file.load_rig`."""
    offsets_s: tuple[float, ...] | None = None
    """When the first frame of each of several videos was taken, on one clock."""
    camera: Path | None = None
    """File of `kinecast calibrate camera`, of a single video."""
    reference: Path | None = None
    """Reference coordinates: a `.mot` or `.sto`."""
    offset_s: float | Literal["auto"] = 0.0
    """Reference time minus video time; "auto": the reference starts when the video does."""
    capture_rate_hz: float | None = None
    """Frames a second that the camera took, for a video in slow or fast motion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySubject:
    """One person of a study."""

    name: str
    trials: tuple[Trial, ...]
    height_m: float | None = None
    sex: str | None = None
    """One of `SEXES`, if known."""
    static: Place | None = None
    """Video of the person standing still, from which the person model is made; needs `height_m`."""
    static_camera: Path | None = None
    """File of `kinecast calibrate camera` for the static trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that a study file says."""

    path: Path
    subjects: tuple[StudySubject, ...]
    estimator: str | None = None
    heading: str = HEADINGS[0]
    search_region: tuple[float, float, float, float] | None = None
    """Left, top, width and height of the part of the images that is searched, from 0 to 1."""
    skeleton: Path | None = None


_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Rate = Annotated[float, msgspec.Meta(ge=1.0, le=1000.0)]


class _TrialEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One [[subject.trial]] as the file has it."""

    name: _Text
    video: _Text | None = None
    videos: tuple[_Text, ...] = ()
    cameras: _Text | None = None
    offsets_s: tuple[float, ...] | None = None
    camera: _Text | None = None
    reference: _Text | None = None
    offset_s: float | Literal["auto"] = 0.0
    capture_rate_hz: _Rate | None = None


class _SubjectEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One [[subject]] as the file has it."""

    name: _Text
    trial: list[dict[str, Any]]
    height_m: float | None = None
    sex: Literal["female", "male"] | None = None
    static: _Text | None = None
    camera: _Text | None = None


class _StudyEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file."""

    subject: list[dict[str, Any]]
    estimator: Literal["lifted", "landmarks", "direct"] | None = None
    heading: str | float = HEADINGS[0]
    region: tuple[float, float, float, float] | None = None
    skeleton: _Text | None = None


_Entry = TypeVar("_Entry", _TrialEntry, _SubjectEntry, _StudyEntry)


def read_study(path: Path) -> Study:
    """Read a study file.

    Args:
        path: TOML with one `[[subject]]` for each person; paths in it are relative to the file.

    Raises:
        StudyError: naming file, subject, trial and key, and what is accepted.
    """
    try:
        contents = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be read ({error.strerror}); make one: kinecast study init DIR", name="study"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyError(f"{path}: not TOML ({error}); make one: kinecast study init DIR") from error
    entry = _converted(str(path), contents, _StudyEntry)
    if not is_heading(str(entry.heading)):
        raise StudyError(
            f"{path}: heading {entry.heading!r}; accepted: {', '.join(HEADINGS)}, or degrees", name="heading"
        )
    subjects = tuple(_read_subject(path, k, values) for k, values in enumerate(entry.subject, start=1))
    if not subjects:
        raise StudyError(f"{path}: no subjects; accepted: one [[subject]] for each person")
    refuse_twins(str(path), "subjects", (subject.name for subject in subjects))
    return Study(
        path=path, subjects=subjects, estimator=entry.estimator, heading=str(entry.heading),
        search_region=entry.region, skeleton=_existing(str(path), "skeleton", path, entry.skeleton),
    )  # fmt: skip


def refuse_twins(where: str, what: str, names: Iterable[str]) -> None:
    """Refuse two of one name: their folders would be one, on some computers whatever the case of letters.

    Raises:
        StudyError: naming them.
    """
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.get(name.casefold())
        if twin is not None:
            both = repr(name) if twin == name else f"{twin!r} and {name!r}"
            raise StudyError(
                f"{where}: two {what} are called {both}; give each a name of its own", name="name", value=name
            )
        seen[name.casefold()] = name


def check_name(where: str, name: str) -> str:
    """A name that can be a folder's.

    Raises:
        StudyError: it cannot.
    """
    if not _NAME.fullmatch(name) or name.endswith((".", " ")) or name.casefold() == PERSON:
        raise StudyError(
            f"{where}: the name {name!r} cannot be that of a folder of results; accepted: up to 80 letters, "
            f"digits, spaces and any of . _ + -, such as s01_walk, but not {PERSON}",
            name="name",
            value=name,
        )
    return name


def check_height_m(where: str, height_m: float) -> float:
    """A person's stature.

    Raises:
        StudyError: nobody is as tall; centimetres are recognised.
    """
    low, high = HEIGHT_RANGE_M
    if low <= height_m <= high:
        return height_m
    in_m = height_m / 100.0
    hint = f"; {height_m:g} looks like centimetres: write {in_m:.2f}" if low <= in_m <= high else ""
    raise StudyError(
        f"{where}: height_m is {height_m:g}; accepted: metres from {low} to {high}{hint}",
        name="height_m", value=height_m, accepted=HEIGHT_RANGE_M,
    )  # fmt: skip


def _read_subject(path: Path, number: int, values: Mapping[str, Any]) -> StudySubject:
    where = f"{path}: subject {number} ({values.get('name', 'without a name')})"
    entry = _converted(where, values, _SubjectEntry)
    camera = _existing(where, "camera", path, entry.camera)
    trials = tuple(_read_trial(where, path, k, v, camera) for k, v in enumerate(entry.trial, start=1))
    if not trials and entry.static is None:
        raise StudyError(f"{where}: no trials; accepted: one [[subject.trial]] for each")
    refuse_twins(where, "trials", (trial.name for trial in trials))
    if entry.static is not None and entry.height_m is None:
        raise StudyError(
            f"{where}: a static trial makes a person model only with the stature: add height_m, or leave out "
            "static",
            name="height_m",
        )
    return StudySubject(
        name=check_name(where, entry.name),
        trials=trials,
        height_m=None if entry.height_m is None else check_height_m(where, entry.height_m),
        sex=entry.sex,
        static=None if entry.static is None else joined(path.parent, entry.static),
        static_camera=camera,
    )


def _read_trial(where: str, path: Path, number: int, values: Mapping[str, Any], camera: Path | None) -> Trial:
    where = f"{where}: trial {number} ({values.get('name', 'without a name')})"
    entry = _converted(where, values, _TrialEntry)
    videos = entry.videos or (() if entry.video is None else (entry.video,))
    if (entry.video is None) == (not entry.videos):
        raise StudyError(f"{where}: accepted: video, or videos together with cameras", name="video")
    if (len(videos) > 1) != (entry.cameras is not None):
        raise StudyError(
            f"{where}: {len(videos)} videos; several need cameras, the file of all of them, and one has "
            "camera instead",
            name="cameras",
        )
    numbers = [*(entry.offsets_s or ()), 0.0 if entry.offset_s == "auto" else entry.offset_s]
    if not all(math.isfinite(value) for value in numbers):
        raise StudyError(f"{where}: offsets are seconds", name="offset_s")
    own = _existing(where, "camera", path, entry.camera)
    return Trial(
        name=check_name(where, entry.name),
        videos=tuple(joined(path.parent, video) for video in videos),
        cameras=_existing(where, "cameras", path, entry.cameras),
        offsets_s=entry.offsets_s,
        camera=(own or camera) if len(videos) == 1 else None,
        reference=_existing(where, "reference", path, entry.reference),
        offset_s=entry.offset_s,
        capture_rate_hz=entry.capture_rate_hz,
    )


def _converted(where: str, values: Mapping[str, Any], kind: type[_Entry]) -> _Entry:
    fields = kind.__struct_fields__
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" (do you mean {near[0]}?)" if near else ""
            raise StudyError(f"{where}: unknown key {key!r}{hint}; accepted: {', '.join(fields)}", name=key)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        said = str(error).replace("`$.", "`").replace("Object", "it")
        raise StudyError(f"{where}: {said}; accepted keys: {', '.join(fields)}") from error


def _existing(where: str, key: str, path: Path, text: str | None) -> Path | None:
    """A small file beside the study file; videos may lie elsewhere, and are looked at when their turn comes.

    Raises:
        StudyError: it does not exist.
    """
    if text is None:
        return None
    found = path.parent / text
    if "\0" in text or not found.exists():
        raise StudyError(
            f"{where}: {key} {text!r} does not exist; paths are relative to the study file", name=key
        )
    return found.resolve()
