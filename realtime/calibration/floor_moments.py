"""Collection of frames in which a person stands upright, for the calibration of the floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.boards.floor import StandingPerson
from calib.camera import CameraCalibration
from engines.blazepose.pose_landmark import ANKLES, HIPS, KNEES, SHOULDERS
from engines.blazepose.tracker import BlazePoseResult
from engines.features.body_proportions import is_upright
from realtime.pose.observation import rotation_to_ray

Array = NDArray[np.float64]

MIN_VISIBILITY = 0.6
INTERVAL_S = 0.2
"""Smallest interval between frames; closer ones contain the same information."""
HEIGHT_PER_STATURE = {"ankles": 0.059, "shoulders": 0.823}
"""Height of landmarks above the soles of a standing person, as a share of stature, where BlazePose places
them. From kinecast's own skeleton and its landmark stations, which were measured on synthetic people."""
NEEDED = (*SHOULDERS, *HIPS, *KNEES, *ANKLES)


class StandingMoments:
    """Collects frames of a standing person from landmarks.

    Args:
        camera: Camera, of which only the intrinsics are used; its pose is to be found.
        height_m: The person's stature.
        interval_s: Smallest interval between two frames; 0 for images without times.
    """

    def __init__(self, camera: CameraCalibration, height_m: float, *, interval_s: float = INTERVAL_S) -> None:
        self._interval_ns = interval_s * 1e9
        self._intrinsics = camera.intrinsics
        self._height_m = height_m
        self._rows: list[Array] = []
        self._last_ns: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, t_ns: int, seen: BlazePoseResult | None) -> bool:
        """Process one frame; returns whether it was used."""
        if seen is None or (self._last_ns is not None and t_ns - self._last_ns < self._interval_ns):
            return False
        trust = seen.visibility * seen.presence
        if trust[list(NEEDED)].min() < MIN_VISIBILITY or not is_upright(seen.world_m):
            return False
        middles_px = np.stack([seen.landmarks_px[list(pair), :2].mean(0) for pair in (ANKLES, SHOULDERS)])
        rays = self._intrinsics.rays(middles_px)
        if not np.isfinite(rays).all():
            return False
        R_cam_roi = rotation_to_ray(np.array([seen.roi.centre_x_px, seen.roi.centre_y_px]), self._intrinsics)
        axis = R_cam_roi @ (seen.world_m[list(SHOULDERS)].mean(0) - seen.world_m[list(ANKLES)].mean(0))
        self._rows.append(np.concatenate([*rays, axis / np.linalg.norm(axis)]))
        self._last_ns = t_ns
        return True

    def collected(self) -> StandingPerson:
        """All frames collected so far."""
        rows = np.array(self._rows).reshape(-1, 3, 3)
        return StandingPerson(
            ankles=rows[:, 0],
            shoulders=rows[:, 1],
            axis=rows[:, 2],
            ankle_height_m=HEIGHT_PER_STATURE["ankles"] * self._height_m,
            shoulder_height_m=HEIGHT_PER_STATURE["shoulders"] * self._height_m,
        )
