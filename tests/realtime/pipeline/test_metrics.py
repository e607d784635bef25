"""Percentiles in constant memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.pipeline.durations import DurationTracker, RateMeter


@given(st.lists(st.integers(1_000, 100_000_000_000), min_size=1, max_size=300))
def test_percentiles_are_within_half_a_percent_of_numpys(durations_ns: list[int]):
    tracker = DurationTracker()
    for duration_ns in durations_ns:
        tracker.record(duration_ns)
    found = tracker.percentiles()
    expected = np.percentile(durations_ns, (50.0, 95.0, 99.0), method="inverted_cdf") * 1e-6
    np.testing.assert_allclose((found.p50_ms, found.p95_ms, found.p99_ms), expected, rtol=0.005)
    assert found.max_ms == pytest.approx(max(durations_ns) * 1e-6)
    assert found.mean_ms == pytest.approx(np.mean(durations_ns) * 1e-6)
    assert found.count == len(durations_ns)


def test_durations_outside_the_range_are_kept_at_its_ends():
    tracker = DurationTracker()
    for duration_ns in (-5, 0, 10**15):
        tracker.record(duration_ns)
    assert tracker.percentiles().max_ms == 10**9
    assert tracker.percentile_ms(1.0) == pytest.approx(1e-3, rel=0.01)


def test_nothing_recorded_is_nan_and_an_empty_dict():
    nothing = DurationTracker().percentiles()
    assert math.isnan(nothing.p99_ms)
    assert nothing.as_dict() == {}


def test_memory_stays_flat():
    tracker, rate = DurationTracker(), RateMeter()
    tracemalloc.start()
    try:
        for k in range(1_000):
            tracker.record(k * 1_000)
            rate.tick(k * 1_000)
        before = tracemalloc.get_traced_memory()[0]
        for k in range(20_000):
            tracker.record(k * 1_000)
            rate.tick(k * 1_000)
        assert tracemalloc.get_traced_memory()[0] - before < 2_000
    finally:
        tracemalloc.stop()


def test_the_rate_is_that_of_the_newest_events_and_of_all():
    rate = RateMeter(window=10)
    assert math.isnan(rate.recent_hz)
    assert math.isnan(rate.mean_hz)
    stamps_s = [*np.arange(0.0, 10.0, 0.1), *np.arange(10.0, 11.0, 0.02)]
    for stamp_s in stamps_s:
        rate.tick(round(stamp_s * 1e9))
    assert rate.recent_hz == pytest.approx(50.0)
    assert rate.mean_hz == pytest.approx((len(stamps_s) - 1) / stamps_s[-1], rel=1e-6)
