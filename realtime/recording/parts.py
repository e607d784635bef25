"""Recordings that belong to another one: of single views, and of further people."""

from __future__ import annotations

import re
from pathlib import Path

from realtime.errors import RecordingError
from realtime.recording.log import LOG_NAME

VIEWS_NAME, PERSON_PREFIX = "views", "person_"
"""Folder with a recording for each view; beginning of the name of a further person's folder."""


def folder_of_person(folder: Path, person: int) -> Path:
    """Folder of the recording of one of several people, by their number: the first's is the folder itself."""
    return folder if person == 1 else folder / f"{PERSON_PREFIX}{person}"


def people_in(folder: Path) -> list[int]:
    """Numbers of the people whose recordings are in a folder; the first's is the folder itself."""
    found = [
        int(name[1])
        for part in folder.glob(f"{PERSON_PREFIX}*")
        if (name := re.fullmatch(rf"{PERSON_PREFIX}([2-9])", part.name))
        and not part.is_symlink()
        and (part / LOG_NAME).is_file()
    ]
    return [1, *sorted(found)]


def whole_of(folder: Path) -> tuple[Path, int]:
    """The recording that a further person's folder belongs to, and their number; else the folder and 1."""
    folder = folder.absolute()
    name = re.fullmatch(rf"{PERSON_PREFIX}([2-9])", folder.name)
    if name is None or not (folder.parent / LOG_NAME).is_file():
        return folder, 1
    return folder.parent, int(name[1])


def find_person(folder: Path, person: int) -> Path:
    """The folder of the recording of one of several people.

    Raises:
        RecordingError: the recording holds no such person.
    """
    known = people_in(folder)
    if person not in known:
        told = "one person" if len(known) == 1 else f"the people {', '.join(map(str, known))}"
        raise RecordingError(
            f"{folder} holds {told}, and no person {person}; track several with: kinecast replay VIDEO "
            "--people N --out DIR",
            name="person", value=person, accepted=tuple(known),
        )  # fmt: skip
    return folder_of_person(folder, person)


def parts_of(folder: Path) -> list[Path]:
    """Folders of the recordings that belong to a recording: of single views, and of further people."""
    found = [*folder.glob(f"{PERSON_PREFIX}*"), *(folder / VIEWS_NAME).glob("*")]
    return sorted(part for part in found if (part / LOG_NAME).is_file())
