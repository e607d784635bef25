"""The log of a recording: all messages of its stream in order.

The file is a sequence of msgpack `bin` objects, which any msgpack library reads. Each holds one message as
sent by the publisher, with its topic. `meta` comes first; a sample is a `pose`, if known, then its `angles`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from realtime.errors import RecordingError
from realtime.recording.ground_move import GroundMove, ground_move
from realtime.recording.row_file import RowFile
from realtime.stream.decoding import MAX_MESSAGE_BYTES, MessageError, check_lengths, decode
from realtime.stream.messages import Angles, Message, Meta, Pose, encode

LOG_NAME = "stream.msgpack"
_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""First byte of a msgpack `bin` object -> number of bytes of its length."""


class LogWriter(RowFile):
    """Appends messages: all of one call, or none."""

    def add(self, *messages: Message) -> None:
        """Append messages.

        Raises:
            OSError: the messages do not fit.
        """
        self.append(b"".join(msgspec.msgpack.encode(encode(message)) for message in messages))


class StreamLog:
    """Reads a log from its beginning; an incomplete last message, left by a killed writer, is ignored.

    Args:
        path: Path of the log.

    Raises:
        RecordingError: the file cannot be read or does not begin with a `meta` message.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_damaged = 0
        """Number of messages so far that could not be read."""
        last = self._last_metas(_first_meta(path))
        self.meta = next(iter(last.values()))
        """Description of the recorded stream, with the ground that it ended with."""
        self._last = last

    def messages(self) -> Iterator[Message]:
        """Iterate over all messages of the recorded model from the beginning.

        Raises:
            RecordingError: the file cannot be read.
        """
        self.n_damaged = 0
        sessions: set[str] = set()
        for frame in _frames(self.path):
            try:
                message = decode(frame)
                check_lengths(message, self.meta.model)
            except MessageError:
                self.n_damaged += 1
                continue
            if isinstance(message, Meta) and message.model == self.meta.model:
                sessions.add(message.session)
            if message.session in sessions:
                yield message
            else:
                self.n_damaged += 1

    def samples(self) -> Iterator[tuple[Angles, Pose | None]]:
        """Iterate over all samples from the beginning, each with its pose if that is known.

        All samples of a session are in the ground that it ended with: in its first seconds, until the ground
        is settled, they were published in another.

        Raises:
            RecordingError: the file cannot be read.
        """
        pose: Pose | None = None
        move: GroundMove | None = None
        for message in self.messages():
            if isinstance(message, Meta):
                move = ground_move(message, self._last[message.session])
            elif isinstance(message, Pose):
                pose = message
            elif isinstance(message, Angles):
                its = pose if pose is not None and pose.seq == message.seq else None
                yield (message, its) if move is None else move.apply(message, its)

    @property
    def has_moved(self) -> bool:
        """Whether the ground of a session has changed."""
        return self._has_moved

    def _last_metas(self, first: Meta) -> dict[str, Meta]:
        """The last description of each session of the recorded model, the first session first."""
        found, self._has_moved = {first.session: first}, False
        for frame in _frames(self.path):
            if not frame.startswith(b"meta "):
                continue
            with suppress(MessageError):
                message = decode(frame)
                if isinstance(message, Meta) and message.model == first.model:
                    before = found.setdefault(message.session, message)
                    self._has_moved |= ground_move(before, message) is not None
                    found[message.session] = message
        return found


def _first_meta(path: Path) -> Meta:
    try:
        message = decode(next(_frames(path), b""))
    except MessageError:
        message = None
    if not isinstance(message, Meta):
        raise RecordingError(f"{path}: not the log of a recording, or it ends before the first sample")
    return message


def _frames(path: Path) -> Iterator[bytes]:
    """The content of each whole `bin` object.

    Raises:
        RecordingError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            while (frame := _next_frame(file)) is not None:
                yield frame
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from error


def _next_frame(file: BinaryIO) -> bytes | None:
    """The content of the next `bin` object; None at the end and at an incomplete one."""
    kind = file.read(1)
    n_bytes = _LENGTH_BYTES.get(kind[0]) if kind else None
    if n_bytes is None:
        return None
    length = int.from_bytes(file.read(n_bytes), "big")
    frame = file.read(length) if length <= MAX_MESSAGE_BYTES else b""
    return frame if len(frame) == length and length else None
