"""The exceptions of realtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class RealtimeError(Exception):
    """Base of every error that realtime raises about sources, streams and recordings.

    Args:
        message: Text for people: what is wrong, what is accepted, what to do next.
        name: Name of the option, file or field at fault, if there is one.
        value: Value that was refused, if there is one.
        accepted: Values that would be accepted, if they can be listed.
    """

    exit_code = 2
    """Exit code of a command that this error ends."""

    def __init__(
        self,
        message: str = "",
        *,
        name: str | None = None,
        value: object = None,
        accepted: Sequence[object] = (),
    ) -> None:
        super().__init__(message)
        self.name, self.value, self.accepted = name, value, tuple(accepted)


class SourceError(RealtimeError):
    """A camera, video, folder or stream that cannot be opened or read."""


class StreamError(RealtimeError):
    """A socket address that cannot be used, or a message that cannot be decoded."""


class RecordingError(RealtimeError):
    """An output folder or recording that cannot be written or read."""


class RecordingStopped(RecordingError):
    """A recording that ended before its run, such as on a full disk.

    Args:
        n_recorded: Number of samples recorded.
        n_samples: Number of samples of the run.
        reason: Reason in words.
        folder: Folder of the recording.
    """

    exit_code = 1

    def __init__(self, n_recorded: int, n_samples: int, reason: str, folder: Path) -> None:
        self.n_recorded, self.n_samples = n_recorded, n_samples
        advice = f"; free disk space, then run: kinecast recover {folder}" * (
            "kinecast recover" not in reason
        )
        text = f"{n_recorded} of {n_samples} samples recorded: {reason}{advice}"
        super().__init__(text, name="out", value=folder)


class BridgeError(RealtimeError):
    """A bridge that cannot be opened, or a sample that it cannot pass on."""


class StudyError(RealtimeError):
    """A study that cannot be read, planned, or run where it is to run."""
