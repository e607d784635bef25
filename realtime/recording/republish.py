"""Sends a recorded stream again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from realtime.recording.log import LOG_NAME, StreamLog
from realtime.stream import security as curve
from realtime.stream.message_publisher import MessagePublisher
from realtime.stream.messages import Angles, Encoding, Pose

TICK_S = 0.05
"""How often new subscribers are greeted while nothing is due."""
SETTLING_TICKS = 6
"""Subscriptions of one subscriber arrive one by one."""
QUEUE = 1000
"""Where this process was held up, what is due leaves at once."""


class Republisher:
    """Publishes the samples of a recording as a session of their own: same values, new stamps.

    Args:
        folder: a recording, finished or not.
        address: where to publish.
        realtime: at the recorded times; else as fast as the slowest subscriber takes them, without loss.
        encoding: of the messages.
        keys: as for any publisher.

    Raises:
        RecordingError: there is no recording.
        StreamError: the address cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        *,
        realtime: bool,
        encoding: Encoding = "msgpack",
        keys: curve.ServerKeys | None = None,
    ) -> None:
        self._log = StreamLog(folder / LOG_NAME)
        self._realtime = realtime
        stamps_ns = [angles.t_capture_ns for angles, _ in self._log.samples()]
        self.n_samples = len(stamps_ns)
        """Of the recording."""
        self._first_ns, self._last_ns = (stamps_ns[0], stamps_ns[-1]) if stamps_ns else (0, 0)
        source = f"recording of {self._log.meta.source or folder}"
        meta = structs.replace(self._log.meta, session=str(uuid.uuid4()), source=source[:1024])
        self._publisher = MessagePublisher(
            address, meta, encoding=encoding, keys=keys, lossless=not realtime, queue=QUEUE
        )
        self.address = self._publisher.address
        """Where subscribers connect."""

    def wait(self) -> None:
        """Return once somebody has subscribed to the angles, and had time for the other topics."""
        self._publisher.tick()
        n_settled = 0
        while n_settled < SETTLING_TICKS:
            n_settled += self._publisher.is_wanted("angles")
            time.sleep(TICK_S)
            self._publisher.tick()

    def run(self, on_sample: Callable[[], object], *, n_most: int | None = None) -> int:
        """Send the samples.

        Args:
            on_sample: called after each.
            n_most: end after so many.

        Returns:
            How many were sent.
        """
        # Fast or not, no sample claims to be captured after it was sent.
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
        """Let the last messages leave."""
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
