"""Steadies a person's position over time, knowing that depth errs by a share that stays."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACCELERATION_M_S2 = 3.0
"""White acceleration of a pelvis, in m/s^2 per sqrt(Hz): it fits walking and squatting people."""
DEPTH_BIAS = 0.02
"""Standard deviation of the share by which depth from size is wrong: the person's proportions and the pose
are never known exactly, and both last longer than a frame."""
DEPTH_BIAS_S = 2.0
"""Time in which that error forgets itself, as poses change."""
N_STATE, BIAS = 7, 6


class PositionFilter:
    """A Kalman filter over position, velocity, and the constant error of depth.

    Averaging removes noise, never a bias. With the bias in the state, constant depths do not make the filter
    certain of a wrong one, and measurements from the floor separate position and bias.
    """

    def __init__(self) -> None:
        self._x = np.zeros(N_STATE)
        self._P = np.zeros((N_STATE, N_STATE))
        self.is_started = False

    @property
    def position_m(self) -> Array:
        """Position in ground. Shape: (3,)."""
        return self._x[:3].copy()

    @property
    def speed_m_s(self) -> float:
        """Along the floor."""
        return float(np.hypot(self._x[3], self._x[5]))

    def reset(self) -> None:
        """Forget everything."""
        self.is_started = False

    def start(self, position_m: Array, covariance: Array) -> None:
        """Begin at a position, at rest.

        Args:
            position_m: Shape: (3,).
            covariance: Covariance in m^2. Shape: (3, 3).
        """
        self._x[:] = 0.0
        self._x[:3] = position_m
        self._P[:] = 0.0
        self._P[:3, :3] = covariance
        self._P[3:BIAS, 3:BIAS] = 0.25 * np.eye(3)
        self._P[BIAS, BIAS] = DEPTH_BIAS**2
        self.is_started = True

    def predict(self, dt_s: float) -> None:
        """Move on in time."""
        _predict(self._x, self._P, dt_s)

    def update(self, rows: Array, values: Array, variance: Array, gate: float) -> None:
        """Take measurements that belong together into account.

        Args:
            rows: Rows of the measurement matrix, for position and depth bias. Shape: (n, 4).
            values: Shape: (n,).
            variance: Shape: (n,).
            gate: Squared Mahalanobis distance at which the measurements count half: they are wrong now and
                then, and then by much (a Student's t instead of a normal distribution).
        """
        _update(self._x, self._P, rows, values, variance, gate)


@njit(cache=True, nogil=True)
def _predict(x: Array, P: Array, dt_s: float) -> None:
    """Move the state on: x = F x, P = F P F' + Q, in place.

    F adds dt times the velocity to the position and multiplies the bias by exp(-dt / tau); Q is that of white
    acceleration with density a^2: a^2 dt^3 / 3, a^2 dt^2 / 2 and a^2 dt. Shapes: (7,), (7, 7).
    """
    memory = np.exp(-dt_s / DEPTH_BIAS_S)
    density = ACCELERATION_M_S2**2
    for i in range(3):
        x[i] += dt_s * x[3 + i]
        P[i, :] += dt_s * P[3 + i, :]
    for i in range(3):
        P[:, i] += dt_s * P[:, 3 + i]
    x[BIAS] *= memory
    P[BIAS, :] *= memory
    P[:, BIAS] *= memory
    for i in range(3):
        P[i, i] += density * dt_s**3 / 3.0
        P[i, 3 + i] += density * dt_s**2 / 2.0
        P[3 + i, i] += density * dt_s**2 / 2.0
        P[3 + i, 3 + i] += density * dt_s
    P[BIAS, BIAS] += DEPTH_BIAS**2 * (1.0 - memory**2)


@njit(cache=True, nogil=True)
def _update(x: Array, P: Array, rows: Array, values: Array, variance: Array, gate: float) -> None:
    """Kalman's update, in place, with R larger for measurements that surprise; see `PositionFilter.update`.

    With d = z - H x and S = H P H' + R, R grows by the factor 1 + d' S^-1 d / gate. Then K = P H' S^-1,
    x += K d and P -= K H P. Shapes: (7,), (7, 7), (n, 4), (n,), (n,).
    """
    n = rows.shape[0]
    d, PHt, S, growth = np.empty(n), np.empty((N_STATE, n)), np.empty((n, n)), 0.0
    for k in range(n):
        d[k] = values[k] - _measured(rows[k], x)
        for i in range(N_STATE):
            PHt[i, k] = _measured(rows[k], P[i])
    for k in range(n):
        for m in range(n):
            S[k, m] = _measured(rows[k], PHt[:, m])
        S[k, k] += variance[k]
    weighted = _solve_positive(S, d)
    for k in range(n):
        growth += d[k] * weighted[k] / gate
    for k in range(n):
        S[k, k] += variance[k] * growth
    for i in range(N_STATE):
        gain = _solve_positive(S, PHt[i])
        for k in range(n):
            x[i] += gain[k] * d[k]
            P[i, :] -= gain[k] * PHt[:, k]
    for i in range(N_STATE):
        for j in range(i):
            P[i, j] = P[j, i] = 0.5 * (P[i, j] + P[j, i])


@njit(cache=True, nogil=True)
def _measured(row: Array, x: Array) -> float:
    """What a row of the measurement matrix makes of a state. Shapes: (4,), (7,)."""
    return float(row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + row[3] * x[BIAS])


@njit(cache=True, nogil=True)
def _solve_positive(S: Array, b: Array) -> Array:
    """Solve S y = b for a positive definite S by Cholesky's S = L L'. Shapes: (n, n), (n,)."""
    n = b.shape[0]
    L, y = np.empty((n, n)), np.empty(n)
    for i in range(n):
        for j in range(i + 1):
            rest = S[i, j]
            for k in range(j):
                rest -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    for i in range(n):
        rest = b[i]
        for k in range(i):
            rest -= L[i, k] * y[k]
        y[i] = rest / L[i, i]
    for i in range(n - 1, -1, -1):
        rest = y[i]
        for k in range(i + 1, n):
            rest -= L[k, i] * y[k]
        y[i] = rest / L[i, i]
    return y
