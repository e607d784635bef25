"""Which feet stand on a known floor, and where: the ray of a standing foot meets the floor in one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton
from realtime.landmark_model import LandmarkModel

Array = NDArray[np.float64]

FEET = ((28, 30, 32), (27, 29, 31))
"""Ankle, heel and toe landmarks, right and left."""
ANKLE_HEIGHT_M = 0.068
"""Of an unscaled skeleton's ankle over the sole: 0.039 of stature (Drillis and Contini 1966)."""
LOW_M = (0.03, 0.10)
"""A foot higher than the other stands surely below the first and surely not above the second."""
SLOW_M_S = (0.18, 0.35)
"""The same for the speed across the line of sight."""
BEARING_M = 0.05
"""Parts of a foot that are this much higher than its lowest do not bear on the floor."""
SPEED_S = 0.06
"""Over which speed is averaged."""
ANCHOR_S = 0.7
"""Over which the place of a standing foot is averaged."""
STEEPEST_RISE = -0.05
"""A ray that falls less than this, per metre, meets the floor too far away to tell where."""
MIN_CONTACT, MIN_TRUST = 0.05, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Stance:
    """A foot that stands."""

    contact: float
    """How surely, from 0 to 1."""
    floor_m: Array
    """Where it stands, at the height of its landmarks. Shape: (3,)."""
    offset_m: Array
    """The same place on the skeleton, from the pelvis. Shape: (3,)."""
    ahead: Array
    """Horizontal direction from the camera to it. Shape: (3,)."""
    fall: float
    """How steeply its ray meets the floor: sine of the angle."""


class _Foot:
    """What is remembered of one foot."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.reset()

    def reset(self) -> None:
        self.rays: Array | None = None
        self.velocity = np.zeros(3)
        self.lift()

    def lift(self) -> None:
        """Forget where it stood."""
        self.anchor_m: Array | None = None
        self.stood_s = 0.0

    def speed(self, rays: Array, share: Array, depth_m: float, dt_s: float) -> float:
        """Speed across the line of sight, averaged, in m/s."""
        if self.rays is not None and dt_s > 0.0:
            now = share @ (rays - self.rays) * depth_m / dt_s
            self.velocity = self.velocity + (1.0 - np.exp(-dt_s / SPEED_S)) * (now - self.velocity)
        self.rays = rays
        return float(np.linalg.norm(self.velocity))

    def stand(self, points_m: Array, dt_s: float) -> Array:
        """Average over the time that it stands. Shape: (n, 3)."""
        if self.anchor_m is None:
            self.anchor_m = points_m
        self.stood_s += dt_s
        gain = 1.0 if self.stood_s == 0.0 else dt_s / min(self.stood_s + dt_s, ANCHOR_S)
        self.anchor_m = self.anchor_m + gain * (points_m - self.anchor_m)
        return self.anchor_m


class FootContacts:
    """Follows both feet over frames.

    A foot stands if it is low (no higher than the other), slow in the picture, and visible. While it stands,
    its place on the floor is averaged.

    Args:
        skeleton: The skeleton.
        model: Its landmark stations.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel) -> None:
        self._clearance_m = sole_clearance(skeleton, model)
        row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        self._feet = [_Foot([row[k] for k in foot]) for foot in FEET if all(k in row for k in foot)]
        self.lowest_m = 0.0
        """Height of the lowest sole over the pelvis in the last frame."""

    def reset(self) -> None:
        """Forget both feet."""
        for foot in self._feet:
            foot.reset()

    def step(
        self,
        rays_cam: Array,
        R_ground_cam: Array,
        camera_m: Array,
        offsets_m: Array,
        trust: Array,
        size: float,
        depth_m: float,
        dt_s: float,
    ) -> list[Stance]:
        """The feet that stand now.

        Args:
            rays_cam: Of each station, depth 1. Shape: (n, 3).
            R_ground_cam: Shape: (3, 3).
            camera_m: Place of the camera; the floor is at Y = 0. Shape: (3,).
            offsets_m: Stations from the pelvis, in ground. Shape: (n, 3).
            trust: Of each station, 0 to 1. Shape: (n,).
            size: Of the person against the unscaled skeleton.
            depth_m: Of the person.
            dt_s: Since the frame before.
        """
        heights = [offsets_m[foot.rows, 1] - size * self._clearance_m[foot.rows] for foot in self._feet]
        lowest = self.lowest_m = min((float(height.min()) for height in heights), default=0.0)
        found = []
        for foot, height in zip(self._feet, heights, strict=True):
            rows = foot.rows
            share = np.clip(1.0 - (height - height.min()) / BEARING_M, 0.0, 1.0) * trust[rows]
            seen = float(share.sum())
            share = share / max(seen, 1e-9)
            speed = foot.speed(rays_cam[rows], share, depth_m, dt_s)
            contact = _falling(float(height.min()) - lowest, LOW_M) * _falling(speed, SLOW_M_S)
            direction = rays_cam[rows] @ R_ground_cam.T
            direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
            over = camera_m[1] - size * self._clearance_m[rows]
            # NaN, where a ray is not known, is refused as well.
            can_meet = bool((direction[:, 1] < STEEPEST_RISE).all() and (over > 0.0).all())
            if contact < MIN_CONTACT or seen < MIN_TRUST or not can_meet:
                foot.lift()
                continue
            points_m = foot.stand(camera_m - direction * (over / direction[:, 1])[:, None], dt_s)
            found.append(_stance(contact, share @ points_m, share @ offsets_m[rows], share @ direction))
        return found


def sole_clearance(skeleton: Skeleton, model: LandmarkModel) -> Array:
    """Height of each station over the soles in the default pose, in m; 0 without ankles. Shape: (n,)."""
    if "talus_r" not in skeleton.body_names:
        return np.zeros(len(model.landmark))
    T = body_transforms(skeleton, skeleton.q_default)[model.station_body]
    ankle_m = joint_centres(skeleton, skeleton.q_default)[skeleton.body_index("talus_r"), 1]
    heights_m = np.einsum("nj,nj->n", T[:, 1, :3], model.station_m) + T[:, 1, 3]
    return np.asarray(heights_m - (ankle_m - ANKLE_HEIGHT_M))


def _stance(contact: float, floor_m: Array, offset_m: Array, direction: Array) -> Stance:
    ahead = direction * np.array([1.0, 0.0, 1.0])
    return Stance(
        contact=contact,
        floor_m=floor_m,
        offset_m=offset_m,
        ahead=ahead / np.linalg.norm(ahead),
        fall=float(-direction[1] / np.linalg.norm(direction)),
    )


def _falling(value: float, limits: tuple[float, float]) -> float:
    """1 below the first limit, 0 above the second."""
    return float(np.clip((limits[1] - value) / (limits[1] - limits[0]), 0.0, 1.0))
