"""The One-Euro filter over many coordinates: steady at rest, quick in motion, and honest about its lag."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

MIN_CUTOFF_HZ = 1.2
BETA = 4.0
DERIVATIVE_CUTOFF_HZ = 4.0
MAX_GAP_S = 0.5

_TURN = 2.0 * np.pi


class _Parameters(NamedTuple):
    """Shape of each but the last: (n,)."""

    min_cutoff_hz: NDArray[np.float64]
    beta: NDArray[np.float64]
    derivative_cutoff_hz: NDArray[np.float64]
    is_angle: NDArray[np.bool_]
    max_gap_s: float


class _State(NamedTuple):
    """What the filter remembers of each coordinate. Shape of each: (n,)."""

    is_started: NDArray[np.bool_]
    t_ns: NDArray[np.int64]
    smooth: NDArray[np.float64]
    trend: NDArray[np.float64]
    """Low-passed difference of the input to the smoothed value, which sets the cutoff."""
    speed: NDArray[np.float64]
    lag_s: NDArray[np.float64]
    lag_sum_s: NDArray[np.float64]
    n_samples: NDArray[np.int64]


class OneEuroFilter:
    """Smooths vectors as they come, each coordinate on its own (Casiez, Roussel and Vogel, CHI 2012).

    The cutoff of an exponential low-pass rises with speed, so that jitter goes where it shows, at rest,
    and lag goes where it hurts, in motion. Beyond the paper: steps may be uneven; angles are taken by the
    shorter way, so a jump of a whole turn does no harm and the output is continuous; NaN gives NaN and
    leaves the state alone; after a gap the coordinate starts afresh; the speed is that of the smoothed
    value, not the paper's difference of input and smoothed value, which overstates it by the lag.

    Args:
        n: number of coordinates.
        min_cutoff_hz: cutoff at rest. Shape: () or (n,).
        beta: rise of the cutoff with speed, in Hz per unit/s. Shape: () or (n,).
        derivative_cutoff_hz: cutoff of the speed that sets the cutoff. Shape: () or (n,).
        is_angle: coordinates in rad, taken modulo a turn. Shape: () or (n,).
        max_gap_s: a coordinate unseen for longer starts afresh.

    Raises:
        ValueError: a cutoff or the gap is not above zero, or beta is negative.
    """

    def __init__(
        self,
        n: int,
        *,
        min_cutoff_hz: ArrayLike = MIN_CUTOFF_HZ,
        beta: ArrayLike = BETA,
        derivative_cutoff_hz: ArrayLike = DERIVATIVE_CUTOFF_HZ,
        is_angle: ArrayLike = False,
        max_gap_s: float = MAX_GAP_S,
    ) -> None:
        for name, value in (("min_cutoff_hz", min_cutoff_hz), ("derivative_cutoff_hz", derivative_cutoff_hz)):
            if not np.all(np.asarray(value) > 0.0):
                raise ValueError(f"{name} is {value!r}; accepted: above 0")
        if not np.all(np.asarray(beta) >= 0.0) or not max_gap_s > 0.0:
            raise ValueError(f"beta is {beta!r}, max_gap_s {max_gap_s}; accepted: beta from 0, gap above 0")
        self._parameters = _Parameters(
            min_cutoff_hz=_vector(min_cutoff_hz, n),
            beta=_vector(beta, n),
            derivative_cutoff_hz=_vector(derivative_cutoff_hz, n),
            is_angle=np.array(np.broadcast_to(np.asarray(is_angle, dtype=np.bool_), n)),
            max_gap_s=float(max_gap_s),
        )
        self._state = _State(
            is_started=np.zeros(n, dtype=np.bool_),
            t_ns=np.zeros(n, dtype=np.int64),
            smooth=np.full(n, np.nan),
            trend=np.zeros(n),
            speed=np.zeros(n),
            lag_s=np.full(n, np.nan),
            lag_sum_s=np.zeros(n),
            n_samples=np.zeros(n, dtype=np.int64),
        )

    def step(
        self, t_ns: int, x: NDArray[np.float64], out: NDArray[np.float64], speed_out: NDArray[np.float64]
    ) -> None:
        """Smooth one sample.

        A stamp that does not advance repeats the last result; one far back starts afresh.

        Args:
            t_ns: stamp of the sample.
            x: NaN where nothing is known. Shape: (n,).
            out: receives the smoothed values, may be `x`; NaN where x is. Shape: (n,).
            speed_out: receives their speeds in units/s; NaN also at a coordinate's first sample. Shape: (n,).
        """
        _step(self._parameters, self._state, t_ns, x, out, speed_out)

    def reset(self) -> None:
        """Forget everything but the parameters and the lags so far."""
        self._state.is_started[:] = False
        self._state.smooth[:] = np.nan

    @property
    def lag_s(self) -> NDArray[np.float64]:
        """Delay that the newest step adds to a steadily moving coordinate; NaN where x was. Shape: (n,)."""
        return self._state.lag_s.copy()

    @property
    def mean_lag_s(self) -> NDArray[np.float64]:
        """Mean delay over all steps so far; NaN where there was none. Shape: (n,)."""
        count = self._state.n_samples
        return np.where(count > 0, self._state.lag_sum_s / np.maximum(count, 1), np.nan)


def _vector(value: ArrayLike, n: int) -> NDArray[np.float64]:
    return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), n))


@njit(cache=True, nogil=True)
def _step(
    parameters: _Parameters,
    state: _State,
    t_ns: int,
    x: NDArray[np.float64],
    out: NDArray[np.float64],
    speed_out: NDArray[np.float64],
) -> None:
    for k in range(x.shape[0]):
        value = x[k]
        if not np.isfinite(value):
            out[k] = speed_out[k] = state.lag_s[k] = np.nan
            continue
        if parameters.is_angle[k] and not np.isnan(state.smooth[k]):
            # The last value serves even across gaps: nothing else tells how many turns were made.
            value += _TURN * np.round((state.smooth[k] - value) / _TURN)
        dt_s = (t_ns - state.t_ns[k]) * 1e-9
        if not state.is_started[k] or abs(dt_s) > parameters.max_gap_s:
            _start(state, k, value)
            state.t_ns[k] = t_ns
        elif dt_s > 0.0:
            _advance(parameters, state, k, value, dt_s)
            state.t_ns[k] = t_ns
        out[k], speed_out[k] = state.smooth[k], state.speed[k]


@njit(cache=True, nogil=True)
def _start(state: _State, k: int, value: float) -> None:
    state.is_started[k] = True
    state.smooth[k] = value
    state.trend[k] = 0.0
    state.speed[k] = np.nan
    state.lag_s[k] = 0.0
    state.n_samples[k] += 1


@njit(cache=True, nogil=True)
def _advance(parameters: _Parameters, state: _State, k: int, value: float, dt_s: float) -> None:
    """Algorithm 1 of the paper, with dt instead of a fixed rate."""
    last = state.smooth[k]
    # alpha = 1 / (1 + tau / dt) with tau = 1 / (2 pi cutoff)
    tau_s = 1.0 / (_TURN * parameters.derivative_cutoff_hz[k])
    state.trend[k] += ((value - last) / dt_s - state.trend[k]) * dt_s / (dt_s + tau_s)
    cutoff_hz = parameters.min_cutoff_hz[k] + parameters.beta[k] * abs(state.trend[k])
    tau_s = 1.0 / (_TURN * cutoff_hz)
    alpha = dt_s / (dt_s + tau_s)
    state.smooth[k] = last + alpha * (value - last)
    difference = (state.smooth[k] - last) / dt_s
    if np.isnan(state.speed[k]):
        state.speed[k] = difference
    else:
        state.speed[k] += alpha * (difference - state.speed[k])
    # A ramp leaves an exponential low-pass (1 - alpha) / alpha steps late, which is tau whatever dt is.
    state.lag_s[k] = tau_s
    state.lag_sum_s[k] += tau_s
    state.n_samples[k] += 1
