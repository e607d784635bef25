"""Helpers for tests that send over real sockets."""

from __future__ import annotations

from calib.skeleton import Skeleton
from realtime.client import Subscription
from realtime.stream.angle_sample import AngleSample
from realtime.stream.publisher import Publisher
from tests.support.poses import random_sample

ANY_PORT = "tcp://127.0.0.1:*"
PATIENCE_S = 20.0


def join(publisher: Publisher, subscription: Subscription, skeleton: Skeleton) -> AngleSample:
    """Publish until the subscription has arrived; its first sample."""
    for k in range(10_000):
        publisher.send(random_sample(skeleton, k))
        sample = subscription.receive(0.01)
        if sample is not None:
            return drain(subscription) or sample
    raise AssertionError("nothing received")


def drain(subscription: Subscription) -> AngleSample | None:
    """Take what has arrived; the last of it."""
    last = None
    while (sample := subscription.receive(0.1)) is not None:
        last = sample
    return last
