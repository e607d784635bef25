"""Foot strikes and foot-offs of somebody who walks, from the feet's positions relative to the pelvis.

At a strike, a heel is farthest in front of the pelvis; at foot-off, farthest behind it (Zeni, Richards and
Higginson, Gait & Posture 2008). That holds overground and on a treadmill, and needs no floor. A step counts
only where one foot passes the other, so that squats and sway are no steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from realtime.events.event import FOOT_OFF, FOOT_STRIKE, Event, Side

Array = NDArray[np.float64]

LEAST_SWING_M = 0.25
"""Least way of one heel past the other: a step of half of it."""
SMOOTHED_S = 0.1
"""Time over which medians of the positions are taken."""
LONGEST_GAP_S = 0.5
"""Nothing is found across longer times without a person."""
LONGEST_STEP_S = 2.0
"""Feet that do not turn within this time stand."""


def gait_events(time_s: Array, ahead_m: Array) -> list[Event]:
    """Strikes and offs of both feet, in order of time.

    Args:
        time_s: Increasing times. Shape: (n,).
        ahead_m: Positions of the right and the left heel in front of the pelvis, from `ahead_of_pelvis`; NaN
            where unknown. Shape: (n, 2).
    """
    known = np.isfinite(ahead_m).all(axis=1)
    time_s, ahead_m = time_s[known], ahead_m[known]
    breaks = np.flatnonzero(np.diff(time_s) > LONGEST_GAP_S) + 1
    found: list[Event] = []
    for rows in np.split(np.arange(len(time_s)), breaks):
        if len(rows) > 2:
            found += _events_of(time_s[rows], _smoothed(time_s[rows], ahead_m[rows]))
    return sorted(found)


def ahead_of_pelvis(pelvis_m: Array, R_ground_pelvis: Array, feet_m: Array) -> Array:
    """How far feet are in front of the pelvis, level, in the direction that it faces (its X axis).

    Args:
        pelvis_m: Positions of the pelvis in ground. Shape: (n, 3).
        R_ground_pelvis: Rotations of the pelvis. Shape: (n, 3, 3).
        feet_m: Positions of the feet. Shape: (n, n_feet, 3).

    Returns:
        Shape: (n, n_feet).
    """
    level = R_ground_pelvis[:, [0, 2], 0]
    level = level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.einsum("nfi,ni->nf", (feet_m - pelvis_m[:, None])[..., [0, 2]], level))


def _events_of(time_s: Array, ahead_m: Array) -> Iterator[Event]:
    """Events of one stretch without gaps."""
    turns = list(_turns(ahead_m[:, 0] - ahead_m[:, 1], LEAST_SWING_M))
    for before, (row, is_right), after in zip(turns, turns[1:], turns[2:], strict=False):
        first, last = (before[0] + row) // 2, (row + after[0]) // 2 + 1
        if time_s[after[0]] - time_s[before[0]] > 2.0 * LONGEST_STEP_S:
            continue
        front, behind = (0, 1) if is_right else (1, 0)
        sides: tuple[Side, Side] = ("r", "l")
        strike = first + int(np.argmax(ahead_m[first:last, front]))
        off = first + int(np.argmin(ahead_m[first:last, behind]))
        yield Event(float(time_s[strike]), FOOT_STRIKE, sides[front])
        yield Event(float(time_s[off]), FOOT_OFF, sides[behind])


def _turns(values: Array, least: float) -> Iterator[tuple[int, bool]]:
    """First and last row, and between them those where values turn by `least`; whether it is a maximum."""
    yield 0, False
    low = high = 0
    rising: bool | None = None
    for row, value in enumerate(values):
        low = row if value < values[low] else low
        high = row if value > values[high] else high
        if rising is not False and value <= values[high] - least:
            if rising or high > 0:
                yield high, True
            rising, low = False, row
        elif rising is not True and value >= values[low] + least:
            if rising is False or low > 0:
                yield low, False
            rising, high = True, row
    yield len(values) - 1, False


def _smoothed(time_s: Array, values: Array) -> Array:
    """Medians over `SMOOTHED_S`, which single bad frames do not change. Shape: (n, k)."""
    half = max(1, round(0.5 * SMOOTHED_S / float(np.median(np.diff(time_s)))))
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1))
