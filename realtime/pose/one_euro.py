"""The One-Euro filter over many coordinates: little jitter at rest, little lag in motion, a known lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from realtime.pose.gap import MAX_GAP_S

MIN_CUTOFF_HZ = 1.2
BETA = 4.0
DERIVATIVE_CUTOFF_HZ = 4.0
TRUST_RISE_S = 0.5
MIN_TRUST = 1e-6
"""Trust in a value that is not known at all: a cutoff is never 0."""
USUAL_PER_S = 10.0
LONGEST_STEP_S = 0.05
"""After some lost frames, values may move as far as in this time, and no further."""
SURPRISE_SIGMAS = 3.0
"""Jumps are surprising from three standard deviations on, those of the value and of how people move."""
SLOW_PER_S, FAST_PER_S = 3.0, 30.0
"""Top speeds without trust and with full trust: in rad/s no joint reaches the latter."""

_TURN = 2.0 * np.pi


class _Parameters(NamedTuple):
    """Settings as the kernel reads them. Shape of each but the last: (n,)."""

    min_cutoff_hz: NDArray[np.float64]
    beta: NDArray[np.float64]
    derivative_cutoff_hz: NDArray[np.float64]
    is_angle: NDArray[np.bool_]
    well_known: NDArray[np.float64]
    firmness: NDArray[np.float64]
    """Inverse of the trust below which a value is a guess."""
    steady_hz: NDArray[np.float64]
    fastest: NDArray[np.float64]
    max_gap_s: float


class _State(NamedTuple):
    """State of each coordinate. Shape of each: (n,)."""

    trust: NDArray[np.float64]
    """Falls at once and rises slowly."""
    is_started: NDArray[np.bool_]
    t_ns: NDArray[np.int64]
    smooth: NDArray[np.float64]
    trend: NDArray[np.float64]
    """Low-passed difference of the input to the smoothed value, which sets the cutoff."""
    speed: NDArray[np.float64]
    lag_s: NDArray[np.float64]
    lag_sum_s: NDArray[np.float64]
    n_samples: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class OneEuroSettings:
    """Settings of a filter: one value for all coordinates, or one for each. Shape of each: () or (n,).

    Raises:
        ValueError: a cutoff, the top speed or the gap is not above zero, beta is negative, or a guess is well
            known.
    """

    min_cutoff_hz: ArrayLike = MIN_CUTOFF_HZ
    """Cutoff at rest."""
    beta: ArrayLike = BETA
    """Rise of the cutoff with speed, in Hz per unit/s."""
    derivative_cutoff_hz: ArrayLike = DERIVATIVE_CUTOFF_HZ
    """Cutoff of the speed that sets the cutoff."""
    is_angle: ArrayLike = False
    """Whether a coordinate is an angle in rad, taken modulo a turn."""
    well_known: ArrayLike = np.inf
    """Standard deviation up to which a value is fully trusted."""
    guess: ArrayLike = np.inf
    """Standard deviation from which a value is a guess. Guesses jump about without movement: they are held
    back far more, and trusted again bit by bit."""
    fastest: ArrayLike = FAST_PER_S
    """Top speed, in units/s, of a value that is not fully trusted."""
    steady_hz: ArrayLike = 0.0
    """Addition to the cutoff of a value that is no guess and already has little jitter."""
    max_gap_s: float = MAX_GAP_S
    """Longest gap over which a coordinate is smoothed on; after a longer one it starts afresh."""

    def __post_init__(self) -> None:
        """Refuse what no filter can run with."""
        for name in ("min_cutoff_hz", "derivative_cutoff_hz", "fastest", "max_gap_s"):
            value = getattr(self, name)
            if not np.all(np.asarray(value) > 0.0):
                raise ValueError(f"{name} is {value!r}; accepted: above 0")
        if not np.all(np.asarray(self.beta) >= 0.0):
            raise ValueError(f"beta is {self.beta!r}; accepted: from 0")
        if np.any(np.asarray(self.guess) < np.asarray(self.well_known)):
            raise ValueError(f"guess is {self.guess!r}; accepted: from well_known, {self.well_known!r}")

    def parameters(self, n: int) -> _Parameters:
        """The settings of `n` coordinates, as arrays."""
        well, guess = _vector(self.well_known, n), _vector(self.guess, n)
        return _Parameters(
            min_cutoff_hz=_vector(self.min_cutoff_hz, n),
            beta=_vector(self.beta, n),
            derivative_cutoff_hz=_vector(self.derivative_cutoff_hz, n),
            is_angle=np.array(np.broadcast_to(np.asarray(self.is_angle, dtype=np.bool_), n)),
            well_known=well,
            steady_hz=_vector(self.steady_hz, n),
            firmness=np.divide(guess, well, where=np.isfinite(guess), out=np.full(n, np.inf)) ** 2,
            fastest=_vector(self.fastest, n),
            max_gap_s=float(self.max_gap_s),
        )


DEFAULT = OneEuroSettings()


class OneEuroFilter:
    """Smooths vectors as they come, each coordinate on its own (Casiez, Roussel and Vogel, CHI 2012).

    The cutoff of an exponential low-pass rises with speed, so that jitter is removed where it shows, at rest,
    and lag where it hurts, in motion. Beyond the paper: steps may be uneven; angles are taken by the shorter
    way, so a jump of a whole turn does no harm and the output is continuous; NaN gives NaN and leaves the
    state alone; after a gap the coordinate starts afresh; the speed is that of the smoothed value, not the
    paper's difference of input and smoothed value, which overstates it by the lag; uncertain values are held
    back.

    Args:
        n: Number of coordinates.
        settings: Cutoffs, kinds of coordinates, and limits of trust.
    """

    def __init__(self, n: int, settings: OneEuroSettings = DEFAULT) -> None:
        self._parameters = settings.parameters(n)
        self._exact = np.zeros(n)
        self._state = _State(
            trust=np.ones(n),
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
        self,
        t_ns: int,
        x: NDArray[np.float64],
        out: NDArray[np.float64],
        speed_out: NDArray[np.float64],
        sigma: NDArray[np.float64] | None = None,
    ) -> None:
        """Smooth one sample.

        A stamp that does not advance repeats the last result; one far back starts afresh.

        Args:
            t_ns: Time of the sample.
            x: Values; NaN where unknown. Shape: (n,).
            out: Output for the smoothed values, may be `x`; NaN where x is. Shape: (n,).
            speed_out: Output for their speeds in units/s; NaN also at the first sample. Shape: (n,).
            sigma: Standard deviations of x; 0, or None for all, means full trust. A value with a large
                standard deviation, or a jump larger than people move, has a lower cutoff and a lower top
                speed, which rises again over half a second. Shape: (n,).
        """
        sigma = self._exact if sigma is None else sigma
        _step(self._parameters, self._state, t_ns, x, out, speed_out, sigma)

    def reset(self) -> None:
        """Forget everything but the parameters and the lags so far."""
        self._state.is_started[:] = False
        self._state.smooth[:] = np.nan

    @property
    def lag_s(self) -> NDArray[np.float64]:
        """Delay that the newest step adds to a steadily moving coordinate; NaN where x was. Shape: (n,)."""
        return self._state.lag_s.copy()

    @property
    def firmness(self) -> NDArray[np.float64]:
        """How far the newest values are from guesses: 1 for known ones, 0 for pure guesses. Shape: (n,)."""
        return np.minimum(1.0, self._state.trust * self._parameters.firmness) ** 2

    @property
    def mean_lag_s(self) -> NDArray[np.float64]:
        """Mean delay over all steps so far, guesses left out; NaN without any. Shape: (n,)."""
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
    sigma: NDArray[np.float64],
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
            state.trust[k] = _trust(parameters.well_known[k], sigma[k], 0.0, 0.0)
            state.t_ns[k] = t_ns
        elif dt_s > 0.0:
            trust = _trust(parameters.well_known[k], sigma[k], value - state.smooth[k], dt_s)
            _advance(parameters, state, k, value, dt_s, trust)
            state.t_ns[k] = t_ns
        out[k], speed_out[k] = state.smooth[k], state.speed[k]


@njit(cache=True, nogil=True)
def _trust(well_known: float, sigma: float, jump: float, dt_s: float) -> float:
    """Trust in a value, from 0 to 1.

    min(1, (w / sigma)^2) / (1 + s^2), with w the standard deviation of a well-known value and s the jump over
    three times hypot(sigma, usual speed * dt).
    """
    if not sigma > 0.0:
        return 1.0
    usual = np.hypot(sigma, USUAL_PER_S * dt_s)
    surprise = jump / (SURPRISE_SIGMAS * usual)
    return max(MIN_TRUST, min(1.0, (well_known / sigma) ** 2) / (1.0 + surprise * surprise))


@njit(cache=True, nogil=True)
def _start(state: _State, k: int, value: float) -> None:
    state.is_started[k] = True
    state.smooth[k] = value
    state.trend[k] = 0.0
    state.speed[k] = np.nan
    state.lag_s[k] = 0.0
    state.n_samples[k] += 1


@njit(cache=True, nogil=True)
def _advance(parameters: _Parameters, state: _State, k: int, value: float, dt_s: float, trust: float) -> None:
    """Algorithm 1 of the paper, with dt instead of a fixed rate, and uncertain values held back."""
    last = state.smooth[k]
    trusted = min(trust, state.trust[k] + (1.0 - state.trust[k]) * dt_s / (dt_s + TRUST_RISE_S))
    state.trust[k] = trusted
    slow, fast = min(SLOW_PER_S, parameters.fastest[k]), parameters.fastest[k]
    top_speed = np.inf if trusted >= 1.0 else slow + (fast - slow) * trusted**4
    most = top_speed * min(dt_s, LONGEST_STEP_S)
    # alpha = 1 / (1 + tau / dt) with tau = 1 / (2 pi cutoff)
    tau_s = 1.0 / (_TURN * parameters.derivative_cutoff_hz[k])
    state.trend[k] += ((value - last) / dt_s - state.trend[k]) * dt_s / (dt_s + tau_s)
    firm = min(1.0, trusted * parameters.firmness[k]) ** 2
    movement = firm * abs(state.trend[k])
    least_hz = parameters.min_cutoff_hz[k] + firm * parameters.steady_hz[k]
    cutoff_hz = trust * firm * (least_hz + parameters.beta[k] * movement)
    tau_s = 1.0 / (_TURN * cutoff_hz)
    alpha = dt_s / (dt_s + tau_s)
    state.smooth[k] = last + min(max(alpha * (value - last), -most), most)
    difference = (state.smooth[k] - last) / dt_s
    if np.isnan(state.speed[k]):
        state.speed[k] = difference
    else:
        state.speed[k] += alpha * (difference - state.speed[k])
    # A ramp leaves an exponential low-pass (1 - alpha) / alpha steps late, which is tau whatever dt is.
    state.lag_s[k] = tau_s
    if firm >= 1.0:
        state.lag_sum_s[k] += tau_s
        state.n_samples[k] += 1
