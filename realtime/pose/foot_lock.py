"""Keeps planted feet where they stand: the legs bend a little until heel and toe keep their positions.

The angles that landmarks give let a standing foot slide along with the pelvis, because the image hardly shows
how legs swing along the line of sight. A foot planted on a known floor stays, whatever the angles are. This
is the last step of a frame, after smoothing, so that nothing moves the foot again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import stem_of
from calib.ik import InverseKinematics
from calib.kinematics import forward_kinematics, station_positions
from calib.skeleton import Skeleton
from realtime.pose.foot_contact import FEET, HEEL, Stance, sole_clearance
from realtime.pose.gap import MAX_GAP_S
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.skeletal_layer import is_root

Array = NDArray[np.float64]

GIVE_DEG = {
    "hip_flexion": 8.0, "hip_adduction": 4.0, "hip_rotation": 1.0, "knee_angle": 8.0, "ankle_angle": 2.0,
    "subtalar_angle": 0.5,
}  # fmt: skip
"""Standard deviation of each coordinate's error; all other coordinates stay."""
HELD_WEIGHT = 1e9
PLACE_M = 0.02
"""Standard deviation of a planted heel or toe around its position."""
MAX_SHIFT_M = 0.3
"""Feet are not moved further."""
SEEN_SHARE = 0.5
"""Weight of the image in the position of a standing foot; the rest is the skeleton's."""
SETTLE_S = 0.2
"""Averaging time of the position; after it, the position follows the image at `CREEP_HZ` only."""
CREEP_HZ = 0.05
MAX_MISS_M = 0.15
"""A foot seen further from its position than this, across the line of sight, for `N_MISSES` frames has left
it."""
N_MISSES = 2
FADE_IN_S, FADE_OUT_S = 0.04, 0.12


class FootLock:
    """Bends the legs of one person so that planted feet stay.

    Args:
        skeleton: The skeleton.
        model: Its landmark stations.
        camera_m: Position of the camera in ground. Shape: (3,).
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel, camera_m: Array) -> None:
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        self._rows = np.array([row[k] for foot in FEET for k in foot[HEEL:] if k in row], dtype=int)
        self._body, self._station_m = model.station_body[self._rows], model.station_m[self._rows]
        self._clearance_m = sole_clearance(skeleton, model)[self._rows]
        bounded = skeleton.is_clamped & ~is_root(skeleton)
        self._ik = InverseKinematics(skeleton, self._body, self._station_m, bounded=bounded)
        self._skeleton, self._camera_m = skeleton, np.array(camera_m)
        give = (GIVE_DEG.get(stem_of(n)) for n in skeleton.coordinate_names)
        self._weight = np.array([HELD_WEIGHT if g is None else np.radians(g) ** -2.0 for g in give])
        self._T, self._points_m = np.empty((skeleton.n_bodies, 4, 4)), np.empty((len(self._rows), 3))
        self._scale_factors = np.ones((skeleton.n_bodies, 3))
        self.reset()

    def reset(self) -> None:
        """Forget where feet stand."""
        n = len(self._rows)
        self._t_ns: int | None = None
        self._is_held = np.zeros(n, dtype=bool)
        self._place_m, self._held_s = np.zeros((n, 3)), np.zeros(n)
        self._n_missed, self._share = np.zeros(n, dtype=int), np.zeros(n)
        self._bend = np.zeros(self._skeleton.n_q)

    def step(self, t_ns: int, stances: list[Stance], scale_factors: Array, q: Array, qdot: Array) -> None:
        """Hold the planted feet of one frame.

        Args:
            t_ns: Capture time of the frame.
            stances: Feet that stand in the frame.
            scale_factors: Scale factors of the person. Shape: (n_bodies, 3).
            q: Coordinates, changed in place. Shape: (n_q,).
            qdot: Speeds, changed in place. Shape: (n_q,).
        """
        dt_s = 0.0 if self._t_ns is None else (t_ns - self._t_ns) * 1e-9
        if dt_s > MAX_GAP_S:
            self.reset()
            dt_s = 0.0
        self._t_ns = t_ns
        if not np.array_equal(scale_factors, self._scale_factors):
            self._scale_factors = np.array(scale_factors, dtype=np.float64)
            self._ik.set_scale_factors(self._scale_factors)
        factors = self._scale_factors
        forward_kinematics(self._skeleton.tree, q, factors, self._T)
        station_positions(self._T, self._body, self._station_m * factors[self._body], self._points_m)
        self._hold(stances, dt_s)
        fade = np.where(self._is_held, dt_s / FADE_IN_S, -dt_s / FADE_OUT_S)
        self._share = np.clip(self._share + fade, 0.0, 1.0)
        bend = self._bend_legs(q) if (self._share > 0.0).any() else np.zeros(len(q))
        q += bend
        if dt_s > 0.0:
            qdot += (bend - self._bend) / dt_s
        self._bend = bend

    def _hold(self, stances: list[Stance], dt_s: float) -> None:
        """Follow which heels and toes are planted, and where."""
        seen_m = np.full((len(self._rows), 3), np.nan)
        for stance in stances:
            if stance.is_planted:
                for row, place_m in zip(stance.rows, stance.seen_m, strict=True):
                    seen_m[self._rows == row] = place_m
        is_planted = np.isfinite(seen_m).all(1)
        starts = is_planted & ~self._is_held
        self._held_s[starts], self._n_missed[starts] = 0.0, 0
        target_m = SEEN_SHARE * seen_m + (1.0 - SEEN_SHARE) * self._points_m
        target_m[:, 1] = self._clearance_m * self._scale_factors.mean()
        settling = self._held_s < SETTLE_S
        gain = np.where(settling, dt_s / np.maximum(self._held_s + dt_s, 1e-9), CREEP_HZ * dt_s)
        gain[starts] = 1.0
        moved_m = gain[:, None] * (target_m - self._place_m)
        self._place_m = np.where(is_planted[:, None], self._place_m + moved_m, self._place_m)
        self._held_s += dt_s
        misses = is_planted & (self._miss_m(seen_m) > MAX_MISS_M)
        self._n_missed = np.where(misses, self._n_missed + 1, 0)
        self._is_held = is_planted & (self._n_missed < N_MISSES)

    def _miss_m(self, seen_m: Array) -> Array:
        """Distances of feet in the image from their positions, across the line of sight. Shape: (n,)."""
        direction = self._place_m - self._camera_m
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        return np.asarray(np.linalg.norm(np.cross(direction, seen_m - self._place_m), axis=1))

    def _bend_legs(self, q: Array) -> Array:
        """Change of q that brings feet to their positions, as far as each is held. Shape: (n_q,)."""
        shift_m = self._place_m - self._points_m
        size_m = np.linalg.norm(shift_m, axis=1)
        shift_m *= (self._share * np.minimum(1.0, MAX_SHIFT_M / np.maximum(size_m, 1e-9)))[:, None]
        weights = np.where(self._share > 0.0, PLACE_M**-2.0, 0.0)
        targets_m = self._points_m + shift_m
        solution = self._ik.solve(targets_m, weights, q, q_prior=q, prior_weight=self._weight)
        return np.where(self._weight < HELD_WEIGHT, solution.q - q, 0.0)
