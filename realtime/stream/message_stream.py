"""The messages of one person's samples, with `meta` and the heartbeat, sent through a socket."""

from __future__ import annotations

import time
from dataclasses import replace

from msgspec import structs

from realtime.sample import LiveStats, PersonState, Status
from realtime.stream.messages import (
    Angles,
    Encoding,
    Message,
    Meta,
    Pose,
    StatusMessage,
    encode,
    topic_of_person,
)
from realtime.stream.sending_socket import SendingSocket
from realtime.stream.to_messages import Envelope, heartbeat_of

META_INTERVAL_NS = 1_000_000_000


class MessageStream:
    """Sends the messages of one person among those of others.

    Args:
        socket: Socket, which the streams of several people share.
        meta: Description of the stream; its time stamps are updated before sending.
        encoding: "msgpack", or "json" for readers without msgpack.
        person: Number of the person, from 1.
    """

    def __init__(
        self, socket: SendingSocket, meta: Meta, *, encoding: Encoding = "msgpack", person: int = 1
    ) -> None:
        self.session = meta.session
        self.seq = 0
        """Samples sent so far."""
        self.meta = meta
        """Description of the following samples."""
        self._socket, self._number = socket, person
        self._encoding: Encoding = encoding
        self._status, self._person, self._advice = Status.WARM_UP, PersonState.UNKNOWN, ""
        self._stats, self._n_lost = LiveStats(), 0
        self._n_greeted = self._next_beat_ns = 0

    def send_messages(self, angles: Angles, pose: Pose | None) -> None:
        """Send the messages of one sample, made for the `envelope`; the pose only if it has a subscriber."""
        self._status, self._person, self._advice = angles.status, angles.person, angles.advice
        self._n_lost += angles.status is Status.LOST
        if pose is not None and self.is_wanted("pose"):
            self._send(pose)
        self._send(angles)
        self.seq += 1

    def change_meta(self, meta: Meta) -> None:
        """Describe the following samples otherwise: subscribers hear it before the next one."""
        self.meta = meta
        self._send_meta(time.perf_counter_ns())

    def is_wanted(self, topic: str) -> bool:
        """Whether anybody has subscribed to a topic, as far as the last `tick` saw."""
        return self._socket.is_wanted(topic_of_person(topic, self._number))

    def envelope(self) -> Envelope:
        """The fields that the messages of the next sample share."""
        return Envelope(self.session, self.seq, time.perf_counter_ns())

    def tick(self, stats: LiveStats | None = None) -> None:
        """Send `meta` to new subscribers and a heartbeat each second; to be called without frames, too."""
        if stats is not None:
            self._stats = stats if self._number == 1 else replace(stats, lost_frames=self._n_lost)
        self._socket.read_requests()
        is_greeting = self._socket.n_requests > self._n_greeted
        self._n_greeted = self._socket.n_requests
        envelope = self.envelope()
        is_beat = envelope.t_publish_ns >= self._next_beat_ns
        if is_greeting or is_beat:
            self._send_meta(envelope.t_publish_ns)
        if is_beat:
            self._next_beat_ns = envelope.t_publish_ns + META_INTERVAL_NS
            self._send(self._heartbeat(self._stats, envelope))

    def end(self) -> None:
        """Announce the end of the stream."""
        farewell = LiveStats(note="the stream has ended")
        self._send(self._heartbeat(farewell, self.envelope()))

    def _heartbeat(self, stats: LiveStats, envelope: Envelope) -> StatusMessage:
        return heartbeat_of(self._status, stats, envelope, person=self._person, advice=self._advice)

    def _send_meta(self, now_ns: int) -> None:
        offset_ns = time.time_ns() - time.perf_counter_ns()
        self._send(structs.replace(self.meta, t_publish_ns=now_ns, wall_offset_ns=offset_ns))

    def _send(self, message: Message) -> None:
        self._socket.send(encode(message, self._encoding, self._number))
