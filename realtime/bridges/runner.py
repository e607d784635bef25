"""The loop of all bridges: receive samples, forward and count them, without slowing the tracker."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from realtime.client import Subscription
from realtime.errors import BridgeError
from realtime.stream.angle_sample import AngleSample
from realtime.stream.messages import Meta, Model, StatusMessage

logger = logging.getLogger(__name__)

POLL_S = 0.25
"""Longest wait for a sample before the bridge does its other work."""
HINT_AFTER_S = 3.0
MODEL_CHANGE_S = 2.0
"""Shortest interval between two set-ups of a bridge, however often the stream changes its model."""


class Bridge(Protocol):
    """A bridge to one protocol."""

    description: str
    """Description of what is sent where."""

    def meet(self, meta: Meta) -> None:
        """Set up the bridge: called before the first sample and when the skeleton changes.

        Raises:
            BridgeError: this stream cannot be forwarded.
        """

    def send(self, sample: AngleSample) -> None:
        """Forward one sample without blocking.

        Raises:
            BridgeError: this sample cannot be forwarded.
        """

    def beat(self, status: StatusMessage | None) -> None:
        """Called about once a second, also without samples; `status` is the newest heartbeat."""

    def close(self) -> None:
        """Notify the other side and release resources."""


@dataclass(slots=True)
class BridgeCounts:
    """Counters of a bridge."""

    sent: int = 0
    unsendable: int = 0
    """Number of samples that could not be forwarded."""


def run_bridge(
    subscription: Subscription,
    bridge: Bridge,
    *,
    count: int | None = None,
    counts: BridgeCounts | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> BridgeCounts:
    """Forward samples until stopped; the tracker may start later, stop, and restart.

    Args:
        subscription: Source of the samples.
        bridge: Bridge that forwards them; not closed here.
        count: Largest number of samples; None for no limit.
        counts: Counters that are kept up to date for other threads.
        is_over: Condition to stop, checked between samples.

    Returns:
        The counters; `subscription` counts missed and refused messages.
    """
    counts = BridgeCounts() if counts is None else counts
    setup = _Setup(bridge)
    started_s = next_beat_s = time.monotonic()
    is_waiting_told = False
    while not is_over() and (count is None or counts.sent < count):
        sample = subscription.receive(POLL_S)
        now_s = time.monotonic()
        if sample is not None:
            _pass_on(bridge, setup, sample, counts)
        elif not (counts.sent or is_waiting_told) and now_s - started_s > HINT_AFTER_S:
            is_waiting_told = True
            logger.warning("%s", subscription.described_silence(HINT_AFTER_S))
        if now_s >= next_beat_s:
            next_beat_s = now_s + 1.0
            bridge.beat(subscription.status)
    return counts


class _Setup:
    """Sets up the bridge for the skeleton of the stream."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._model: Model | None = None
        self._changed_s = -math.inf

    def follow(self, meta: Meta) -> None:
        if meta.model is self._model:
            return
        if self._model is not None and not _differ(meta.model, self._model):
            self._model = meta.model
            return
        now_s = time.monotonic()
        if now_s - self._changed_s < MODEL_CHANGE_S:
            raise BridgeError("the stream changes its skeleton too often")
        self._changed_s, self._model = now_s, None
        self._bridge.meet(meta)
        self._model = meta.model
        logger.info("forwarding %s with %d coordinates", meta.model.name, len(meta.model.coordinate_names))


def _differ(a: Model, b: Model) -> bool:
    return (a.sha, a.coordinate_names, a.units, a.body_names, a.marker_names) != (
        b.sha,
        b.coordinate_names,
        b.units,
        b.body_names,
        b.marker_names,
    )


def _pass_on(bridge: Bridge, setup: _Setup, sample: AngleSample, counts: BridgeCounts) -> None:
    try:
        setup.follow(sample.meta)
        bridge.send(sample)
    except BridgeError as error:
        counts.unsendable += 1
        if counts.unsendable == 1:
            logger.warning("a sample cannot be forwarded: %s", error)
        return
    counts.sent += 1
