"""What all bridges share: they listen, pass on, count, and never get in the tracker's way."""

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
"""How long a bridge without samples waits before it looks around."""
HINT_AFTER_S = 3.0
MODEL_CHANGE_S = 2.0
"""A bridge is set up anew at most this often, whatever the stream claims to be."""


class Bridge(Protocol):
    """One protocol."""

    description: str
    """What is sent where, for people."""

    def meet(self, meta: Meta) -> None:
        """Take note of the stream: called before its first sample, and when its skeleton changes.

        Raises:
            BridgeError: such a stream cannot be passed on.
        """

    def send(self, sample: AngleSample) -> None:
        """Pass one sample on, without waiting for anybody.

        Raises:
            BridgeError: this sample cannot be passed on.
        """

    def beat(self, status: StatusMessage | None) -> None:
        """Called about once a second, also while nothing comes; `status` is the newest heartbeat."""

    def close(self) -> None:
        """Tell the other side, and let go."""


@dataclass(slots=True)
class BridgeCounts:
    """What a bridge did."""

    sent: int = 0
    unsendable: int = 0
    """Samples that could not be passed on."""


def run_bridge(
    subscription: Subscription,
    bridge: Bridge,
    *,
    count: int | None = None,
    counts: BridgeCounts | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> BridgeCounts:
    """Pass samples on until told to stop; the tracker may come later, stop, and come back.

    Args:
        subscription: where samples come from.
        bridge: where they go; not closed here.
        count: end after so many samples.
        counts: kept up to date for others to read.
        is_over: asked between samples.

    Returns:
        What was done; `subscription` has what was missed and refused.
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
            logger.warning("nothing heard from %s yet; is `kinecast live` running?", subscription.address)
        if now_s >= next_beat_s:
            next_beat_s = now_s + 1.0
            bridge.beat(subscription.status)
    return counts


class _Setup:
    """Keeps the bridge set up for the skeleton that the stream has."""

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
        logger.info("passing on %s with %d coordinates", meta.model.name, len(meta.model.coordinate_names))


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
            logger.warning("a sample cannot be passed on: %s", error)
        return
    counts.sent += 1
