"""Exports a recording to a file of another program, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calib.errors import StorageError
from realtime.errors import RecordingError
from realtime.events.movement import CycleOptions
from realtime.export.bvh import write_bvh
from realtime.export.c3d import write_c3d
from realtime.export.motion import RecordedMotion, repeated_in
from realtime.export.tables import ANGLES, write_csv, write_even_mot, write_parquet, write_xlsx
from realtime.recording.private_file import make_private


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is exported."""

    table: str = ANGLES
    """One of `realtime.export.tables.TABLES`, for kinds of files that hold one table."""
    cycles: CycleOptions = field(default_factory=CycleOptions)
    """What divides the recording into cycles."""


WRITERS: dict[str, Callable[[RecordedMotion, ExportOptions, Path], None]] = {
    "c3d": lambda motion, options, path: write_c3d(
        motion, repeated_in(motion, options.cycles).movement.events, path
    ),
    "bvh": lambda motion, _, path: write_bvh(motion, path),
    "csv": lambda motion, options, path: write_csv(
        motion, repeated_in(motion, options.cycles), path, options.table
    ),
    "xlsx": lambda motion, options, path: write_xlsx(motion, repeated_in(motion, options.cycles), path),
    "parquet": lambda motion, options, path: write_parquet(
        motion, repeated_in(motion, options.cycles), path, options.table
    ),
    "mot": lambda motion, _, path: write_even_mot(motion, path),
}
"""Kind of file -> its writer."""
OF_ONE_TABLE = ("csv", "parquet")
"""Kinds of files that hold one table."""


def export(
    motion: RecordedMotion,
    kind: str,
    out: Path,
    *,
    replace: bool = False,
    options: ExportOptions | None = None,
) -> None:
    """Write a recording as a file of another kind.

    Args:
        motion: Recording from `load_recording`.
        kind: One of `WRITERS`.
        out: File to write.
        replace: Whether an existing file may be replaced.
        options: What is exported; None: the angles, divided as `CycleOptions` does by itself.

    Raises:
        RecordingError: there is no such kind or table, a package is missing, the file exists or cannot be
            written, or nobody was tracked.
        RealtimeError: there is nothing to divide the recording by.
    """
    options = options or ExportOptions()
    if kind not in WRITERS:
        raise RecordingError(
            f"no kind of file {kind!r}; accepted: {', '.join(WRITERS)}",
            name="kind", value=kind, accepted=tuple(WRITERS),
        )  # fmt: skip
    if options.table != ANGLES and kind not in OF_ONE_TABLE:
        raise RecordingError(
            f"a {kind} file holds no table {options.table}; accepted with --table: {', '.join(OF_ONE_TABLE)}",
            name="table", value=options.table, accepted=OF_ONE_TABLE,
        )  # fmt: skip
    if out.exists() and not replace:
        raise RecordingError(f"{out} exists; choose another name, or add --replace", name="out", value=out)
    part = out.with_name(f".{out.name}.part.{kind}")
    try:
        WRITERS[kind](motion, options, part)
        make_private(part)  # joint angles are personal data
        part.replace(out)
    except (OSError, StorageError) as error:
        raise RecordingError(f"{out}: cannot be written ({error})", name="out", value=out) from error
    finally:
        part.unlink(missing_ok=True)
