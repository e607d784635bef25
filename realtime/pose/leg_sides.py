"""Undoes swaps of the legs: for a frame or a few, BlazePose takes left for right where legs cross.

Where both legs of the last two frames would be now tells which is which: after a swap, each leg is where the
other one was going. In the worst frames of a swap legs are also between their places; then they are put where
they were going. A swap that lasts is believed, since the frames before may have been the wrong ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import ANKLES, FOOT_INDICES, HEELS, HIPS, KNEES, N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult

Array = NDArray[np.float64]

SWAPPED_SHARE = 0.6
"""Legs are swapped if exchanging their sides brings them nearer than this share to where they were going."""
LEAST_DISTANCE, LARGEST_DISTANCE = 0.03, 0.04
"""Distances from where legs were going, in sides of the region: up to the first they are there, from the
second on they cannot be. People who squat, golf and walk stay below 0.035, and nothing of them (1,985 frames)
is taken for a swap; 6 of 180 frames of the demo clip are."""
LONGEST_S = 0.1
"""Longest time for which the legs are changed."""
MAX_GAP_S = 0.2
"""Longest time over which legs are extrapolated."""
GUESS = 0.5
"""Factor on the visibility of legs that are put where they were going."""

_PAIRS = np.array([KNEES, ANKLES, HEELS, FOOT_INDICES])
_LEGS = _PAIRS.T.ravel()
_EXCHANGED = np.arange(N_LANDMARKS)
_EXCHANGED[_LEGS] = _PAIRS[:, ::-1].T.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class _Legs:
    """Legs of one frame."""

    t_ns: int
    points: Array
    """In the image from the mid hips, in sides of the region. Shape: (8, 2)."""
    world_m: Array
    """Shape: (8, 3)."""

    @classmethod
    def of(cls, t_ns: int, result: BlazePoseResult) -> _Legs:
        points = (result.landmarks_px[_LEGS, :2] - _mid_hips_px(result)) / result.roi.size_px
        return cls(t_ns, points, result.world_m[_LEGS])

    def distance_from(self, other: _Legs, weights: Array) -> float:
        """Mean distance in the image."""
        return float(weights @ np.linalg.norm(self.points - other.points, axis=1) / weights.sum())


class LegSides:
    """Keeps left and right legs apart from frame to frame; causal."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._seen: list[_Legs] = []
        self._changed_since_ns: int | None = None

    def keep(self, t_ns: int, result: BlazePoseResult) -> BlazePoseResult:
        """The landmarks of a frame, with those of the legs changed if they are swapped.

        Args:
            t_ns: Capture time.
            result: Landmarks of the frame.
        """
        changed = self._changed(t_ns, result)
        since_ns = t_ns if self._changed_since_ns is None else self._changed_since_ns
        if changed is None or 1e-9 * (t_ns - since_ns) >= LONGEST_S:
            self._changed_since_ns = None
        else:
            self._changed_since_ns, result = since_ns, changed
        self._seen = [*self._seen[-1:], _Legs.of(t_ns, result)]
        return result

    def _changed(self, t_ns: int, result: BlazePoseResult) -> BlazePoseResult | None:
        """The frame with its legs where they were going; None where they are."""
        if len(self._seen) < 2 or 1e-9 * (t_ns - self._seen[0].t_ns) > MAX_GAP_S:
            return None
        first, last = self._seen
        ahead = min((t_ns - last.t_ns) / max(last.t_ns - first.t_ns, 1), 1.0)
        expected = _Legs(
            t_ns,
            last.points + ahead * (last.points - first.points),
            last.world_m + ahead * (last.world_m - first.world_m),
        )
        exchanged, weights = _with_legs_exchanged(result), result.presence[_LEGS] + 1e-6
        apart = _Legs.of(t_ns, result).distance_from(expected, weights)
        apart_exchanged = _Legs.of(t_ns, exchanged).distance_from(expected, weights)
        if apart <= LEAST_DISTANCE or apart_exchanged >= SWAPPED_SHARE * apart:
            return None
        return exchanged if apart_exchanged < LARGEST_DISTANCE else _with_legs(exchanged, expected)


def _mid_hips_px(result: BlazePoseResult) -> Array:
    return np.asarray(result.landmarks_px[list(HIPS), :2].mean(0))


def _with_legs_exchanged(result: BlazePoseResult) -> BlazePoseResult:
    """Landmarks with left and right knees, ankles and feet exchanged."""
    return replace(
        result,
        landmarks_px=result.landmarks_px[_EXCHANGED],
        world_m=result.world_m[_EXCHANGED],
        visibility=result.visibility[_EXCHANGED],
        presence=result.presence[_EXCHANGED],
    )


def _with_legs(result: BlazePoseResult, legs: _Legs) -> BlazePoseResult:
    """Landmarks with given legs, which are guesses."""
    landmarks_px, world_m = result.landmarks_px.copy(), result.world_m.copy()
    visibility = result.visibility.copy()
    landmarks_px[_LEGS, :2] = _mid_hips_px(result) + legs.points * result.roi.size_px
    world_m[_LEGS] = legs.world_m
    visibility[_LEGS] *= GUESS
    return replace(result, landmarks_px=landmarks_px, world_m=world_m, visibility=visibility)
