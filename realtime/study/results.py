"""The results of a study: a folder for each trial, which appears whole or not at all.

`OUT/SUBJECT/TRIAL` holds a trial's recording, its report, the log and `trial.json`; `OUT/SUBJECT/person` the
person model. Work goes on in `OUT/.kinecast-part-...` and is renamed at the end. On storage that fsspec
reaches, which cannot rename, work goes on in a local folder, and `trial.json` is stored last.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.errors import StudyError
from realtime.recording.private_file import FOLDER_MODE, write_private
from realtime.source_names import public_source
from realtime.study.outcome import OUTCOME_NAME, Outcome, decode_outcome
from realtime.study.place import Place, is_url, opened_system

PART = ".kinecast-part-"


def place_in(out: Place, *names: str) -> Place:
    """A file or folder among the results."""
    return "/".join((out.rstrip("/"), *names)) if is_url(out) else str(Path(out, *names))


def read_bytes(place: Place) -> bytes | None:
    """Content of a file; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        if is_url(place):
            system, path = opened_system(place)
            return bytes(system.cat_file(path))
        return Path(place).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_bytes(place: Place, content: bytes) -> None:
    """Write a file, whole or not at all; an earlier one is replaced.

    Raises:
        StudyError: it cannot be written.
    """
    try:
        if is_url(place):
            system, path = opened_system(place)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, content)
            return
        partial = Path(place).with_name(f"{PART}{Path(place).name}")
        write_private(partial, content)
        partial.replace(place)
    except OSError as error:
        raise cannot_write(place, error) from error


def found_outcome(out: Place, subject: str, name: str) -> Outcome | None:
    """What came of a trial in this run or an earlier one; None if it is not complete."""
    content = read_bytes(place_in(out, subject, name, OUTCOME_NAME))
    return None if content is None else decode_outcome(content)


@contextmanager
def working_folder(out: Place, subject: str, name: str) -> Iterator[Path]:
    """A folder for the files of one trial, which become results if nothing goes wrong.

    Raises:
        OSError: it cannot be made, or the results cannot be stored.
    """
    parent = None if is_url(out) else out
    with tempfile.TemporaryDirectory(prefix=PART, dir=parent, ignore_cleanup_errors=True) as part:
        folder = Path(part) / name
        folder.mkdir(mode=FOLDER_MODE)
        yield folder
        if is_url(out):
            _upload(folder, place_in(out, subject, name))
            return
        target = Path(out, subject, name)
        target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if (target / OUTCOME_NAME).exists():  # a worker thought lost was faster
            return
        os.rename(folder, target)


def _upload(folder: Path, place: Place) -> None:
    system, root = opened_system(place)
    files = sorted(folder.iterdir(), key=lambda path: path.name == OUTCOME_NAME)
    system.makedirs(root, exist_ok=True)
    for path in files:
        system.put_file(str(path), f"{root}/{path.name}")


def remove_outcome(out: Place, subject: str, name: str) -> None:
    """Remove the result of one trial, which can be made again."""
    place = place_in(out, subject, name)
    if is_url(place):
        system, path = opened_system(place)
        system.rm(path, recursive=True)
        return
    doomed = Path(tempfile.mkdtemp(prefix=PART, dir=out))
    os.rename(place, doomed / name)  # at once: half a result must not look whole
    shutil.rmtree(doomed)


@contextmanager
def opened_results(out: Place) -> Iterator[None]:
    """The folder of the results, made if need be, which no other run uses now.

    The system lets go of it if this process is killed. What killed processes left behind is removed.

    Raises:
        StudyError: another run uses it, or it cannot be written.
    """
    if is_url(out):
        yield
        return
    folder = Path(out)
    try:
        folder.mkdir(parents=True, mode=FOLDER_MODE, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        if handle is not None:
            _lock(handle, folder)
        for part in folder.glob(f"{PART}*"):
            shutil.rmtree(part, ignore_errors=True)
            part.unlink(missing_ok=True) if part.is_file() else None
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StudyError(
            f"{folder}: another kinecast study run is using it; let it end first", name="out"
        ) from error
    except OSError:  # a file system without locks
        return


def cannot_write(place: Place, error: OSError) -> StudyError:
    """What a failure to write means to the user."""
    return StudyError(
        f"{public_source(place)}: cannot be written ({error.strerror or error}); finished trials are kept: "
        "run the same command again",
        name="out",
        value=place,
    )
