"""Publication of a recorded stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from realtime.recording.log import LOG_NAME, StreamLog
from realtime.source_names import without_secrets
from realtime.stream.messages import Angles, Encoding, Pose
from realtime.stream.publisher import MessagePublisher
from realtime.stream.security import ServerKeys

TICK_S = 0.05
"""Interval for greeting new subscribers while no sample is due."""
SETTLING_TICKS = 6
"""Ticks to wait after the first subscription, because those of one subscriber arrive one by one."""
QUEUE = 1000
"""Queue length: after a delay of this process, all samples that are due leave at once."""


class Republisher:
    """Publishes the samples of a recording as a new session: same values, new time stamps.

    Args:
        folder: Folder of a recording, finished or not.
        address: Address to bind.
        realtime: Whether to keep the recorded times; otherwise samples are sent without loss, as fast as the
            slowest subscriber takes them.
        encoding: Encoding of the messages.
        keys: CURVE keys and allow-list, as for `Publisher`.

    Raises:
        RecordingError: the folder holds no recording.
        StreamError: the address cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        *,
        realtime: bool,
        encoding: Encoding = "msgpack",
        keys: ServerKeys | None = None,
    ) -> None:
        self._log = StreamLog(folder / LOG_NAME)
        self._realtime = realtime
        stamps_ns = [angles.t_capture_ns for angles, _ in self._log.samples()]
        self.n_samples = len(stamps_ns)
        """Number of samples of the recording."""
        self._first_ns, self._last_ns = (stamps_ns[0], stamps_ns[-1]) if stamps_ns else (0, 0)
        source = f"recording of {without_secrets(self._log.meta.source) or folder.resolve().name}"
        meta = structs.replace(self._log.meta, session=str(uuid.uuid4()), source=source[:1024])
        self._publisher = MessagePublisher(
            address, meta, encoding=encoding, keys=keys, lossless=not realtime, queue=QUEUE
        )
        self.address = self._publisher.address
        """Where subscribers connect."""

    def wait(self) -> None:
        """Wait until somebody has subscribed to the angles and had time to subscribe to other topics."""
        self._publisher.tick()
        n_settled = 0
        while n_settled < SETTLING_TICKS:
            n_settled += self._publisher.is_wanted("angles")
            time.sleep(TICK_S)
            self._publisher.tick()

    def run(self, on_sample: Callable[[], object], *, n_most: int | None = None) -> int:
        """Send the samples.

        Args:
            on_sample: Callback after each sample.
            n_most: Largest number of samples; None sends all.

        Returns:
            The number of samples sent.
        """
        # At any speed, no sample may claim to be captured after it was sent.
        shift_ns = time.perf_counter_ns() - (self._first_ns if self._realtime else self._last_ns)
        for n_sent, (angles, pose) in enumerate(self._log.samples()):
            if n_sent == n_most:
                return n_sent
            t_capture_ns = angles.t_capture_ns + shift_ns
            if self._realtime:
                self._wait_until(t_capture_ns)
            self._send(angles, pose, t_capture_ns)
            on_sample()
        return self.n_samples

    def close(self) -> None:
        """Send the last messages and close the socket."""
        self._publisher.close()

    def __enter__(self) -> Republisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_until(self, t_ns: int) -> None:
        while (wait_s := (t_ns - time.perf_counter_ns()) * 1e-9) > 0.0:
            time.sleep(min(wait_s, TICK_S))
            self._publisher.tick()

    def _send(self, angles: Angles, pose: Pose | None, t_capture_ns: int) -> None:
        self._publisher.tick()
        now = self._publisher.envelope()
        new = {
            "session": now.session,
            "seq": now.seq,
            "t_publish_ns": now.t_publish_ns,
            "t_capture_ns": t_capture_ns,
        }
        renewed = None if pose is None else structs.replace(pose, **new)
        self._publisher.send_messages(structs.replace(angles, **new), renewed)
