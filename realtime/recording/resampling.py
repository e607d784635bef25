"""From samples at their true, uneven times to even rows without inventing motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_BRIDGED_S = 0.2
"""Undefined stretches up to this long are bridged by a straight line; longer ones stay undefined."""


def even_times(time_s: NDArray[np.float64], rate_hz: float | None) -> tuple[NDArray[np.float64], float]:
    """Even times from the first sample to the last, and their rate.

    Args:
        time_s: increasing. Shape: (n,).
        rate_hz: wanted rate; None takes the median of the samples'.
    """
    if rate_hz is None:
        steps_s = np.diff(time_s)
        rate_hz = round(1.0 / float(np.median(steps_s)), 2) if len(steps_s) else 1.0
    if not len(time_s):
        return np.empty(0), rate_hz
    n = int((time_s[-1] - time_s[0]) * rate_hz + 1e-6) + 1
    return time_s[0] + np.arange(n) / rate_hz, rate_hz


def resample(
    time_s: NDArray[np.float64],
    values: NDArray[np.float64],
    even_s: NDArray[np.float64],
    is_angle: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Values at even times by linear interpolation between neighbours at most `MAX_BRIDGED_S` apart.

    Args:
        time_s: increasing. Shape: (n,).
        values: NaN where undefined. Shape: (n, k).
        even_s: times within those of the samples. Shape: (m,).
        is_angle: columns in rad, interpolated by the shorter way around. Shape: (k,).

    Returns:
        NaN where nothing is near enough. Shape: (m, k).
    """
    out = np.full((len(even_s), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        defined = np.isfinite(values[:, column])
        t, v = time_s[defined], values[defined, column]
        if not len(t):
            continue
        if is_angle is not None and is_angle[column]:
            v = np.unwrap(v)
        after = np.searchsorted(t, even_s).clip(0, len(t) - 1)
        before = np.where(t[after] > even_s, after - 1, after).clip(0)
        near = (t[after] - t[before] <= _bridge_s(time_s)) & (t[0] <= even_s) & (even_s <= t[-1])
        out[near, column] = np.interp(even_s[near], t, v)
    return out


def _bridge_s(time_s: NDArray[np.float64]) -> float:
    """Neighbours may always be joined, however slow the samples come."""
    return max(MAX_BRIDGED_S, 1.5 * float(np.median(np.diff(time_s)))) if len(time_s) > 1 else MAX_BRIDGED_S
