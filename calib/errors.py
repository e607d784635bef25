"""The exceptions of calib: what is wrong with a model, a file, a camera or a subject."""


class CalibError(Exception):
    """Base of every error that calib raises about its input."""


class OsimError(CalibError):
    """An `.osim` file that cannot be read, is malformed, or uses something unsupported."""


class SkeletonError(CalibError):
    """A skeleton asked for something it does not have (a body, a marker, a coordinate)."""


class StorageError(CalibError):
    """A `.mot`, `.sto` or `.trc` file that cannot be read or written."""


class CameraError(CalibError):
    """A camera calibration that cannot be read or does not fit the picture."""


class BoardError(CalibError):
    """A calibration board that cannot exist, or that was not seen well enough."""


class FloorError(CalibError):
    """A floor that was not seen well enough to say where the camera stands."""


class SubjectError(CalibError):
    """A person's measures that cannot be read, are impossible, or belong to another skeleton."""
