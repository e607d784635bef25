"""Whether legs are longer than the person's can be: then the pose in which they were learned was none.

From the front, somebody who bends both knees a little looks like somebody with shorter legs. Once they
straighten them, the landmarks of hip and ankle move farther apart than straight legs allow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import body_transforms
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import ANKLES, HIPS
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.planted_feet import PlantedFeet
from realtime.pose.ray_solver import Sighting

Array = NDArray[np.float64]

MAX_EXCESS = 1.04
"""Length of a leg over that of a straight one, from which it is too long."""
LASTS_S = 0.5
MAX_DEPTH_SIGMA_M = 0.08
"""Standard deviation of a foot's depth up to which it tells lengths."""
MIN_WEIGHT = 0.5


class LegLengthCheck:
    """Compares the least length that a leg can have in the image with that of a straight one.

    The ankle is at the remembered depth of the planted foot, and the hip somewhere on its ray: the distance
    of the ankle from that ray is the least length.

    Args:
        skeleton: The skeleton.
        model: Landmark stations of the skeleton.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel) -> None:
        self._skeleton, self._model = skeleton, model
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        self._pairs = [
            (row[hip], row[ankle]) for hip, ankle in zip(HIPS, ANKLES, strict=True) if ankle in row
        ]
        self.set_scale_factors(np.ones((skeleton.n_bodies, 3)))
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._since_ns: int | None = None

    def set_scale_factors(self, scale_factors: Array) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3)."""
        body = self._model.station_body
        q = np.zeros(self._skeleton.n_q)
        T = body_transforms(self._skeleton, q, scale_factors)[body]
        stations_m = np.einsum("nij,nj->ni", T[:, :3, :3], self._model.station_m * scale_factors[body])
        stations_m += T[:, :3, 3]
        self._straight_m = [
            float(np.linalg.norm(stations_m[hip] - stations_m[ankle])) for hip, ankle in self._pairs
        ]

    def are_too_long(self, t_ns: int, seen: Sighting, feet: PlantedFeet) -> bool:
        """Whether a leg has been too long for half a second.

        Args:
            t_ns: Capture time.
            seen: Corrected landmarks of the frame.
            feet: Memory of the feet, after this frame.
        """
        if self._largest_excess(seen, feet) < MAX_EXCESS:
            self._since_ns = None
            return False
        self._since_ns = t_ns if self._since_ns is None else self._since_ns
        return t_ns - self._since_ns >= 1e9 * LASTS_S

    def _largest_excess(self, seen: Sighting, feet: PlantedFeet) -> float:
        if feet.depth_m is None:
            return 0.0
        largest = 0.0
        for (hip, ankle), straight_m in zip(self._pairs, self._straight_m, strict=True):
            k = int(np.flatnonzero(feet.rows == ankle)[0])
            is_sure = feet.sigma_m[k] <= MAX_DEPTH_SIGMA_M and seen.weights[[hip, ankle]].min() >= MIN_WEIGHT
            if is_sure:
                ankle_m = seen.rays[ankle] * feet.depth_m[k]
                direction = seen.rays[hip] / np.linalg.norm(seen.rays[hip])
                least_m = np.linalg.norm(ankle_m - direction * (ankle_m @ direction))
                largest = max(largest, float(least_m) / straight_m)
        return largest
