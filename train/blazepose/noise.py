"""Random errors of BlazePose around its mean: constant per clip, drifting, and jitter.

In each principal direction the error is a sum of stationary Ornstein-Uhlenbeck processes x_j:

    e(t) = sum_j s_j x_j(t),    x_j(t + d) = r_j x_j(t) + sqrt(1 - r_j^2) n,    r_j = exp(-d / tau_j)
    C(d) = E[e(t) e(t + d)] = sum_j s_j^2 exp(-d / tau_j)

n is standard normal; tau_j are the `TIME_CONSTANTS_S`, from infinity (constant in a clip) to nearly white
noise. The variances s_j^2 are fitted to the autocovariance C of the errors of clips by non-negative least
squares. Some people, poses and moments are harder than others: all directions share a factor exp(h(t)),
where h is such a sum too. t is the time of a clock; `ErrorClock` runs faster while the person moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]

TIME_CONSTANTS_S = np.array([np.inf, 2.0, 0.4, 0.1, 0.03])
LARGEST_HARDNESS = 1.5
"""Upper limit of the logarithm of the hardness factor."""
N_PARTS = len(TIME_CONSTANTS_S)
"""Number of processes: constant, slow, medium, fast, nearly white."""
LAGS_S = np.array(
    [0.0, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
)
LAG_TOLERANCE, LEAST_TOLERANCE_S = 0.15, 0.004


@dataclass(frozen=True, slots=True)
class ErrorClock:
    """Clock of the errors, which change slowly at rest and faster with the speed of the person."""

    at_rest: float
    """Speed of the clock at rest; its mean speed is 1."""
    per_m_s: float
    """Increase of the clock's speed per m/s."""
    bursts: tuple[float, ...] = (0.0,) * N_PARTS
    """Variances of the processes in the logarithm of the clock's speed: errors change in bursts."""

    def speed(self, speed_m_s: Array) -> Array:
        """Expected speed. Shape: (n,), as the argument."""
        return self.at_rest + self.per_m_s * speed_m_s

    def times(self, t_s: Array, speed_m_s: Array, rng: np.random.Generator | None = None) -> Array:
        """Clock time at each frame.

        Args:
            t_s: Shape: (n,).
            speed_m_s: Speed of the person since the previous frame. Shape: (n,).
            rng: Random generator of the bursts; None for no bursts.

        Returns:
            Shape: (n,).
        """
        speed = self.speed(speed_m_s)
        if rng is not None:
            log = draw_parts(np.sqrt([self.bursts]), t_s, rng)[:, 0]
            speed = speed * np.exp(log - 0.5 * sum(self.bursts))
        return np.asarray(np.cumsum(np.diff(t_s, prepend=t_s[:1]) * speed))

    def with_bursts(self, clips: list[tuple[Array, Array, Array]]) -> ErrorClock:
        """The same clock with bursts fitted to clips.

        Args:
            clips: Stamps (n,), errors (n, k) and speeds in m/s (n,) of each; the k independent of each other.
        """
        logs, squares = [], []
        for t_s, errors, speed_m_s in clips:
            steps = np.diff(errors, axis=0) ** 2 / max(float((errors**2).mean()), 1e-12)
            gone_s = np.diff(t_s) * self.speed(speed_m_s[1:])
            logs.append((t_s[1:], np.log(steps.mean(1) / np.maximum(gone_s, 1e-4) + 1e-6)[:, None]))
            squares.append(steps.mean(0))
        mean = np.concatenate([log for _, log in logs]).mean()
        parts = split_variance(*autocovariance((t_s, log - mean) for t_s, log in logs))[0]
        # Subtract the variance that a mean of few squares has without bursts.
        each = np.mean(squares, 0)
        parts[-1] = max(parts[-1] - 2.0 * float((each**2).sum() / each.sum() ** 2), 0.0)
        return replace(self, bursts=tuple(parts.tolist()))

    @classmethod
    def fit(cls, steps: Array, speed_m_s: Array) -> ErrorClock:
        """Fit the clock to squared changes of errors between frames at equal intervals.

        Args:
            steps: Shape: (n,).
            speed_m_s: Speed of the person between the same frames. Shape: (n,).
        """
        # Medians, because jumps are not the clock's.
        groups = np.array_split(np.argsort(speed_m_s, kind="stable"), CLOCK_GROUPS)
        usual = np.array([np.median(steps[group]) for group in groups])
        speeds = np.array([speed_m_s[group].mean() for group in groups])
        rest, gain = nnls(np.stack([np.ones(CLOCK_GROUPS), speeds], 1), usual)[0]
        mean = max(rest + gain * float(speed_m_s.mean()), 1e-12)
        return cls(max(float(rest / mean), MIN_CLOCK), float(gain / mean))


CLOCK_GROUPS = 10
MIN_CLOCK = 0.05
"""Smallest speed of the clock at rest."""


@dataclass(frozen=True, slots=True, eq=False)
class ResidualNoise:
    """Errors correlated in time and with each other."""

    basis: Array
    """Orthonormal columns. Shape: (n, k)."""
    variance: Array
    """Variances of the processes along each column. Shape: (k, N_PARTS)."""
    rest_std: Array
    """Standard deviation of the residual outside the columns. Shape: (n,)."""
    rest_share: Array
    """Share of each process in the variance of the residual. Shape: (N_PARTS,)."""
    hardness: Array
    """Variances of the logarithm of the factor, of the same processes. Shape: (N_PARTS,)."""

    def draw(self, t_s: Array, rng: np.random.Generator) -> Array:
        """Draw the errors of a clip. Shape: (len(t_s), n)."""
        k, n = len(self.variance), len(self.rest_std)
        shares = np.broadcast_to(np.sqrt(self.rest_share), (n, N_PARTS))
        scale = np.concatenate([np.sqrt(self.variance), shares])
        parts = draw_parts(scale, t_s, rng)
        whole = parts[:, :k] @ self.basis.T + parts[:, k:] * self.rest_std
        hard = draw_parts(np.sqrt(self.hardness)[None], t_s, rng)
        # Errors keep their mean square.
        return whole * np.exp(np.minimum(hard - self.hardness.sum(), LARGEST_HARDNESS))

    def log_size(self, errors: Array) -> Array:
        """Logarithm of the error size of each frame, all directions weighted equally. Shape: (n, 1)."""
        std = np.sqrt(np.maximum(self.variance.sum(1), 1e-12))
        return 0.5 * np.log(((errors @ self.basis / std) ** 2).mean(1, keepdims=True) + 1e-6)

    def with_hardness(self, clips: list[tuple[Array, Array]], seed: int = 0) -> ResidualNoise:
        """The same noise with hardness fitted to the unevenness of errors beyond chance.

        Args:
            clips: Times (n,) and errors (n, d) of each.
            seed: Seed of the simulated chance.
        """
        rng = np.random.default_rng(seed)
        even = replace(self, hardness=np.zeros(N_PARTS))
        found = [(t_s, self.log_size(errors)) for t_s, errors in clips]
        chance = [(t_s, self.log_size(even.draw(t_s, rng))) for t_s, _ in clips]
        covariances = []
        for logs in (found, chance):
            mean = np.concatenate([log for _, log in logs]).mean()
            covariance, weight = autocovariance((t_s, log - mean) for t_s, log in logs)
            covariances.append(covariance)
        return replace(self, hardness=split_variance(covariances[0] - covariances[1], weight)[0])


def draw_parts(scale: Array, t_s: Array, rng: np.random.Generator) -> Array:
    """Draw sums of processes with `TIME_CONSTANTS_S`, each frame from the frames before it.

    Args:
        scale: Standard deviations s_j of the processes of each of m sums. Shape: (m, N_PARTS).
        t_s: Rising. Shape: (n,).
        rng: Random generator.

    Returns:
        Shape: (n, m).
    """
    shocks = rng.normal(size=(len(t_s), *scale.shape))
    dt_s = np.diff(t_s, prepend=t_s[:1])
    keep = decay(np.maximum(dt_s, 0.0))
    fresh = np.sqrt(1.0 - keep**2)
    state = shocks[0].copy()
    out = np.empty((len(t_s), len(scale)))
    out[0] = (scale * state).sum(1)
    for k in range(1, len(t_s)):
        state = keep[k] * state + fresh[k] * shocks[k]
        out[k] = (scale * state).sum(1)
    return out


def decay(lags_s: Array) -> Array:
    """Autocorrelations r_j of the processes. Shape: (..., N_PARTS)."""
    return np.asarray(np.exp(-np.asarray(lags_s)[..., None] / TIME_CONSTANTS_S))


def autocovariance(clips: Iterable[tuple[Array, Array]], lags_s: Array = LAGS_S) -> tuple[Array, Array]:
    """Autocovariance of errors with zero mean; clips are weighted by their duration.

    Not all clips have frames at each lag, so the products at a lag are divided by the squares of the same
    frames.

    Args:
        clips: Times (n,) and errors (n, k) of each.
        lags_s: The first is 0. Shape: (m,).

    Returns:
        Autocovariances, NaN at lags without pairs of frames, and the seconds of data at each. Shapes:
        (m, k), (m,).
    """
    products: list[Array] = []
    weight = np.zeros(len(lags_s))
    for t_s, errors in clips:
        length_s = max(float(t_s[-1] - t_s[0]), 1e-3)
        sums = np.zeros((2, len(lags_s), errors.shape[1]))
        for k, lag_s in enumerate(lags_s.tolist()):
            first, second = pairs_at(t_s, lag_s)
            if len(first):
                a, b = errors[first], errors[second]
                sums[:, k] = length_s * np.stack([(a * b).mean(0), 0.5 * (a**2 + b**2).mean(0)])
                weight[k] += length_s
        products.append(sums)
    product, square = np.sum(products, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return product / square * (square[0] / weight[0]), weight


def pairs_at(t_s: Array, lag_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of frames a lag apart, as indices of the first and the second."""
    first = np.arange(len(t_s))
    if lag_s == 0.0:
        return first, first
    second = np.searchsorted(0.5 * (t_s[1:] + t_s[:-1]), t_s + lag_s)
    off_s = np.abs(t_s[second] - t_s - lag_s)
    good = (off_s <= max(LAG_TOLERANCE * lag_s, LEAST_TOLERANCE_S)) & (second > first)
    return first[good], second[good]


def split_variance(covariance: Array, weight: Array, lags_s: Array = LAGS_S) -> Array:
    """Fit the variances s_j^2 of the processes to autocovariances by non-negative least squares.

    Args:
        covariance: Shape: (m, k).
        weight: Weights of the lags. Shape: (m,).
        lags_s: Shape: (m,).

    Returns:
        Shape: (k, N_PARTS).
    """
    known = np.isfinite(covariance).all(1) & (weight > 0)
    root = np.sqrt(weight[known] / weight[known].max())
    # Only lag 0 gives the total variance, so it has more weight.
    root[lags_s[known] == 0.0] *= 5.0
    design = decay(lags_s[known]) * root[:, None]
    return np.array([nnls(design, column * root)[0] for column in covariance[known].T])


def fit_noise(
    clips: list[tuple[Array, Array]], n_components: int, *, prior: Array | None = None
) -> ResidualNoise:
    """Fit the noise to the errors of clips.

    Args:
        clips: Stamps (n,) and errors (n, d) of each.
        n_components: Number of dimensions of the space in which the errors are correlated.
        prior: More errors, without time stamps, for the estimate of that space. Shape: (m, d).
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
    noise = ResidualNoise(basis, variance, rest_std, share, np.zeros(N_PARTS))
    return noise.with_hardness(clips)
