"""Steadies a person's position over time, knowing that depth errs by a share that stays."""

from __future__ import annotations

import numpy as np
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
        memory = np.exp(-dt_s / DEPTH_BIAS_S)
        F, Q = np.eye(N_STATE), np.zeros((N_STATE, N_STATE))
        F[:3, 3:BIAS] = dt_s * np.eye(3)
        F[BIAS, BIAS] = memory
        density = ACCELERATION_M_S2**2 * np.eye(3)
        Q[:3, :3] = density * dt_s**3 / 3.0
        Q[:3, 3:BIAS] = Q[3:BIAS, :3] = density * dt_s**2 / 2.0
        Q[3:BIAS, 3:BIAS] = density * dt_s
        Q[BIAS, BIAS] = DEPTH_BIAS**2 * (1.0 - memory**2)
        self._x = F @ self._x
        self._P = F @ self._P @ F.T + Q

    def update(self, rows: Array, values: Array, variance: Array, doubt: float) -> None:
        """Take measurements that belong together into account.

        Args:
            rows: Rows of the measurement matrix, for position and depth bias. Shape: (n, 4).
            values: Shape: (n,).
            variance: Shape: (n,).
            doubt: Squared Mahalanobis distance at which the measurements count half: they are wrong now and
                then, and then by much (a Student's t instead of a normal distribution).
        """
        H = np.zeros((len(rows), N_STATE))
        H[:, :3], H[:, BIAS] = rows[:, :3], rows[:, 3]
        surprise = values - H @ self._x
        PHt = self._P @ H.T
        S = H @ PHt + np.diag(variance)
        S += np.diag(variance) * (surprise @ np.linalg.solve(S, surprise)) / doubt
        gain = np.linalg.solve(S, PHt.T).T
        self._x = self._x + gain @ surprise
        P = self._P - gain @ PHt.T
        self._P = 0.5 * (P + P.T)
