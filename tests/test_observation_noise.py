"""Errors correlated in time: what is fitted is what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from train.observation_noise import (
    FAST_S,
    LAGS_S,
    SLOW_S,
    ResidualNoise,
    autocovariance,
    draw_parts,
    fit_noise,
    split_variance,
)

VARIANCE = np.array([[1.0, 0.5, 0.25, 0.04], [0.0, 2.0, 0.0, 0.5], [0.3, 0.0, 1.0, 0.0]])


def kernel(lags_s: np.ndarray) -> np.ndarray:
    """Autocovariances by their definition. Shape: (len(lags_s), 3)."""
    parts = [np.ones_like(lags_s), np.exp(-lags_s / SLOW_S), np.exp(-lags_s / FAST_S), lags_s == 0.0]
    return np.stack(parts, -1) @ VARIANCE.T


def gaussian_clips(n: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Drawn frame by frame from the whole covariance, not by steps in time."""
    clips = []
    for _ in range(n):
        t_s = np.cumsum(rng.uniform(0.025, 0.042, 180))
        covariance = kernel(np.abs(t_s[:, None] - t_s))
        roots = [np.linalg.cholesky(covariance[..., k] + 1e-9 * np.eye(180)) for k in range(3)]
        clips.append((t_s, np.stack([root @ rng.normal(size=180) for root in roots], 1)))
    return clips


def test_variances_of_the_parts_are_recovered():
    clips = gaussian_clips(300, np.random.default_rng(0))
    found = split_variance(*autocovariance(clips))
    np.testing.assert_allclose(found, VARIANCE, atol=0.17)
    np.testing.assert_allclose(found.sum(1), VARIANCE.sum(1), rtol=0.08)


def test_exact_autocovariances_are_split_exactly():
    found = split_variance(kernel(LAGS_S), np.ones(len(LAGS_S)))
    np.testing.assert_allclose(found, VARIANCE, atol=1e-9)


def test_drawn_errors_have_the_autocovariance_asked_for():
    rng = np.random.default_rng(1)
    t_s = np.cumsum(np.tile([0.016, 0.034, 0.05], 40))
    drawn = np.stack([draw_parts(np.sqrt(VARIANCE), t_s, rng) for _ in range(4000)])
    for first, second in ((0, 0), (5, 6), (5, 9), (20, 50), (0, 119)):
        measured = (drawn[:, first] * drawn[:, second]).mean(0)
        expected = kernel(np.array(abs(t_s[second] - t_s[first])))
        np.testing.assert_allclose(measured, expected, atol=0.12)


def test_a_frame_is_drawn_from_those_before_it():
    t_s = np.arange(30) / 30.0
    later = np.where(t_s > 0.5, t_s + 0.7, t_s)
    one, other = (draw_parts(np.sqrt(VARIANCE), t, np.random.default_rng(2)) for t in (t_s, later))
    np.testing.assert_array_equal(one[t_s <= 0.5], other[t_s <= 0.5])
    assert not np.allclose(one[-1], other[-1])


@pytest.fixture(scope="module")
def fitted() -> tuple[ResidualNoise, list[tuple[np.ndarray, np.ndarray]]]:
    rng = np.random.default_rng(3)
    mixing = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    clips = [
        (t_s, e @ mixing[:3] + 0.05 * rng.normal(size=(len(t_s), 7))) for t_s, e in gaussian_clips(150, rng)
    ]
    return fit_noise(clips, 3), clips


def test_fitted_noise_has_the_covariance_of_what_it_was_fitted_to(fitted):
    noise, clips = fitted
    rng = np.random.default_rng(4)
    drawn = np.concatenate([noise.draw(t_s, rng) for t_s, _ in clips * 3])
    errors = np.concatenate([e for _, e in clips])
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), errors.T @ errors / len(errors), atol=0.25)


def test_what_the_components_leave_out_is_put_back_as_white_noise(fitted):
    noise, _ = fitted
    assert noise.basis.shape == (7, 3)
    assert 0.05**2 * 4 == pytest.approx((noise.rest_std**2).sum(), rel=0.15)
    assert noise.rest_share.argmax() == 3


def test_clips_that_are_equally_hard_have_no_spread(fitted):
    noise, _ = fitted
    assert np.mean(noise.spread**2) == pytest.approx(1.0)
    assert np.std(np.log(noise.spread)) < 0.2


def test_hard_clips_are_told_from_easy_ones():
    rng = np.random.default_rng(5)
    white = np.array([[0.0, 0.0, 1.0, 0.0]] * 6)
    t_s = np.arange(150) / 30.0
    factor = np.tile([0.5, 2.0], 30)
    noise = fit_noise([(t_s, f * draw_parts(white, t_s, rng)) for f in factor], 6)
    spread = np.sort(noise.spread)
    assert spread[-30:].mean() / spread[:30].mean() == pytest.approx(4.0, rel=0.15)
