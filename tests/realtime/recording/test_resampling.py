"""Even rows from uneven samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.recording.finish import MAX_BRIDGED_S, even_times, resample


@given(st.integers(2, 40), st.floats(5.0, 300.0), st.integers(0, 2**32 - 1))
def test_resampling_keeps_straight_lines_and_stays_within_the_data(n: int, rate_hz: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.uniform(0.005, 0.05, n))
    values = np.stack([3.0 - 2.0 * time_s, rng.normal(size=n)], axis=1)
    even_s, rate = even_times(time_s, rate_hz)
    assert rate == rate_hz and even_s[0] == time_s[0] and even_s[-1] <= time_s[-1] + 1e-6 / rate_hz
    assert time_s[-1] - even_s[-1] < 1.0 / rate_hz
    out = resample(time_s, values, np.minimum(even_s, time_s[-1]))
    np.testing.assert_allclose(out[:, 0], 3.0 - 2.0 * even_s, atol=1e-6)
    assert out[:, 1].min() >= values[:, 1].min() and out[:, 1].max() <= values[:, 1].max()


def test_the_rate_is_that_of_the_stamps_if_none_is_asked() -> None:
    assert even_times(np.arange(10) / 25.0, None)[1] == 25.0
    assert len(even_times(np.empty(0), None)[0]) == 0
    assert even_times(np.array([4.0]), None)[0].tolist() == [4.0]


def test_slow_samples_are_joined_however_far_apart() -> None:
    time_s = np.arange(5.0)
    assert MAX_BRIDGED_S < 1.0
    out = resample(time_s, time_s[:, None], np.array([0.5, 3.25]))
    np.testing.assert_allclose(out[:, 0], [0.5, 3.25])
