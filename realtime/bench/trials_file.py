"""The file of `kinecast evaluate --trials`: which videos, with which references, of which people."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from calib.coordinates import stem_of
from realtime.bench.reference import Offset
from realtime.errors import RealtimeError

KEY = "trial"


@dataclass(frozen=True, slots=True)
class Trial:
    """One video of one person, and its reference."""

    name: str
    person: str
    """Trials of the same person count as one in figures over people."""
    video: str | tuple[str, ...]
    """A path, or another source of frames; or those of several views of one person."""
    reference: Path
    offset_s: Offset = 0.0
    """Reference time minus video time."""
    camera: Path | None = None
    """File of `kinecast calibrate camera`; with several views, of all cameras in the order of the videos."""
    height_m: float | None = None
    """Stature, if known."""
    skip: tuple[str, ...] = ()
    """Coordinates that are not scored; `ankle_angle` counts for both sides."""
    standing_s: tuple[float, float] | None = None
    """From and to in video time, when the person stands still; None looks for it in the reference."""
    capture_rate_hz: float | None = None
    """Frames a second that the camera took, for a video in slow or fast motion."""
    offsets_s: tuple[float, ...] | None = None
    """When the first frame of each of several videos was taken; None: all at once."""

    def skipped(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are not scored.

        Raises:
            RealtimeError: one of `skip` is none of them.
        """
        for asked in self.skip:
            if asked not in names and asked not in map(stem_of, names):
                raise RealtimeError(f"skip names {asked!r}, which is no coordinate{_nearest(asked, names)}")
        return [name for name in names if name in self.skip or stem_of(name) in self.skip]


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One [[trial]] as the file has it."""

    name: _Text
    person: _Text
    video: _Text | Annotated[tuple[_Text, ...], msgspec.Meta(min_length=2)]
    reference: _Text
    offset_s: float | Literal["auto"] = 0.0
    camera: _Text | None = None
    height_m: Annotated[float, msgspec.Meta(ge=0.5, le=2.5)] | None = None
    skip: tuple[str, ...] = ()
    standing_s: tuple[float, float] | None = None
    capture_rate_hz: Annotated[float, msgspec.Meta(ge=1.0, le=1000.0)] | None = None
    offsets_s: tuple[float, ...] | None = None


FIELDS = _Entry.__struct_fields__


def read_trials(path: Path) -> tuple[Trial, ...]:
    """Read a trials file.

    Args:
        path: TOML with one `[[trial]]` for each; paths in it are relative to the file.

    Raises:
        RealtimeError: naming file, trial and key, what is accepted, and the nearest name for a misspelt key.
    """
    try:
        contents = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise RealtimeError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RealtimeError(f"{path}: not TOML ({error}); accepted: one [[trial]] for each trial") from error
    _refuse_unknown(f"{path}", contents, (KEY,))
    entries = contents.get(KEY)
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise RealtimeError(f"{path}: no trials; accepted: one [[trial]] with {', '.join(FIELDS)} for each")
    trials = tuple(_read_trial(path, number, entry) for number, entry in enumerate(entries, start=1))
    names = [trial.name for trial in trials]
    for name in names:
        if names.count(name) > 1:
            raise RealtimeError(
                f"{path}: {names.count(name)} trials are called {name!r}; give each its own name"
            )
    return trials


def _read_trial(path: Path, number: int, values: Mapping[str, Any]) -> Trial:
    where = f"{path}: trial {number} ({values.get('name', 'without a name')})"
    _refuse_unknown(where, values, FIELDS)
    try:
        entry = msgspec.convert(values, _Entry)
    except msgspec.ValidationError as error:
        raise RealtimeError(f"{where}: {_in_toml(str(error))}; accepted keys: {', '.join(FIELDS)}") from error
    _check_times(where, entry)
    return Trial(
        entry.name,
        entry.person,
        _videos(where, path, entry),
        _existing(where, "reference", path.parent / entry.reference),
        entry.offset_s,
        None if entry.camera is None else _existing(where, "camera", path.parent / entry.camera),
        entry.height_m,
        entry.skip,
        entry.standing_s,
        entry.capture_rate_hz,
        entry.offsets_s,
    )


def _videos(where: str, path: Path, entry: _Entry) -> str | tuple[str, ...]:
    """The video, or the videos of all views."""
    if isinstance(entry.video, str):
        if entry.offsets_s is not None:
            raise RealtimeError(f"{where}: offsets_s is for several videos; for one, give offset_s")
        return str(_existing(where, "video", path.parent / entry.video))
    if entry.camera is None:
        raise RealtimeError(
            f"{where}: several videos need camera, the file of all cameras, as of kinecast calibrate cameras"
        )
    if entry.offsets_s is not None and len(entry.offsets_s) != len(entry.video):
        raise RealtimeError(
            f"{where}: {len(entry.offsets_s)} offsets_s for {len(entry.video)} videos; accepted: one for each"
        )
    return tuple(str(_existing(where, "video", path.parent / video)) for video in entry.video)


def _check_times(where: str, entry: _Entry) -> None:
    if entry.offset_s != "auto" and not math.isfinite(entry.offset_s):
        raise RealtimeError(
            f'{where}: offset_s is {entry.offset_s}; accepted: a number of seconds, or "auto"'
        )
    if entry.standing_s is not None:
        start_s, end_s = entry.standing_s
        if not 0.0 <= start_s < end_s < math.inf:
            raise RealtimeError(
                f"{where}: standing_s is [{start_s}, {end_s}]; accepted: [from, to] in seconds of the video"
            )


def _existing(where: str, key: str, path: Path) -> Path:
    if "\0" in str(path) or not path.exists():
        raise RealtimeError(
            f"{where}: {key} {str(path)!r} does not exist; paths are relative to the trials file"
        )
    return path


def _in_toml(message: str) -> str:
    """A message of msgspec in the words of the file: `offset_s` instead of `$.offset_s`."""
    return message.replace("`$.", "`").replace("Object", "it")


def _refuse_unknown(where: str, values: Mapping[str, Any], accepted: Sequence[str]) -> None:
    for key in values:
        if key not in accepted:
            raise RealtimeError(
                f"{where}: unknown key {key!r}{_nearest(key, accepted)}; accepted: {', '.join(accepted)}"
            )


def _nearest(name: str, accepted: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(accepted), n=1)
    return f" (do you mean {found[0]}?)" if found else ""
