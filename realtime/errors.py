"""The exceptions of realtime."""

from __future__ import annotations

from collections.abc import Sequence


class RealtimeError(Exception):
    """Base of every error that realtime raises about sources, streams and recordings.

    Args:
        message: Text for people: what is wrong, what is accepted, what to do next.
        name: Name of the option, file or field at fault, if there is one.
        value: Value that was refused, if there is one.
        accepted: Values that would be accepted, if they can be listed.
    """

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


class BridgeError(RealtimeError):
    """A bridge that cannot be opened, or a sample that it cannot pass on."""
