"""Scale factors of a person from the direct network: averaged over frames, then frozen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import joint_centres
from calib.skeleton import Skeleton
from realtime.person.scaling import N_FRAMES_FROZEN, N_FRAMES_WARM_UP

Array = NDArray[np.float64]

STATURE_M = 1.75
"""Stature of kinecast's own skeleton with scale factors of one."""


class AveragedScaling:
    """Weighted mean of the scale factors that the network gives for a person.

    Args:
        skeleton: The skeleton.
        height_m: Stature of the person, if known; it fixes the size, not the proportions.
        known: Scale factors measured before; they never change. Shape: (n_bodies, 3).
    """

    def __init__(
        self, skeleton: Skeleton, height_m: float | None = None, *, known: Array | None = None
    ) -> None:
        self._skeleton, self._known = skeleton, known
        self._rise_m = _rise_m(skeleton, np.ones((skeleton.n_bodies, 3))) * (
            1.0 if height_m is None else height_m / STATURE_M
        )
        self._has_height = height_m is not None
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._n_frames, self._sum_weight = 0, 0.0
        self._sum_log = np.zeros((self._skeleton.n_bodies, 3))
        self.scale_factors = self._known if self._known is not None else np.ones_like(self._sum_log)

    @property
    def is_warming_up(self) -> bool:
        """Whether the factors may still change visibly."""
        return self._known is None and self._n_frames < N_FRAMES_WARM_UP

    def update(self, scale_factors: Array, weight: float) -> bool:
        """Add one frame.

        Args:
            scale_factors: Scale factors of the frame. Shape: (n_bodies, 3).
            weight: Weight of the frame, from 0 to 1.

        Returns:
            Whether the scale factors changed.
        """
        if self._known is not None or self._n_frames >= N_FRAMES_FROZEN:
            return False
        self._n_frames += 1
        self._sum_log += weight * np.log(scale_factors)
        self._sum_weight += weight
        if self._sum_weight > 0.0:
            self.scale_factors = np.exp(self._sum_log / self._sum_weight)
            if self._has_height:
                self.scale_factors *= self._rise_m / _rise_m(self._skeleton, self.scale_factors)
        return True


def _rise_m(skeleton: Skeleton, scale_factors: Array) -> float:
    """Height of the shoulders over the ankles in the default pose."""
    centres = joint_centres(skeleton, skeleton.q_default, scale_factors)
    high, low = (
        np.mean([centres[skeleton.body_index(f"{body}_{side}"), 1] for side in "rl"])
        for body in ("humerus", "talus")
    )
    return float(high - low)
