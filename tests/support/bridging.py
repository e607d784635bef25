"""A tracker that publishes known poses, and a bridge that listens to it in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from calib.skeleton import Skeleton, load_skeleton
from realtime.bridges.runner import Bridge, BridgeCounts, run_bridge
from realtime.client import Subscription, subscribe
from realtime.sample import PoseSample
from realtime.stream.messages import Encoding
from realtime.stream.publisher import Publisher
from tests.support.poses import sample_of
from tests.support.streams import ANY_PORT, PATIENCE_S

SKELETON: Skeleton = load_skeleton()


def pose(frame_id: int = 0, **angles_deg: float) -> PoseSample:
    """The default pose but for some angles, taken now."""
    q = np.zeros(SKELETON.n_q)
    for name, degrees in angles_deg.items():
        q[SKELETON.coordinate_index(name)] = np.radians(degrees)
    return sample_of(SKELETON, q, frame_id)


class Running:
    """A bridge at work."""

    def __init__(self, bridge: Bridge, subscription: Subscription) -> None:
        self.subscription = subscription
        self.counts = BridgeCounts()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bridge,))
        self._thread.start()

    def _run(self, bridge: Bridge) -> None:
        run_bridge(self.subscription, bridge, counts=self.counts, is_over=self._is_over.is_set)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@contextmanager
def bridged(bridge: Bridge, address: str) -> Iterator[Running]:
    """Run a bridge on the stream at `address`."""
    with subscribe(address, poses=True) as subscription:
        running = Running(bridge, subscription)
        try:
            yield running
        finally:
            running.stop()
            bridge.close()


def new_publisher(address: str = ANY_PORT, encoding: Encoding = "msgpack") -> Publisher:
    """Without a camera."""
    return Publisher(address, SKELETON, source="test", estimator="none", rate_hz=30.0, encoding=encoding)


def publish_until(
    publisher: Publisher, sample: Callable[[int], PoseSample], is_done: Callable[[], bool]
) -> int:
    """Publish samples until something has happened on the other side; how many it took."""
    deadline_s = time.monotonic() + PATIENCE_S
    k = 0
    while not is_done():
        assert time.monotonic() < deadline_s, "the other side got nothing"
        publisher.send(sample(k))
        time.sleep(0.01)
        k += 1
    return k
