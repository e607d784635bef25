"""The exceptions of calib: what is wrong with a model, a file, a camera or a subject."""

from __future__ import annotations

from collections.abc import Iterable


class CalibError(Exception):
    """Base of every error that calib raises about its input.

    Args:
        message: Text for people: what is wrong, what is accepted, what to do.
        name: Name of what is wrong, such as a field or an option; empty where it has none.
        value: Value that was refused, None where there is none.
        accepted: What would be accepted: names, or a range (lowest, highest); empty where unknown.
    """

    def __init__(
        self, message: str, *, name: str = "", value: object = None, accepted: Iterable[object] = ()
    ) -> None:
        super().__init__(message)
        self.name = name
        self.value = value
        self.accepted = tuple(accepted)


class OsimError(CalibError):
    """An `.osim` file that cannot be read, is malformed, or uses something unsupported."""


class SkeletonError(CalibError):
    """A skeleton asked for something it does not have (a body, a marker, a coordinate)."""


class StorageError(CalibError):
    """A `.mot`, `.sto` or `.trc` file that cannot be read or written."""


class CameraError(CalibError):
    """A camera calibration that cannot be read or does not fit the image."""


class BoardError(CalibError):
    """A calibration board that cannot exist, or that was not seen well enough."""


class FloorError(CalibError):
    """A floor that was not seen well enough to say where the camera stands."""


class SubjectError(CalibError):
    """A person's measures that cannot be read, are impossible, or belong to another skeleton."""
