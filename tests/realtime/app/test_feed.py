"""The stream as the pages show it: curves, ranges, feedback, marks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.app.feed import Feed
from realtime.app.options import Settings
from realtime.stream.publisher import Publisher
from tests.support.bridging import SKELETON, pose
from tests.support.streams import ANY_PORT

RATE_HZ, N = 30.0, 240
KNEE_DEG = 60.0 - 50.0 * np.cos(2.0 * np.pi * np.arange(N) / 80.0)
"""Three squats, from 10 to 110 degrees."""
MARKED = 100


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def followed() -> Iterator[SimpleNamespace]:
    """A feed that has heard three squats."""
    settings = Settings(target="knee_angle_r", target_low=100.0, target_high=120.0)
    with Publisher(ANY_PORT, SKELETON) as publisher:
        address = [publisher.address]
        feed = Feed(lambda: address[0], lambda: settings)

        def first_heard() -> bool:
            publisher.tick()
            publisher.send(replace(pose(0, knee_angle_r=KNEE_DEG[0]), t_capture_ns=10**9))
            return feed.newest is not None

        wait_for(first_heard)
        feed.restart_counts()
        for k in range(1, N):
            sample = replace(pose(k, knee_angle_r=KNEE_DEG[k]), t_capture_ns=10**9 + round(k * 1e9 / RATE_HZ))
            publisher.send(replace(sample, events=("heel",)) if k == MARKED else sample)
        wait_for(lambda: feed.newest is not None and feed.newest.frame_id == N - 1)
        yield SimpleNamespace(feed=feed, address=address)
        feed.close()


def test_ranges_are_those_of_the_samples(followed: SimpleNamespace):
    low, high = followed.feed.range_of("knee_angle_r")
    assert low == pytest.approx(KNEE_DEG[1:].min()) and high == pytest.approx(KNEE_DEG.max())
    assert followed.feed.range_of("no_such_angle") is None


def test_a_curve_is_the_end_of_what_was_heard(followed: SimpleNamespace):
    curve = followed.feed.curve("knee_angle_r", 2.0)
    assert [round(t * RATE_HZ) for t, _ in curve] == list(range(-60, 1))
    np.testing.assert_allclose([value for _, value in curve], KNEE_DEG[-61:], atol=0.006)
    assert followed.feed.curve("no_such_angle", 2.0) == []


def test_feedback_counts_repetitions_and_arrivals_in_the_band(followed: SimpleNamespace):
    feedback = followed.feed.feedback
    inside = (KNEE_DEG[1:] >= 100.0) & (KNEE_DEG[1:] <= 120.0)
    assert feedback.n_entered == np.count_nonzero(np.diff(inside.astype(int)) == 1) == 3
    assert feedback.n_repetitions == 3
    assert feedback.value == pytest.approx(KNEE_DEG[-1]) and not feedback.is_inside


def test_marks_keep_their_time(followed: SimpleNamespace):
    ((time_s, event),) = followed.feed.events()
    assert event == "heel" and time_s == pytest.approx((MARKED - (N - 1)) / RATE_HZ, abs=1e-3)


def test_nothing_is_left_once_the_stream_is_gone(followed: SimpleNamespace):
    followed.address[0] = ""
    wait_for(lambda: followed.feed.newest is None)
    assert followed.feed.curve("knee_angle_r", 2.0) == []
    assert math.isfinite(followed.feed.feedback.value)
