"""How far from the camera standing feet are: a foot that rests in the image rests in the room.

One image tells depth badly: somebody who squats looks much like somebody who steps back, since all lengths
shrink. Feet tell them apart. While their landmarks hold still, their depth is the mean of what was estimated
since they were put down, and every new frame must agree with it. Where they go, the floor is as high as where
they were: seen from above it, a foot that is put down lower in the image is nearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import PoseLandmark
from realtime.pose.landmark_model import LandmarkModel

Array = NDArray[np.float64]

FRAME_SIGMA_M = 0.3
"""Standard deviation of a foot's depth as estimated from one frame."""
ERROR_TIME_S = 0.07
"""Errors of frames closer than this are the same error: more frames a second tell no more."""
REST_SIGMA_M = 0.03
"""Of a resting foot's landmark, which wanders as the shank turns over it."""
REST_M_S = 0.1
"""Landmarks of resting feet jitter at up to this speed."""
MOVING_DRIFT = 2.0
"""Depth that a foot may have gained, beside what a level floor tells, per distance that it moved across the
image."""
MIN_SLOPE = 0.12
"""Least fall of the line of sight to a foot, per depth, from which on the floor tells how far it is."""
VELOCITY_TIME_S = 0.1
"""Time constant of the mean velocity. A mean of vectors, since jitter adds up in a mean of speeds: the more
frames a second, the faster standing feet would seem to move."""
FEET = (
    (PoseLandmark.RIGHT_ANKLE, PoseLandmark.RIGHT_HEEL, PoseLandmark.RIGHT_FOOT_INDEX),
    (PoseLandmark.LEFT_ANKLE, PoseLandmark.LEFT_HEEL, PoseLandmark.LEFT_FOOT_INDEX),
)


class PlantedFeet:
    """Remembers the depth of the feet's landmarks, each with its variance.

    The variance P of a depth z grows with the distance that its foot moves, and falls as a Kalman filter's
    with each frame's estimate: K = P / (P + R), z += K (z_frame - z), P -= K P, where R is the variance of
    one frame, larger the closer frames follow each other.

    Args:
        model: Landmark stations of the skeleton.
        T_ground_cam: Pose of the camera. Shape: (4, 4).
    """

    def __init__(self, model: LandmarkModel, T_ground_cam: Array) -> None:
        self._down_in_cam = -T_ground_cam[1, :3]
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        sides = [[row[point] for point in points if point in row] for points in FEET]
        self.rows = np.array([k for side in sides for k in side], dtype=np.int64)
        """Stations of the feet's landmarks. Shape: (n,)."""
        self._side = np.array([number for number, side in enumerate(sides) for _ in side])
        self.reset()

    def reset(self) -> None:
        """Forget where the feet were."""
        self.depth_m: Array | None = None
        """Remembered depths; None before the first frame. Shape: (n,)."""
        self._variance = np.full(len(self.rows), FRAME_SIGMA_M**2)
        self._velocity_m_s = np.zeros((2, 3))
        self._rays: Array | None = None
        self._t_ns = 0
        self._dt_s = ERROR_TIME_S

    def begin(self, t_ns: int, rays: Array, *, follows_floor: bool = False) -> Array:
        """Let time pass until a frame.

        Args:
            t_ns: Capture time.
            rays: Rays of all stations at depth 1. Shape: (n_stations, 3).
            follows_floor: Whether feet that moved are taken to be on the same level floor.

        Returns:
            Inverse variances of the remembered depths in this frame, 1/m^2. Shape: (n,).
        """
        if self.depth_m is None or self._rays is None:
            return np.zeros(len(self.rows))
        self._dt_s = max(1e-9 * (t_ns - self._t_ns), 1e-3)
        moved_m = (rays[self.rows] - self._rays) * self.depth_m[:, None]
        if follows_floor:
            self.depth_m = self.depth_m * self._along_floor(self._rays, rays[self.rows])
        velocity_m_s = np.array([moved_m[self._side == side].mean(0) for side in range(2)]) / self._dt_s
        self._velocity_m_s += (velocity_m_s - self._velocity_m_s) * min(1.0, self._dt_s / VELOCITY_TIME_S)
        speed_m_s = np.linalg.norm(self._velocity_m_s, axis=1)
        drift_m = MOVING_DRIFT * np.maximum(speed_m_s - REST_M_S, 0.0)[self._side] * self._dt_s
        self._variance = (np.sqrt(self._variance) + drift_m) ** 2
        return 1.0 / (self._variance + REST_SIGMA_M**2)

    def _along_floor(self, before: Array, now: Array) -> Array:
        """Factors of depths after moving over a level floor, h = z d: z_now / z_before = d_before / d_now.

        Here d is how far the line of sight falls per depth; 1 where that is too little. Shapes: (n, 3), (n,).
        """
        falls_before, falls = before @ self._down_in_cam, now @ self._down_in_cam
        is_below = (falls_before > MIN_SLOPE) & (falls > MIN_SLOPE)
        return np.where(is_below, falls_before / np.where(is_below, falls, 1.0), 1.0)

    def end(self, t_ns: int, rays: Array, depth_m: Array) -> None:
        """Take in the depths that a frame's solution gave. Shapes: (n_stations, 3), (n_stations,)."""
        found_m = depth_m[self.rows]
        if self.depth_m is None:
            self.depth_m = found_m.copy()
        else:
            noise = FRAME_SIGMA_M**2 * max(1.0, ERROR_TIME_S / self._dt_s)
            gain = self._variance / (self._variance + noise)
            self.depth_m = self.depth_m + gain * (found_m - self.depth_m)
            self._variance = (1.0 - gain) * self._variance
        self._rays, self._t_ns = rays[self.rows].copy(), t_ns
