"""Whether somebody stands as people stand by nature: still, upright, with straight legs.

The angles of such a pose are known within a few degrees without a measurement, so the landmarks show where
they lie on this person. The checks use the image, and the network's depth only to recognise a crouch.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from engines.blazepose.pose_landmark import ANKLES, FOOT_INDICES, HIPS, KNEES, SHOULDERS
from engines.blazepose.tracker import BlazePoseResult
from realtime.pose.observation import world_in_camera

Array = NDArray[np.float64]

STILL_S = 0.5
"""How long somebody has to stand before their pose counts."""
MIN_SEEN = 0.5
"""Visibility times presence of the landmarks of legs and shoulders."""
MAX_JITTER = 0.02
"""Standard deviation of landmarks while standing still, in leg lengths."""
MAX_LEAN = np.tan(np.radians(15.0))
MAX_LEG_LEAN = np.tan(np.radians(16.0))
MAX_KNEE_ASIDE = 0.10
"""Distance of a knee from the line between hip and ankle, in leg lengths."""
MAX_BENT_RAD = np.radians(45.0)
"""Bend of a knee in the network's metres, which takes straight legs for bent by up to 30 degrees."""
MIN_LEG_PER_TRUNK = 1.15
"""Length of legs over that of the trunk in the image; upright adults have 1.4 to 1.9."""
MAX_UNEVEN_FEET = 0.12
"""Height of one ankle over the other, in leg lengths, in the image and in the network's metres: before a
close camera, feet on one floor lie at different heights of the image; metres err along the line of sight."""
CHECKED = np.array([*SHOULDERS, *HIPS, *KNEES, *ANKLES, *FOOT_INDICES])


class Refusal(StrEnum):
    """Why a frame does not show the neutral pose, as what to do about it."""

    OUT_OF_VIEW = "step back until the feet are in view"
    MOVING = "stand still"
    LEANING = "stand upright"
    BENT = "straighten the knees"
    TURNED_AWAY = "face the camera"
    ON_ONE_LEG = "stand on both feet"


class NeutralPose:
    """Judges each frame by the landmarks of the last half second.

    Args:
        camera: Intrinsics and position of the camera.
    """

    def __init__(self, camera: CameraCalibration) -> None:
        self._camera = camera
        self.reset()

    def reset(self) -> None:
        """Forget the frames before."""
        self._seen: deque[tuple[int, Array]] = deque()

    def step(self, t_ns: int, result: BlazePoseResult) -> Refusal | None:
        """Judge one frame.

        Args:
            t_ns: Capture time.
            result: Its landmarks.

        Returns:
            None if the frame shows the neutral pose, else what the person should do.
        """
        points_px = result.landmarks_px[:, :2]
        self._seen.append((t_ns, points_px))
        while t_ns - self._seen[0][0] > 1e9 * STILL_S and len(self._seen) > 2:
            if t_ns - self._seen[1][0] < 1e9 * STILL_S:
                break
            self._seen.popleft()
        refusal = _pose_refusal(result, self._camera)
        if refusal is not None:
            return refusal
        return None if self._is_still(t_ns, points_px) else Refusal.MOVING

    def _is_still(self, t_ns: int, points_px: Array) -> bool:
        if t_ns - self._seen[0][0] < 0.9e9 * STILL_S:
            return False
        leg_px = np.linalg.norm(points_px[list(HIPS)] - points_px[list(ANKLES)], axis=1).mean()
        recent = np.array([points[CHECKED] for _, points in self._seen])
        return bool(np.linalg.norm(recent.std(0), axis=1).max() < MAX_JITTER * leg_px)


def _pose_refusal(result: BlazePoseResult, camera: CameraCalibration) -> Refusal | None:
    if (result.visibility * result.presence)[CHECKED].min() < MIN_SEEN:
        return Refusal.OUT_OF_VIEW
    up = camera.T_ground_cam[1, :3]
    up_px = up[:2] / max(float(np.linalg.norm(up[:2])), 1e-6)
    # Components along the room's vertical and across it.
    upright = result.landmarks_px[:, :2] @ np.stack([up_px, [-up_px[1], up_px[0]]], 1)
    shoulders, hips = upright[list(SHOULDERS)], upright[list(HIPS)]
    knees, ankles = upright[list(KNEES)], upright[list(ANKLES)]
    trunk, legs = shoulders.mean(0) - hips.mean(0), hips - ankles
    if trunk[0] <= 0.0 or abs(trunk[1]) > MAX_LEAN * trunk[0]:
        return Refusal.LEANING
    if (legs[:, 0] < MIN_LEG_PER_TRUNK * trunk[0]).any() or (_bends_rad(result.world_m) > MAX_BENT_RAD).any():
        return Refusal.BENT
    if (np.abs(legs[:, 1]) > MAX_LEG_LEAN * legs[:, 0]).any():
        return Refusal.LEANING
    share = (knees[:, 0] - ankles[:, 0]) / legs[:, 0]
    aside = np.abs(knees[:, 1] - ankles[:, 1] - share * legs[:, 1])
    if (aside > MAX_KNEE_ASIDE * legs[:, 0]).any() or (np.abs(share - 0.5) > 0.2).any():
        return Refusal.BENT
    heights_m = world_in_camera(result, camera) @ up
    if min(_unevenness(upright[:, 0]), _unevenness(heights_m)) > MAX_UNEVEN_FEET:
        return Refusal.ON_ONE_LEG
    if result.world_m[SHOULDERS[0], 0] - result.world_m[SHOULDERS[1], 0] < -0.1:
        return Refusal.TURNED_AWAY
    return None


def _unevenness(heights: Array) -> float:
    """Height of one ankle over the other, in leg lengths. Shape of heights: (33,), in any unit."""
    hips, ankles = heights[list(HIPS)], heights[list(ANKLES)]
    return float(abs(ankles[0] - ankles[1]) / max(float((hips - ankles).mean()), 1e-6))


def _bends_rad(world_m: Array) -> Array:
    """Angle between thigh and shank of both legs in the network's metres. Shape: (2,)."""
    thighs = world_m[list(KNEES)] - world_m[list(HIPS)]
    shanks = world_m[list(ANKLES)] - world_m[list(KNEES)]
    cosine = (thighs * shanks).sum(1) / (np.linalg.norm(thighs, axis=1) * np.linalg.norm(shanks, axis=1))
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))
