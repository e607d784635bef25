"""Errors correlated in time: what is fitted is what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from train.blazepose.noise import (
    LAGS_S,
    TIME_CONSTANTS_S,
    ErrorClock,
    ResidualNoise,
    autocovariance,
    draw_parts,
    fit_noise,
    pairs_at,
    split_variance,
)

Clips = list[tuple[np.ndarray, np.ndarray]]
VARIANCE = np.array([[1.0, 0.5, 0.0, 0.25, 0.04], [0.0, 0.0, 2.0, 0.0, 0.5], [0.3, 0.0, 0.0, 1.0, 0.0]])


def kernel(lags_s: np.ndarray) -> np.ndarray:
    """Autocovariances by their definition. Shape: (..., 3)."""
    parts = [np.ones_like(lags_s), *(np.exp(-lags_s / tau) for tau in TIME_CONSTANTS_S[1:])]
    return np.stack(parts, -1) @ VARIANCE.T


def gaussian_clips(n: int, rng: np.random.Generator) -> Clips:
    """Drawn from the whole covariance at once, not by steps in time; ten clips share their stamps."""
    clips: Clips = []
    for _ in range(n // 10):
        t_s = np.cumsum(rng.uniform(0.04, 0.08, 100))
        covariance = kernel(np.abs(t_s[:, None] - t_s))
        roots = np.linalg.cholesky(np.moveaxis(covariance, -1, 0) + 1e-9 * np.eye(100))
        errors = np.einsum("kij,ckj->cik", roots, rng.normal(size=(10, 3, 100)))
        clips += [(t_s, e) for e in errors]
    return clips


def test_variances_of_the_parts_are_recovered():
    found = split_variance(*autocovariance(gaussian_clips(600, np.random.default_rng(0))))
    np.testing.assert_allclose(found.sum(1), VARIANCE.sum(1), rtol=0.08)
    # What lasts half a second or less, and what lasts longer; neighbours are hard to tell apart.
    np.testing.assert_allclose(found[:, 2:].sum(1), VARIANCE[:, 2:].sum(1), atol=0.25)
    np.testing.assert_allclose(found[:, 0], VARIANCE[:, 0], atol=0.3)


def test_exact_autocovariances_are_split_exactly():
    found = split_variance(kernel(LAGS_S), np.ones(len(LAGS_S)))
    np.testing.assert_allclose(found, VARIANCE, atol=1e-8)


def test_clips_with_other_errors_at_other_rates_do_not_bend_the_autocovariance():
    """Large errors filmed at 10 fps, small ones at 50: neither changes fast."""
    rng = np.random.default_rng(6)
    constant = np.array([[1.0, 0.0, 0.0, 0.0, 0.0]])
    slow, quick = np.arange(60) / 10.0, np.arange(300) / 50.0
    clips = [(t, f * draw_parts(constant, t, rng)) for t, f in ((slow, 3.0), (quick, 0.3)) for _ in range(20)]
    covariance, _ = autocovariance(clips)
    known = covariance[np.isfinite(covariance[:, 0]), 0]
    np.testing.assert_allclose(known, known[0], rtol=1e-9)


def test_drawn_errors_have_the_autocovariance_asked_for():
    n = 4000
    t_s = np.cumsum(np.tile([0.016, 0.034, 0.05], 20))
    drawn = draw_parts(np.tile(np.sqrt(VARIANCE), (n, 1)), t_s, np.random.default_rng(1)).reshape(-1, n, 3)
    for first, second in ((0, 0), (5, 6), (5, 9), (20, 50), (0, 59)):
        measured = (drawn[first] * drawn[second]).mean(0)
        expected = kernel(np.array(abs(t_s[second] - t_s[first])))
        np.testing.assert_allclose(measured, expected, atol=0.15)


def test_a_frame_is_drawn_from_those_before_it():
    t_s = np.arange(30) / 30.0
    later = np.where(t_s > 0.5, t_s + 0.7, t_s)
    one, other = (draw_parts(np.sqrt(VARIANCE), t, np.random.default_rng(2)) for t in (t_s, later))
    np.testing.assert_array_equal(one[t_s <= 0.5], other[t_s <= 0.5])
    assert not np.allclose(one[-1], other[-1])


def test_pairs_are_as_far_apart_as_asked():
    t_s = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.08, 200))
    for lag_s in (0.05, 0.3, 2.0):
        first, second = pairs_at(t_s, lag_s)
        assert len(first) > 20
        np.testing.assert_allclose(t_s[second] - t_s[first], lag_s, rtol=0.16)
    assert len(pairs_at(t_s, 100.0)[0]) == 0


@pytest.fixture(scope="module")
def fitted() -> tuple[ResidualNoise, Clips]:
    rng = np.random.default_rng(3)
    mixing = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    clips = [
        (t_s, e @ mixing[:3] + 0.05 * rng.normal(size=(len(t_s), 7))) for t_s, e in gaussian_clips(200, rng)
    ]
    return fit_noise(clips, 3), clips


def test_fitted_noise_has_the_covariance_of_what_it_was_fitted_to(fitted: tuple[ResidualNoise, Clips]):
    noise, clips = fitted
    rng = np.random.default_rng(4)
    drawn = np.concatenate([noise.draw(t_s, rng) for t_s, _ in clips * 2])
    errors = np.concatenate([e for _, e in clips])
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), errors.T @ errors / len(errors), atol=0.3)


def test_what_the_components_leave_out_is_put_back_as_white_noise(fitted: tuple[ResidualNoise, Clips]):
    noise, _ = fitted
    assert noise.basis.shape == (7, 3)
    assert (noise.rest_std**2).sum() == pytest.approx(4 * 0.05**2, rel=0.15)
    assert noise.rest_share.argmax() == len(TIME_CONSTANTS_S) - 1


def test_errors_that_are_equally_hard_have_no_hardness(fitted: tuple[ResidualNoise, Clips]):
    noise, _ = fitted
    assert noise.hardness.sum() < 0.05


def test_hard_clips_and_hard_moments_are_told_from_easy_ones():
    rng = np.random.default_rng(5)
    fast, t_s = np.eye(len(TIME_CONSTANTS_S))[[-1] * 12], np.arange(150) / 30.0
    hardness = np.array([[0.3, 0.0, 0.2, 0.0, 0.0]])
    clips = [
        (t_s, np.exp(draw_parts(np.sqrt(hardness), t_s, rng)) * draw_parts(fast, t_s, rng))
        for _ in range(200)
    ]
    found = fit_noise(clips, 12).hardness
    np.testing.assert_allclose([found[:2].sum(), found[2:].sum()], [0.3, 0.2], atol=0.1)


def test_hardness_keeps_the_mean_square():
    flat = ResidualNoise(
        np.eye(3), np.tile([0.0, 0.0, 0.5, 0.5, 0.0], (3, 1)), np.zeros(3), np.eye(5)[4], np.full(5, 0.04)
    )
    rng, t_s = np.random.default_rng(0), np.arange(100) / 30.0
    drawn = np.concatenate([flat.draw(t_s, rng) for _ in range(400)])
    assert np.mean(drawn**2) == pytest.approx(1.0, rel=0.1)
    assert np.mean(drawn**4) > 4.0  # 3 where all moments are equally hard


def test_the_clock_runs_as_errors_change():
    rng = np.random.default_rng(7)
    speed = rng.exponential(0.4, 20000)
    steps = (0.2 + 0.8 * speed) * rng.exponential(1.0, 20000)
    clock = ErrorClock.fit(steps, speed)
    assert clock.per_m_s / clock.at_rest == pytest.approx(4.0, rel=0.25)
    assert clock.at_rest + clock.per_m_s * speed.mean() == pytest.approx(1.0, rel=0.01)


def test_the_clock_goes_on_when_nothing_moves():
    clock = ErrorClock.fit(np.linspace(0.0, 1.0, 50), np.linspace(0.0, 1.0, 50))
    times = clock.times(np.arange(10) / 10.0, np.zeros(10))
    assert times[0] == 0.0 and (np.diff(times) > 0).all()


def test_bursts_are_told_from_steady_changes():
    rng = np.random.default_rng(8)
    t_s, still = np.arange(240) / 30.0, np.zeros(240)
    lively = ErrorClock(1.0, 0.0, (0.0, 0.0, 0.8, 0.0, 0.0))
    drift = np.tile(np.sqrt([[0.0, 1.0, 0.0, 0.0, 0.0]]), (30, 1))

    def clips(clock: ErrorClock) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return [(t_s, draw_parts(drift, clock.times(t_s, still, rng), rng), still) for _ in range(60)]

    assert sum(ErrorClock(1.0, 0.0).with_bursts(clips(ErrorClock(1.0, 0.0))).bursts) < 0.1
    bursts = ErrorClock(1.0, 0.0).with_bursts(clips(lively)).bursts
    assert sum(bursts) == pytest.approx(0.8, abs=0.2)
    assert max(bursts) == bursts[2]


def test_bursts_do_not_hasten_the_clock():
    clock = ErrorClock(0.4, 1.5, (0.1, 0.1, 0.3, 0.0, 0.3))
    rng, t_s = np.random.default_rng(9), np.arange(300) / 30.0
    speed = np.full(300, 0.4)
    ends = [clock.times(t_s, speed, rng)[-1] for _ in range(400)]
    assert np.mean(ends) == pytest.approx(t_s[-1], rel=0.06)
