"""What BlazePose says beyond its mean: errors that stay with a person, drift, and tremble.

In each direction of a space of principal components the error is a sum: a constant of the clip, an
Ornstein-Uhlenbeck process of `SLOW_S`, another of `FAST_S`, and white noise. Their variances are those that
explain the autocovariance of the errors of clips best (non-negative least squares).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]

SLOW_S, FAST_S = 1.0, 0.1
N_PARTS = 4
"""Constant, slow, fast, white."""
LAGS_S = np.array(
    [0.0, 0.017, 0.034, 0.051, 0.068, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
)
_LAG_TOLERANCE = 0.15
_LEAST_TOLERANCE_S = 0.007


@dataclass(frozen=True, slots=True, eq=False)
class ResidualNoise:
    """Errors correlated in time and among each other."""

    basis: Array
    """Orthonormal columns. Shape: (n, k)."""
    variance: Array
    """Of constant, slow, fast and white parts along each column. Shape: (k, N_PARTS)."""
    rest_std: Array
    """Of what the columns leave out. Shape: (n,)."""
    rest_share: Array
    """Of the parts in the variance of that. Shape: (N_PARTS,)."""
    spread: Array
    """Factors of a clip's errors, one of them drawn for each: some clips are hard throughout. Shape: (m,)."""

    def draw(self, t_s: Array, rng: np.random.Generator) -> Array:
        """The errors of a clip. Shape: (len(t_s), n)."""
        k, n = len(self.variance), len(self.rest_std)
        shares = np.broadcast_to(np.sqrt(self.rest_share), (n, N_PARTS))
        scale = np.concatenate([np.sqrt(self.variance), shares])
        parts = draw_parts(scale, t_s, rng)
        whole = parts[:, :k] @ self.basis.T + parts[:, k:] * self.rest_std
        return whole * float(rng.choice(self.spread))


def draw_parts(scale: Array, t_s: Array, rng: np.random.Generator) -> Array:
    """Sums of constant, slow, fast and white parts, each frame from those before it.

    Args:
        scale: Standard deviations of the parts of each of m processes. Shape: (m, N_PARTS).
        t_s: Rising. Shape: (n,).
        rng: Where the chance comes from.

    Returns:
        Shape: (n, m).
    """
    shocks = rng.normal(size=(len(t_s), *scale.shape))
    dt_s = np.diff(t_s, prepend=t_s[:1])
    state = shocks[0].copy()
    out = np.empty((len(t_s), len(scale)))
    out[0] = (scale * state).sum(1)
    for k in range(1, len(t_s)):
        keep = np.array([1.0, np.exp(-dt_s[k] / SLOW_S), np.exp(-dt_s[k] / FAST_S), 0.0])
        state = keep * state + np.sqrt(1.0 - keep**2) * shocks[k]
        out[k] = (scale * state).sum(1)
    return out


def autocovariance(clips: Iterable[tuple[Array, Array]], lags_s: Array = LAGS_S) -> tuple[Array, Array]:
    """Mean products of errors a lag apart, every clip weighing as it is long; their mean is taken for zero.

    Args:
        clips: Stamps (n,) and errors (n, k) of each.
        lags_s: Shape: (m,).

    Returns:
        Autocovariances, NaN where no two frames are so far apart, and seconds that went into each. Shapes:
        (m, k), (m,).
    """
    total: Array | float = 0.0
    weight = np.zeros(len(lags_s))
    for t_s, errors in clips:
        period_s = max((t_s[-1] - t_s[0]) / max(len(t_s) - 1, 1), 1e-3)
        sums = np.zeros((len(lags_s), errors.shape[1]))
        for k, lag_s in enumerate(lags_s):
            later = np.abs(t_s[:, None] - t_s[None] - lag_s) <= _tolerance_s(float(lag_s))
            pairs = later.sum()
            if pairs:
                mean = np.einsum("ik,ik->k", errors, later @ errors) / pairs
                seconds = len(t_s) * period_s
                sums[k] = mean * seconds
                weight[k] += seconds
        total = total + sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total) / weight[:, None], weight


def _tolerance_s(lag_s: float) -> float:
    return 0.0 if lag_s == 0.0 else max(_LAG_TOLERANCE * lag_s, _LEAST_TOLERANCE_S) if lag_s > 0.06 else 0.005


def split_variance(covariance: Array, weight: Array, lags_s: Array = LAGS_S) -> Array:
    """Variances of the parts that explain autocovariances best.

    Args:
        covariance: Shape: (m, k).
        weight: Of the lags. Shape: (m,).
        lags_s: Shape: (m,).

    Returns:
        Shape: (k, N_PARTS).
    """
    known = np.isfinite(covariance).all(1) & (weight > 0)
    lags_s, rows = lags_s[known], covariance[known]
    parts = [np.ones_like(lags_s), np.exp(-lags_s / SLOW_S), np.exp(-lags_s / FAST_S), lags_s == 0.0]
    design = np.stack(parts, 1).astype(np.float64)
    root = np.sqrt(weight[known] / weight[known].max())
    # No lag says how large an error is but the first: it must come out right.
    root[lags_s == 0.0] *= 5.0
    return np.array([nnls(design * root[:, None], column * root)[0] for column in rows.T])


def fit_noise(
    clips: list[tuple[Array, Array]], n_components: int, *, prior: Array | None = None
) -> ResidualNoise:
    """Fit to the errors of clips.

    Args:
        clips: Stamps (n,) and errors (n, d) of each.
        n_components: Of the space in which the errors are correlated.
        prior: More errors, without time, that help to find that space. Shape: (m, d).
    """
    errors = np.concatenate([clip[1] for clip in clips])
    second = errors.T @ errors / len(errors)
    if prior is not None:
        second = 0.5 * (second + prior.T @ prior / len(prior))
    basis = np.linalg.eigh(second)[1][:, ::-1][:, :n_components]
    variance = split_variance(*autocovariance((t_s, e @ basis) for t_s, e in clips))
    rest = [(t_s, e - (e @ basis) @ basis.T) for t_s, e in clips]
    rest_std = np.sqrt(np.mean(np.concatenate([e for _, e in rest]) ** 2, 0))
    whitened = ((t_s, e / np.maximum(rest_std, 1e-9)) for t_s, e in rest)
    covariance, weight = autocovariance(whitened)
    share = split_variance(covariance.mean(1, keepdims=True), weight)[0]
    share /= max(share.sum(), 1e-12)
    return ResidualNoise(basis, variance, rest_std, share, clip_spread(clips, basis, variance))


def clip_spread(clips: list[tuple[Array, Array]], basis: Array, variance: Array) -> Array:
    """Size of each clip's errors beside those of all, with a mean square of 1. Shape: (n_clips,)."""
    std = np.sqrt(np.maximum(variance.sum(1), 1e-12))
    size = np.array([np.sqrt(np.mean(((e @ basis) / std) ** 2)) for _, e in clips])
    # A Gaussian constant part makes clips differ already: that much is not counted twice.
    chance = 2.0 * np.sum((variance[:, 0] / std**2) ** 2) / len(std) ** 2
    log = np.log(np.maximum(size, 1e-3))
    shrink = np.sqrt(max(1.0 - 0.25 * chance / max(log.var(), 1e-9), 0.0))
    spread = np.exp(shrink * (log - log.mean()))
    return np.asarray(spread / np.sqrt(np.mean(spread**2)))
