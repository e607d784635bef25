"""Options of the app, and what the user has chosen in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from realtime.errors import RealtimeError
from realtime.recording.private_file import FOLDER_MODE, write_private

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5580
SETTINGS_NAME = "settings.json"
MOST_PEOPLE = 4
"""People whom the tracker can follow at once."""

Degrees = Annotated[float, msgspec.Meta(ge=-360.0, le=360.0)]


class AppError(RealtimeError):
    """Something that the app cannot do, with what to do next."""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """Options of `kinecast app`."""

    recordings: Path
    """Folder of the recordings; nothing outside it is shown."""
    folder: Path
    """Private folder of settings, the tracker's control file and its messages."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token_path: Path | None = None
    """File with the token that is asked for; None asks for none."""
    certificate: tuple[Path, Path] | None = None
    """TLS certificate and its key; None speaks plain HTTP."""
    opens_browser: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user has chosen in the app."""

    height_m: Annotated[float, msgspec.Meta(ge=0.5, le=2.5)] | None = None
    """Stature of the person."""
    person: Literal["", "largest", "left", "right"] = ""
    """Who is tracked where several people are in view; empty for the tracker's own choice."""
    n_people: Annotated[int, msgspec.Meta(ge=1, le=MOST_PEOPLE)] = 1
    """Number of people to track at once; with more than one, nobody's stature or measures are used."""
    camera_path: str = ""
    """File of `kinecast calibrate camera`; empty without one."""
    subject_path: str = ""
    """File of `kinecast calibrate subject`; empty without one."""
    record_video: bool = False
    """Whether recordings hold the camera's images without loss, too."""
    curves: tuple[str, ...] = ("knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l")
    """Coordinates whose curves are shown."""
    target: str = "knee_angle_r"
    """Coordinate of the feedback; empty without any."""
    target_low: Degrees = 80.0
    target_high: Degrees = 110.0
    """Band in which the feedback is green, in the coordinate's unit."""
    repetition_range: Annotated[float, msgspec.Meta(gt=0.0, le=360.0)] = 30.0
    """Least way of a repetition, there and back."""
    sound: bool = False
    """Whether a sound tells that the band is reached, and another that a repetition is counted."""


def load_settings(folder: Path) -> Settings:
    """What was chosen before; the defaults where nothing was, or the file is damaged."""
    try:
        return msgspec.json.decode((folder / SETTINGS_NAME).read_bytes(), type=Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Settings()


def save_settings(folder: Path, settings: Settings) -> None:
    """Keep what was chosen.

    Raises:
        AppError: the file cannot be written, or a value is out of its range.
    """
    path = folder / SETTINGS_NAME
    try:
        content = msgspec.json.encode(settings)
        msgspec.json.decode(content, type=Settings)
        write_private(path, msgspec.json.format(content) + b"\n")
    except msgspec.ValidationError as error:
        raise AppError(f"not accepted: {error}") from error
    except OSError as error:
        raise AppError(f"{path}: settings cannot be kept ({error.strerror})") from error


def make_folder(path: Path) -> Path:
    """A folder of the user's own, created if needed.

    Raises:
        AppError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    except OSError as error:
        raise AppError(
            f"{path}: cannot be created ({error.strerror}); choose another folder with --recordings DIR",
            name="recordings",
            value=path,
        ) from error
    return path
