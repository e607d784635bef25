"""The exceptions of realtime."""


class RealtimeError(Exception):
    """Base of every error that realtime raises about sources, streams and recordings."""


class SourceError(RealtimeError):
    """A camera, video, folder or stream that cannot be opened or read."""


class StreamError(RealtimeError):
    """A socket address that cannot be used, or a message that cannot be decoded."""


class RecordingError(RealtimeError):
    """An output folder or recording that cannot be written or read."""


class BridgeError(RealtimeError):
    """A bridge that cannot be opened, or a sample that it cannot pass on."""
