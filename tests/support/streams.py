"""Helpers for tests that send over real sockets."""

from __future__ import annotations

from calib.skeleton import Skeleton
from realtime.client import Subscription
from realtime.stream.angle_sample import AngleSample
from realtime.stream.publisher import Publisher
from tests.support.poses import random_sample

ANY_PORT = "tcp://127.0.0.1:*"
PATIENCE_S = 60.0
LAST = 999_999
"""Frame that ends what `join` sends."""


def join(publisher: Publisher, subscription: Subscription, skeleton: Skeleton) -> AngleSample:
    """Publish until the subscription has arrived; the last sample that was sent for it."""
    for k in range(10_000):
        publisher.send(random_sample(skeleton, k))
        if subscription.receive(0.01) is not None:
            return settle(publisher, subscription, skeleton)
    raise AssertionError("nothing received")


def settle(publisher: Publisher, subscription: Subscription, skeleton: Skeleton) -> AngleSample:
    """Take everything that has been sent, however late it arrives; the last of it."""
    publisher.send(random_sample(skeleton, LAST))
    while (sample := subscription.receive(PATIENCE_S)) is not None:
        if sample.frame_id == LAST:
            return sample
    raise AssertionError("the last sample did not arrive")


def drain(subscription: Subscription) -> AngleSample | None:
    """Take what has arrived; the last of it."""
    last = None
    while (sample := subscription.receive(0.1)) is not None:
        last = sample
    return last
