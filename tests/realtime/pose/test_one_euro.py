"""The One-Euro filter against the authors' package and against what a filter must and must not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from OneEuroFilter import OneEuroFilter as PublishedFilter

from realtime.pose.one_euro import OneEuroFilter, OneEuroSettings

Array = NDArray[np.float64]
TURN = 2.0 * np.pi


def run(filter_: OneEuroFilter, t_ns: Array, x: Array) -> tuple[Array, Array]:
    """Smoothed values and speeds of every row."""
    out, speed = np.empty_like(x), np.empty_like(x)
    for k in range(len(x)):
        filter_.step(int(t_ns[k]), x[k], out[k], speed[k])
    return out, speed


def uneven_ns(n: int, seed: int = 0) -> Array:
    steps_s = np.random.default_rng(seed).uniform(0.004, 0.08, n)
    return np.rint(1e9 * (5.0 + np.cumsum(steps_s))).astype(np.int64)


def even_ns(n: int, rate_hz: float = 100.0) -> Array:
    return np.rint(np.arange(n) * 1e9 / rate_hz).astype(np.int64)


@pytest.mark.parametrize(
    ("min_cutoff_hz", "beta", "derivative_cutoff_hz"), [(1.0, 0.0, 1.0), (0.7, 2.5, 3.0)]
)
def test_equals_the_published_implementation_on_uneven_stamps(
    min_cutoff_hz: float, beta: float, derivative_cutoff_hz: float
) -> None:
    t_ns = uneven_ns(400)
    x = np.cumsum(np.random.default_rng(1).normal(0.0, 0.2, (400, 3)), axis=0)
    ours = OneEuroFilter(
        3, OneEuroSettings(min_cutoff_hz=min_cutoff_hz, beta=beta, derivative_cutoff_hz=derivative_cutoff_hz)
    )
    theirs = [
        PublishedFilter(1e9 / (t_ns[1] - t_ns[0]), min_cutoff_hz, beta, derivative_cutoff_hz)
        for _ in range(3)
    ]
    out, _ = run(ours, t_ns, x)
    expected = [
        [f(v, t * 1e-9) for f, v in zip(theirs, row, strict=True)] for t, row in zip(t_ns, x, strict=True)
    ]
    np.testing.assert_allclose(out, expected, rtol=0.0, atol=1e-9)


def test_each_coordinate_has_its_own_parameters() -> None:
    t_ns, x = uneven_ns(50), np.random.default_rng(2).normal(size=(50, 2))
    both, _ = run(OneEuroFilter(2, OneEuroSettings(min_cutoff_hz=[1.0, 8.0], beta=[0.0, 3.0])), t_ns, x)
    for k, (cutoff, beta) in enumerate([(1.0, 0.0), (8.0, 3.0)]):
        alone, _ = run(
            OneEuroFilter(1, OneEuroSettings(min_cutoff_hz=cutoff, beta=beta)), t_ns, x[:, k : k + 1]
        )
        np.testing.assert_array_equal(both[:, k], alone[:, 0])


def test_a_jump_of_whole_turns_goes_unnoticed() -> None:
    t_ns = even_ns(400)
    x = np.linspace(0.0, 3.0 * TURN, 400)[:, None]
    wrapped = (x + np.pi) % TURN - np.pi
    smooth, speed = run(OneEuroFilter(1, OneEuroSettings(is_angle=True)), t_ns, x)
    again, speed_again = run(OneEuroFilter(1, OneEuroSettings(is_angle=True)), t_ns, wrapped)
    np.testing.assert_allclose(again, smooth, atol=1e-9)
    np.testing.assert_allclose(speed_again, speed, atol=1e-6)
    assert np.abs(np.diff(again[:, 0])).max() < 0.1


def test_the_first_angle_is_kept_as_it_is_and_translations_do_not_wrap() -> None:
    out, _ = run(
        OneEuroFilter(2, OneEuroSettings(is_angle=[True, False], beta=0.0)),
        even_ns(2),
        np.array([[4.0, 10.0], [4.0, 3.0]]),
    )
    np.testing.assert_allclose(out[0], [4.0, 10.0])
    assert 3.0 < out[1, 1] < 10.0


def test_the_turn_survives_a_gap() -> None:
    filter_ = OneEuroFilter(1, OneEuroSettings(is_angle=True, max_gap_s=0.2))
    run(filter_, even_ns(200), np.linspace(0.0, 2.0 * TURN, 200)[:, None])
    out, speed = np.empty(1), np.empty(1)
    filter_.step(10_000_000_000, np.array([0.1]), out, speed)
    assert out[0] == pytest.approx(2.0 * TURN + 0.1)
    assert np.isnan(speed[0])


def test_undefined_input_gives_undefined_output_and_leaves_no_trace() -> None:
    t_ns = even_ns(40, 50.0)
    x = np.random.default_rng(3).normal(size=(40, 2))
    holes = x.copy()
    holes[[0, 7, 8, 20], 0] = np.nan
    out, speed = run(OneEuroFilter(2), t_ns, holes)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(holes))
    assert np.isnan(speed[[7, 8, 20], 0]).all()
    # The other coordinate and the later values are as if the undefined rows had never come.
    other, _ = run(OneEuroFilter(1), t_ns, x[:, 1:])
    np.testing.assert_array_equal(out[:, 1], other[:, 0])
    kept = np.isfinite(holes[:, 0])
    alone, _ = run(OneEuroFilter(1), t_ns[kept], holes[kept, :1])
    np.testing.assert_array_equal(out[kept, 0], alone[:, 0])


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_input_counts_as_undefined(bad: float) -> None:
    out, _ = run(OneEuroFilter(1), even_ns(3), np.array([[0.0], [bad], [0.0]]))
    np.testing.assert_array_equal(out[:, 0], [0.0, np.nan, 0.0])


def test_a_coordinate_starts_afresh_after_its_own_gap() -> None:
    t_ns = even_ns(60, 100.0)
    x = np.zeros((60, 2))
    x[:, :] = np.arange(60)[:, None] % 7
    x[10:45, 0] = np.nan
    out, speed = run(OneEuroFilter(2, OneEuroSettings(max_gap_s=0.3)), t_ns, x)
    assert out[45, 0] == x[45, 0] and np.isnan(speed[45, 0])
    assert out[45, 1] != x[45, 1] and np.isfinite(speed[45, 1])


def test_a_stamp_that_does_not_advance_changes_nothing() -> None:
    filter_ = OneEuroFilter(1)
    out, speed = run(filter_, even_ns(10), np.arange(10.0)[:, None])
    again, speed_again = np.empty(1), np.empty(1)
    for t_ns in (even_ns(10)[-1], 0):
        filter_.step(int(t_ns), np.array([99.0]), again, speed_again)
        assert (again[0], speed_again[0]) == (out[-1, 0], speed[-1, 0])


def test_a_source_that_starts_again_starts_the_filter_again() -> None:
    filter_ = OneEuroFilter(1)
    run(filter_, even_ns(100), np.ones((100, 1)))
    out, speed = np.empty(1), np.empty(1)
    filter_.step(0, np.array([5.0]), out, speed)
    assert out[0] == 5.0 and np.isnan(speed[0])


@pytest.mark.parametrize("rate_hz", [15.0, 60.0, 240.0])
def test_the_reported_lag_is_the_delay_of_a_ramp_and_the_speed_is_its_slope(rate_hz: float) -> None:
    slope = 1.7
    t_ns = even_ns(round(8.0 * rate_hz), rate_hz)
    x = (slope * t_ns * 1e-9)[:, None]
    filter_ = OneEuroFilter(1, OneEuroSettings(min_cutoff_hz=0.9, beta=0.4))
    out, speed = run(filter_, t_ns, x)
    delay_s = (x[-1, 0] - out[-1, 0]) / slope
    assert filter_.lag_s[0] == pytest.approx(delay_s, rel=1e-3)
    assert speed[-1, 0] == pytest.approx(slope, rel=1e-3)


def test_mean_lag_is_that_of_the_steps_taken() -> None:
    filter_ = OneEuroFilter(2, OneEuroSettings(min_cutoff_hz=2.0, beta=0.0))
    assert np.isnan(filter_.mean_lag_s).all()
    x = np.zeros((5, 2))
    x[:, 1] = np.nan
    run(filter_, even_ns(5), x)
    # The first step starts the filter and adds no lag.
    assert filter_.mean_lag_s[0] == pytest.approx(4.0 / 5.0 / (TURN * 2.0))
    assert np.isnan(filter_.mean_lag_s[1]) and np.isnan(filter_.lag_s[1])


def test_it_calms_a_person_who_stands_still() -> None:
    x = np.random.default_rng(4).normal(0.0, 0.02, (900, 20))
    out, _ = run(OneEuroFilter(20), even_ns(900, 30.0), x)
    assert out[30:].std() < 0.65 * x.std()


def test_reset_forgets_the_past() -> None:
    t_ns, x = even_ns(20), np.random.default_rng(5).normal(size=(20, 2))
    filter_ = OneEuroFilter(2, OneEuroSettings(is_angle=True))
    first, _ = run(filter_, t_ns, x)
    filter_.reset()
    second, _ = run(filter_, t_ns + 5, x)
    np.testing.assert_allclose(second, first, atol=1e-12)


def test_writing_into_the_input_is_allowed() -> None:
    x = np.array([1.0, np.nan])
    speed = np.empty(2)
    filter_ = OneEuroFilter(2)
    filter_.step(0, x, x, speed)
    np.testing.assert_array_equal(x, [1.0, np.nan])


@given(
    st.lists(
        st.tuples(st.integers(-(10**9), 10**10), st.floats(-1e3, 1e3) | st.just(float("nan"))), max_size=30
    )
)
def test_smoothed_values_never_leave_the_range_of_the_input(samples: list[tuple[int, float]]) -> None:
    filter_ = OneEuroFilter(1)
    seen: list[float] = []
    for t_ns, value in samples:
        out, speed = np.empty(1), np.empty(1)
        filter_.step(t_ns, np.array([value]), out, speed)
        seen += [value] if np.isfinite(value) else []
        if np.isfinite(value):
            assert min(seen) - 1e-9 <= out[0] <= max(seen) + 1e-9
        else:
            assert np.isnan(out[0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"min_cutoff_hz": 0.0},
        {"beta": -1.0},
        {"derivative_cutoff_hz": [1.0, 0.0]},
        {"max_gap_s": 0.0},
        {"fastest": -1.0},
        {"guess": 1.0, "well_known": 2.0},
    ],
)
def test_parameters_out_of_range_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="accepted"):
        OneEuroFilter(2, OneEuroSettings(**arguments))  # type: ignore[arg-type]


def told(sigma: float, x: np.ndarray, well_known: float = 0.2) -> np.ndarray:
    """Smoothed at 30 Hz as values of one standard deviation. Shape: (n,)."""
    filter_ = OneEuroFilter(1, OneEuroSettings(well_known=well_known, guess=1.4 * well_known))
    out, speed = np.empty(1), np.empty(1)
    smooth = []
    for t_ns, value in zip(even_ns(len(x), 30.0), x, strict=True):
        filter_.step(int(t_ns), np.array([value]), out, speed, np.array([sigma]))
        smooth.append(out[0])
    return np.array(smooth)


def test_what_is_known_badly_moves_less() -> None:
    x = np.random.default_rng(0).normal(0.0, 0.3, 300)
    spread = [np.std(told(sigma, x)) for sigma in (0.1, 0.4, 0.8)]
    assert spread[0] > 1.5 * spread[1]
    assert spread[1] > 1.1 * spread[2]


def test_no_one_jumps_further_than_people_move_and_what_stays_is_believed() -> None:
    x = np.concatenate([np.zeros(30), np.full(60, 1.7)])
    smooth = told(0.25, x)
    assert np.abs(np.diff(smooth)).max() < np.radians(20.0)
    assert smooth[-1] == pytest.approx(1.7, abs=0.1)
    sure = told(0.0, x)
    assert np.abs(np.diff(sure)).max() > 1.0


def test_fast_movement_that_is_seen_well_is_not_held_back() -> None:
    # A knee in a kick: 100 degrees in a fifth of a second, there and back.
    t_s = np.arange(60) / 30.0
    x = np.radians(50.0) * (1.0 - np.cos(2.0 * np.pi * 2.5 * t_s))
    assert np.abs(told(0.1, x) - told(0.0, x)).max() < np.radians(6.0)


def test_what_is_not_known_at_all_stays() -> None:
    smooth = told(np.inf, np.linspace(0.0, 1.0, 30))
    assert np.abs(smooth).max() < 1e-3


def test_guesses_that_jump_about_are_no_movement() -> None:
    # Legs behind a desk: what is made of them leaps by 40 degrees, and settles nowhere.
    x = np.random.default_rng(1).choice(np.radians([0.0, 40.0]), 300)
    assert np.sqrt(np.mean(np.diff(told(0.5, x)) ** 2)) < np.radians(1.0)
    assert np.sqrt(np.mean(np.diff(told(0.2, x)) ** 2)) > np.radians(5.0)


def test_each_coordinate_has_its_own_top_speed() -> None:
    x = np.concatenate([np.zeros((30, 2)), np.full((60, 2), 1.7)])
    filter_ = OneEuroFilter(2, OneEuroSettings(well_known=0.2, fastest=[30.0, 10.0]))
    out, speed = np.empty(2), np.empty(2)
    smooth = []
    for t_ns, row in zip(even_ns(len(x), 30.0), x, strict=True):
        filter_.step(int(t_ns), row, out, speed, np.full(2, 0.1))
        smooth.append(out.copy())
    quick, slow = np.abs(np.diff(smooth, axis=0)).max(0)
    assert slow < 0.7 * quick
    assert smooth[-1][1] == pytest.approx(1.7, abs=0.1)


def test_what_is_held_back_for_being_a_guess_is_not_called_late() -> None:
    filter_ = OneEuroFilter(1, OneEuroSettings(well_known=0.2, guess=0.3, beta=0.0, min_cutoff_hz=2.0))
    out, speed = np.empty(1), np.empty(1)
    for k, t_ns in enumerate(even_ns(40)):
        filter_.step(int(t_ns), np.zeros(1), out, speed, np.array([0.1 if k < 20 else 2.0]))
    assert filter_.lag_s[0] > 1.0
    assert filter_.mean_lag_s[0] == pytest.approx(19.0 / 20.0 / (TURN * 2.0))
