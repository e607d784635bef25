"""Exports a recording to a file of another program, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calib.errors import StorageError
from realtime.errors import RecordingError
from realtime.export.bvh import write_bvh
from realtime.export.c3d import write_c3d
from realtime.export.motion import RecordedMotion
from realtime.export.tables import write_csv, write_even_mot, write_parquet, write_xlsx
from realtime.recording.private_file import make_private

WRITERS: dict[str, Callable[[RecordedMotion, Path], None]] = {
    "c3d": write_c3d,
    "bvh": write_bvh,
    "csv": write_csv,
    "xlsx": write_xlsx,
    "parquet": write_parquet,
    "mot": write_even_mot,
}
"""Kind of file -> its writer."""


def export(motion: RecordedMotion, kind: str, out: Path, *, replace: bool = False) -> None:
    """Write a recording as a file of another kind.

    Args:
        motion: Recording from `load_recording`.
        kind: One of `WRITERS`.
        out: File to write.
        replace: Whether an existing file may be replaced.

    Raises:
        RecordingError: there is no such kind, a package is missing, the file exists or cannot be written, or
            nobody was tracked.
    """
    if kind not in WRITERS:
        raise RecordingError(
            f"no kind of file {kind!r}; accepted: {', '.join(WRITERS)}",
            name="kind", value=kind, accepted=tuple(WRITERS),
        )  # fmt: skip
    if out.exists() and not replace:
        raise RecordingError(f"{out} exists; choose another name, or add --replace", name="out", value=out)
    part = out.with_name(f".{out.name}.part.{kind}")
    try:
        WRITERS[kind](motion, part)
        make_private(part)  # joint angles are personal data
        part.replace(out)
    except (OSError, StorageError) as error:
        raise RecordingError(f"{out}: cannot be written ({error})", name="out", value=out) from error
    finally:
        part.unlink(missing_ok=True)
