"""The tracker's end of the stream: samples in, messages out.

Late joiners are greeted, a heartbeat is sent, and nobody has to wait. Of several people, each has a stream of
their own under topics of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from msgspec import structs

from realtime.sample import LiveStats, PoseSample, SampleGround
from realtime.stream.message_stream import MessageStream
from realtime.stream.messages import Encoding, Meta
from realtime.stream.sending_socket import SendingSocket
from realtime.stream.to_messages import angles_of, in_ground, meta_of, model_of, pose_of, root_of

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton
    from realtime.stream.security import ServerKeys

DEFAULT_ADDRESS = "tcp://127.0.0.1:5570"
SEND_QUEUE = 128
"""Messages queued for a subscriber that does not keep up; further ones are dropped for it alone. Enough for
one second in which the operating system does not schedule libzmq's own thread."""


class MessagePublisher(MessageStream):
    """Sends the messages of samples, `meta` and the heartbeat to all subscribers.

    Use it from one thread at a time: it may be handed to a thread as that starts, but never shared. Calls
    do not block: messages that a subscriber cannot take are dropped for that subscriber, which sees the gap
    in `seq`.

    Args:
        address: Address to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        meta: Description of the stream; its time stamps are updated before sending.
        encoding: "msgpack", or "json" for readers without msgpack.
        keys: CURVE keys and allow-list; required for addresses that other computers can reach.
        lossless: Whether to wait for subscribers that do not keep up, up to a second per message. Not for
            a live tracker.
        queue: Number of messages queued for each subscriber that does not keep up; further ones are dropped.
        n_people: Number of people, each with a stream; see `further`.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        meta: Meta,
        *,
        encoding: Encoding = "msgpack",
        keys: ServerKeys | None = None,
        lossless: bool = False,
        queue: int = SEND_QUEUE,
        n_people: int = 1,
    ) -> None:
        socket = SendingSocket(address, keys, lossless=lossless, queue=queue, n_people=n_people)
        super().__init__(socket, meta, encoding=encoding)
        self.further = tuple(
            MessageStream(
                socket, structs.replace(meta, session=str(uuid.uuid4())), encoding=encoding, person=person
            )
            for person in range(2, n_people + 1)
        )
        """Streams of further people, the second first."""
        self.address = socket.address
        """Where subscribers connect."""

    def tick(self, stats: LiveStats | None = None) -> None:
        """Send `meta` to new subscribers and a heartbeat each second; to be called without frames, too."""
        super().tick(stats)
        for stream in self.further:
            stream.tick(stats)

    def close(self) -> None:
        """Announce the end of the stream and release the address; may be called twice."""
        if self._socket.is_closed:
            return
        for stream in (self, *self.further):
            stream.end()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Publisher(MessagePublisher):
    """Publishes a tracker's samples; `MessagePublisher` describes its socket.

    Args:
        address: Address to bind; a loopback address unless `keys` are given. Port `*` takes a free one.
        skeleton: Skeleton of the samples, described in `meta`.
        camera: Camera described in `meta`, if there is one.
        cameras: All cameras, where there are several.
        source: Name of the source, such as "camera 0".
        estimator: Name of the estimator.
        smoothing_lag_s: Delay added by smoothing; None where unknown.
        rate_hz: Nominal rate of the samples; None where unknown.
        versions: Versions of software and models, by name.
        encoding: "msgpack", or "json" for readers without msgpack.
        keys: CURVE keys and allow-list; required for addresses that other computers can reach.
        n_people: Number of people that the samples are of.

    Raises:
        StreamError: the address is malformed, in use, or not local while `keys` is None.
    """

    def __init__(
        self,
        address: str,
        skeleton: Skeleton,
        camera: CameraCalibration | None = None,
        *,
        cameras: Sequence[CameraCalibration] = (),
        source: str = "",
        estimator: str = "",
        smoothing_lag_s: float | None = None,
        rate_hz: float | None = None,
        versions: dict[str, str] | None = None,
        encoding: Encoding = "msgpack",
        keys: ServerKeys | None = None,
        n_people: int = 1,
    ) -> None:
        meta = meta_of(
            str(uuid.uuid4()),
            model_of(skeleton),
            camera,
            cameras=cameras,
            source=source,
            estimator=estimator,
            smoothing_lag_s=smoothing_lag_s,
            rate_hz=rate_hz,
            versions=versions,
        )
        super().__init__(address, meta, encoding=encoding, keys=keys, n_people=n_people)
        self._skeleton = skeleton
        self._root = root_of(skeleton)
        self._grounds: list[SampleGround | None] = [None] * n_people

    def send(self, sample: PoseSample, stats: LiveStats | None = None) -> int:
        """Publish one sample, of further people too, and, when due, `meta` and the heartbeat.

        Returns:
            The time of publication, in ns of `time.perf_counter_ns`.
        """
        self.tick(stats)
        t_publish_ns = 0
        for k, (stream, one) in enumerate(zip((self, *self.further), sample.people, strict=True)):
            if one.ground is not None and one.ground is not self._grounds[k]:
                self._grounds[k] = one.ground
                stream.change_meta(in_ground(stream.meta, one.ground))
            t_publish_ns = self._send_sample(stream, one)
        return t_publish_ns

    def _send_sample(self, stream: MessageStream, sample: PoseSample) -> int:
        envelope = stream.envelope()
        pose = pose_of(sample, envelope, self._skeleton) if stream.is_wanted("pose") else None
        angles = angles_of(sample, envelope, self._root)
        # Encoding counts as the tracker's time, not as the transport to subscribers.
        t_publish_ns = stream.envelope().t_publish_ns
        if pose is not None:
            pose = structs.replace(pose, t_publish_ns=t_publish_ns)
        stream.send_messages(structs.replace(angles, t_publish_ns=t_publish_ns), pose)
        return t_publish_ns
