"""What is refused before anything is read or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.options import RunOptions
    from realtime.sources.source import FrameSource


def refuse_rates(options: RunOptions) -> None:
    """Refuse a rate for a recording, which holds the time of every frame.

    Raises:
        SourceError: a rate is given.
    """
    from realtime.errors import SourceError

    for name, value in (("--rate", options.rate_hz), ("--capture-rate", options.capture_rate_hz)):
        if value is not None:
            raise SourceError(
                f"{options.source} is a recording, whose frames keep their times; leave out {name}, or track "
                f"the video it was made of: kinecast replay VIDEO {name} {value:g} --out DIR",
                name=name,
                value=value,
            )


def require_other_folder(source: str, out: Path) -> None:
    """Refuse to replace what is read.

    Raises:
        RecordingError: the output folder holds the source.
    """
    from realtime.errors import RecordingError
    from realtime.recording.folder import FILE_NAMES

    path = Path(source)
    is_same = path.is_dir() and path.resolve() == out.resolve()
    if is_same or path.resolve() in [(out / name).resolve() for name in FILE_NAMES]:
        raise RecordingError(
            f"{source} would be replaced; choose another folder than {out}", name="out", value=out
        )


def require_end(source: FrameSource, *, has_limit: bool) -> None:
    """Refuse a source that never ends.

    Raises:
        SourceError: the source is live or endless; the message names the command or option to use.
    """
    from realtime.errors import SourceError

    if source.is_live:
        raise SourceError(
            f"{source.description} is live; record it with: kinecast live --source ... --out DIR",
            name="source",
            value=source.description,
        )
    if source.n_frames is None and not has_limit:
        raise SourceError(f"{source.description} has no end; add --frames N or --duration S", name="frames")
