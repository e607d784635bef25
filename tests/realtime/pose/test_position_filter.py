"""The position filter's compiled steps against Kalman's equations in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.pose.position_filter import (
    ACCELERATION_M_S2,
    BIAS,
    DEPTH_BIAS,
    DEPTH_BIAS_S,
    N_STATE,
    PositionFilter,
)


def started(rng: np.random.Generator) -> PositionFilter:
    """A filter in the middle of things: any state, any covariance."""
    position, root = PositionFilter(), rng.normal(0.0, 0.3, (N_STATE, N_STATE))
    position.start(np.zeros(3), np.eye(3))
    position._x[:], position._P[:] = rng.normal(size=N_STATE), root @ root.T + 0.01 * np.eye(N_STATE)
    return position


@pytest.mark.parametrize("seed", range(5))
def test_prediction_is_that_of_constant_speed_and_white_acceleration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    position, dt_s = started(rng), rng.uniform(0.005, 0.2)
    F, Q, memory = np.eye(N_STATE), np.zeros((N_STATE, N_STATE)), np.exp(-dt_s / DEPTH_BIAS_S)
    F[:3, 3:BIAS], F[BIAS, BIAS] = dt_s * np.eye(3), memory
    block = np.array([[dt_s**3 / 3.0, dt_s**2 / 2.0], [dt_s**2 / 2.0, dt_s]])
    Q[:BIAS, :BIAS] = ACCELERATION_M_S2**2 * np.kron(block, np.eye(3))
    Q[BIAS, BIAS] = DEPTH_BIAS**2 * (1.0 - memory**2)
    x, P = F @ position._x, F @ position._P @ F.T + Q
    position.predict(dt_s)
    np.testing.assert_allclose(position._x, x, atol=1e-12)
    np.testing.assert_allclose(position._P, P, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_update_is_kalmans_with_a_variance_that_grows_with_surprise(n: int) -> None:
    rng = np.random.default_rng(n)
    position, rows, values = started(rng), rng.normal(size=(n, 4)), rng.normal(size=n)
    variance, doubt = rng.uniform(0.001, 0.1, n), 6.0
    H = np.concatenate([rows[:, :3], np.zeros((n, 3)), rows[:, 3:]], 1)
    x, P = position._x.copy(), position._P.copy()
    d, S = values - H @ x, H @ P @ H.T + np.diag(variance)
    R = np.diag(variance) * (1.0 + d @ np.linalg.inv(S) @ d / doubt)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    position.update(rows, values, variance, doubt)
    np.testing.assert_allclose(position._x, x + K @ d, atol=1e-10)
    np.testing.assert_allclose(position._P, (np.eye(N_STATE) - K @ H) @ P, atol=1e-10)
