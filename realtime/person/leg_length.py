"""Whether legs become longer than they were in the neutral pose: then that pose was none.

From the front, somebody who bends both knees a little looks like somebody with shorter legs. When they
straighten them on the spot, their hips rise in the image while their ankles stay: knees that were bent by 30
degrees lengthen the legs by 3.5 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import ANKLES, HIPS
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.ray_solver import Sighting

Array = NDArray[np.float64]

MAX_LENGTHENING = 1.03
"""Mean length of both legs in the image over that in the neutral pose."""
LASTS_S, MIN_FRAMES = 0.5, 5
"""How long, and in how many frames, legs are longer: a single frame before a gap and one after it may err."""
MAX_MOVED = 0.025
"""Distance of an ankle from where it was, in leg lengths, up to which the foot has not moved."""
MIN_WEIGHT = 0.5


class LegLengthCheck:
    """Compares legs with those of the neutral pose, as long as the feet are where they were.

    Args:
        model: Landmark stations of the skeleton.
    """

    def __init__(self, model: LandmarkModel) -> None:
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        self._hips, self._ankles = ([row[k] for k in pair if k in row] for pair in (HIPS, ANKLES))
        self._has_legs = len(self._hips) == len(self._ankles) == 2
        self._since_ns: int | None = None
        self._n_longer = 0
        self.forget()

    def forget(self) -> None:
        """Forget the neutral pose."""
        self._neutral: Array | None = None
        self._start_over()

    def remember(self, seen: Sighting) -> None:
        """Take the legs of a frame for those of the neutral pose."""
        self._neutral = seen.rays if self._has_legs else None
        self._start_over()

    def are_longer(self, t_ns: int, seen: Sighting) -> bool:
        """Whether the legs have been too long for half a second.

        Args:
            t_ns: Capture time.
            seen: Landmarks of the frame as the network gives them.
        """
        if self._neutral is None or self._lengthening(self._neutral, seen) < MAX_LENGTHENING:
            self._start_over()
            return False
        self._since_ns = t_ns if self._since_ns is None else self._since_ns
        self._n_longer += 1
        return t_ns - self._since_ns >= 1e9 * LASTS_S and self._n_longer >= MIN_FRAMES

    def _start_over(self) -> None:
        self._since_ns, self._n_longer = None, 0

    def _lengthening(self, neutral: Array, seen: Sighting) -> float:
        """Length of the legs over that in the neutral pose; 0 where it is unknown."""
        then_m, now_m = (self._lengths(rays) for rays in (neutral, seen.rays))
        moved = np.linalg.norm(seen.rays[self._ankles] - neutral[self._ankles], axis=1)
        is_there = seen.weights[[*self._hips, *self._ankles]].min() >= MIN_WEIGHT
        if not is_there or (moved > MAX_MOVED * then_m).any():
            return 0.0
        return float(now_m.sum() / then_m.sum())

    def _lengths(self, rays: Array) -> Array:
        return np.linalg.norm(rays[self._hips] - rays[self._ankles], axis=1)
