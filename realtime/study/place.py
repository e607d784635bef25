"""Places of videos and results: paths, or URLs of shared storage that fsspec reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from realtime.errors import SourceError, StudyError
from realtime.source_names import public_source

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Place = str
"""An absolute path, or a URL such as `s3://bucket/study/walk.mp4`."""


def is_url(text: str) -> bool:
    """Whether a place is a URL."""
    return "://" in text


def joined(folder: Path, text: str) -> Place:
    """A place as a study file has it: a URL, or a path relative to the folder."""
    return text if is_url(text) else str((folder / text).absolute())


def name_of(place: Place) -> str:
    """The last part of a place."""
    return PurePosixPath(place.partition("?")[0]).name if is_url(place) else Path(place).name


def size_of(place: Place) -> int | None:
    """Bytes of a file; None where it cannot be found."""
    try:
        if is_url(place):
            system, path = opened_system(place)
            return int(system.size(path) or 0)
        path_ = Path(place)
        if path_.is_dir():
            return sum(p.stat().st_size for p in path_.iterdir() if p.is_file())
        return path_.stat().st_size
    except (OSError, ValueError):
        return None


@contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """A file as a path; of a URL, a copy that is removed at the end.

    Raises:
        SourceError: it cannot be fetched.
    """
    if not is_url(place):
        yield Path(place)
        return
    system, path = opened_system(place)
    with TemporaryDirectory(prefix="kinecast-") as folder:
        copy = Path(folder) / name_of(place)
        try:
            with system.open(path, "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, ValueError) as error:
            raise SourceError(f"{public_source(place)}: cannot be fetched ({error})", name="video") from error
        yield copy


def opened_system(place: Place) -> tuple[AbstractFileSystem, str]:
    """The file system of a URL, and the path in it.

    Raises:
        StudyError: fsspec, or what it needs for this kind of URL, is missing.
    """
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise StudyError(
            f"{public_source(place)}: this kind of URL cannot be opened ({error}); install what it needs: "
            "pip install 'kinecast[cluster]', and for s3:// also s3fs, for gs:// gcsfs",
            name="video",
        ) from error
    return system, str(path)
