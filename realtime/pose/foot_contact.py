"""Which feet stand on a known floor, and where: the ray of a standing foot meets the floor in one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import PoseLandmark
from realtime.pose.landmark_model import LandmarkModel

Array = NDArray[np.float64]

FEET = (
    (PoseLandmark.RIGHT_ANKLE, PoseLandmark.RIGHT_HEEL, PoseLandmark.RIGHT_FOOT_INDEX),
    (PoseLandmark.LEFT_ANKLE, PoseLandmark.LEFT_HEEL, PoseLandmark.LEFT_FOOT_INDEX),
)
"""Ankle, heel and toe landmarks, right and left."""
HEEL = 1
"""Index of the first of them that touches the floor."""
ANKLE_HEIGHT_M = 0.068
"""Height of an unscaled skeleton's ankle over the sole: 0.039 of stature (Drillis and Contini 1966)."""
LOW_M = (0.04, 0.10)
"""Height over the other foot: below the first value a foot may stand, above the second it does not."""
SLOW_M_S = (0.18, 0.35)
"""The same for the speed across the line of sight, of somebody who stays in one position."""
OF_PELVIS = (0.6, 0.9)
"""Addition to `SLOW_M_S` for somebody who walks: shares of the pelvis's speed, as far as the image shows
speeds along the floor. A swinging foot is twice as fast as the pelvis; landmarks of a standing one jitter."""
EQUAL_M_S = 0.2
"""A foot that is faster than the other by more than this swings, if somebody walks."""
PLANTED = (0.3, 0.1)
"""Least contact with which a foot becomes planted, and with which it remains so."""
BEARING_M = 0.05
"""Parts of a foot that are this much higher than its lowest do not bear on the floor."""
SPEED_S = 0.1
"""Averaging time of the speed."""
ANCHOR_S = 0.7
"""Averaging time of the position of a standing foot."""
STEEPEST_RISE = -0.05
"""A ray that falls less than this, per metre, meets the floor too far away for a position."""
MIN_CONTACT, MIN_TRUST, MIN_SHARE = 0.05, 0.2, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Stance:
    """A foot that stands."""

    contact: float
    """Certainty of the contact, from 0 to 1."""
    floor_m: Array
    """Position where it stands, at the height of its landmarks. Shape: (3,)."""
    offset_m: Array
    """The same point on the skeleton, from the pelvis. Shape: (3,)."""
    ahead: Array
    """Horizontal direction from the camera to it. Shape: (3,)."""
    fall: float
    """Sine of the angle at which its ray meets the floor."""
    is_planted: bool
    """Whether it has stood with certainty, and not lifted since."""
    rows: NDArray[np.int64]
    """Stations of heel and toe that bear on the floor. Shape: (n,)."""
    seen_m: Array
    """Where their rays meet the floor in this frame, at the height of the stations. Shape: (n, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class StationView:
    """The stations of one frame: how the camera sees them, and where they are on the skeleton."""

    rays_cam: Array
    """Rays of the stations, depth 1; NaN where unknown. Shape: (n, 3)."""
    R_ground_cam: Array
    """Rotation from camera to ground. Shape: (3, 3)."""
    camera_m: Array
    """Position of the camera in ground; the floor is at Y = 0. Shape: (3,)."""
    offsets_m: Array
    """Stations from the pelvis, in ground. Shape: (n, 3)."""
    trust: Array
    """Trust in each station, from 0 to 1. Shape: (n,)."""
    size: float
    """Size of the person against the unscaled skeleton."""
    depth_m: float
    """Depth of the person in the camera."""
    dt_s: float
    """Time since the frame before; 0 for the first."""
    speed_m_s: float = 0.0
    """Speed of the pelvis along the floor."""


class _Foot:
    """State of one foot."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.reset()

    def reset(self) -> None:
        self.rays: Array | None = None
        self.is_planted = False
        self.velocity = np.zeros(3)
        self.lift()

    def lift(self) -> None:
        """Forget the position where it stood."""
        self.anchor_m: Array | None = None
        self.stood_s = 0.0

    def plant(self, certainty: float) -> None:
        """Decide whether it is planted: the threshold is higher to begin than to go on."""
        self.is_planted = certainty > PLANTED[self.is_planted]

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

    A foot stands if it is low (no higher than the other), slow in the image, and visible. While it stands,
    its position on the floor is averaged.

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

    def step(self, view: StationView) -> list[Stance]:
        """The feet that stand in one frame."""
        clearance_m = view.size * self._clearance_m
        heights = [view.offsets_m[foot.rows, 1] - clearance_m[foot.rows] for foot in self._feet]
        lowest = self.lowest_m = min((float(height.min()) for height in heights), default=0.0)
        looks = []
        for foot, height in zip(self._feet, heights, strict=True):
            rows = foot.rows
            direction = view.rays_cam[rows] @ view.R_ground_cam.T
            look = _look(direction, view.trust[rows], height, lowest, view.camera_m[1] - clearance_m[rows])
            looks.append((foot, look, foot.speed(view.rays_cam[rows], look.share, view.depth_m, view.dt_s)))
        slowest = min((speed for _, _, speed in looks), default=0.0)
        found = []
        for foot, look, speed in looks:
            contact = look.low * _falling(speed, SLOW_M_S)
            shown_m_s = view.speed_m_s * look.fall if speed < slowest + EQUAL_M_S else 0.0
            foot.plant(look.low * _falling(speed, np.array(SLOW_M_S) + np.array(OF_PELVIS) * shown_m_s))
            if contact < MIN_CONTACT:
                foot.lift()
            if contact >= MIN_CONTACT or foot.is_planted:
                points_m = view.camera_m + look.to_floor_m
                anchor_m = foot.stand(points_m, view.dt_s) if contact >= MIN_CONTACT else points_m
                found.append(look.stance(contact, foot, view.offsets_m, points_m, anchor_m))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One foot in one frame."""

    share: Array
    """Weights of its points: those that bear on the floor, by their visibility. Shape: (3,)."""
    direction: Array
    """Direction from the camera to the foot: mean of its rays. Shape: (3,)."""
    to_floor_m: Array
    """Vectors from the camera to where the rays meet the floor. Shape: (3, 3)."""
    low: float
    """Certainty that the foot is low and its position can be computed, from 0 to 1."""

    @property
    def fall(self) -> float:
        """Sine of the angle at which its ray meets the floor."""
        return float(-self.direction[1] / np.linalg.norm(self.direction))

    def stance(
        self, contact: float, foot: _Foot, offsets_m: Array, points_m: Array, anchor_m: Array
    ) -> Stance:
        """The foot, if it stands."""
        ahead = self.direction * np.array([1.0, 0.0, 1.0])
        bears = np.flatnonzero(self.share[HEEL:] > MIN_SHARE) + HEEL
        return Stance(
            contact=contact,
            floor_m=self.share @ anchor_m,
            offset_m=self.share @ offsets_m[foot.rows],
            ahead=ahead / np.linalg.norm(ahead),
            fall=self.fall,
            is_planted=foot.is_planted,
            rows=np.array(foot.rows)[bears],
            seen_m=points_m[bears],
        )


def _look(direction: Array, trust: Array, height_m: Array, lowest_m: float, over_m: Array) -> _Look:
    """Look at one foot.

    Args:
        direction: Rays of its points, in ground. Shape: (3, 3).
        trust: Trust in the points. Shape: (3,).
        height_m: Heights of the points over their soles, against the pelvis. Shape: (3,).
        lowest_m: Least such height of both feet.
        over_m: Heights of the camera over the points of a standing foot. Shape: (3,).
    """
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    share = np.clip(1.0 - (height_m - height_m.min()) / BEARING_M, 0.0, 1.0) * trust
    seen = float(share.sum())
    share = share / max(seen, 1e-9)
    # NaN, where a ray is not known, is refused as well.
    can_meet = seen >= MIN_TRUST and bool((direction[:, 1] < STEEPEST_RISE).all() and (over_m > 0.0).all())
    low = _falling(float(height_m.min()) - lowest_m, LOW_M) if can_meet else 0.0
    to_floor_m = -direction * (over_m / direction[:, 1])[:, None]
    return _Look(share, share @ direction, to_floor_m, low)


def sole_clearance(skeleton: Skeleton, model: LandmarkModel) -> Array:
    """Height of each station over the soles in the default pose, in m; 0 without ankles. Shape: (n,)."""
    if "talus_r" not in skeleton.body_names:
        return np.zeros(len(model.landmark))
    T = body_transforms(skeleton, skeleton.q_default)[model.station_body]
    ankle_m = joint_centres(skeleton, skeleton.q_default)[skeleton.body_index("talus_r"), 1]
    heights_m = np.einsum("nj,nj->n", T[:, 1, :3], model.station_m) + T[:, 1, 3]
    return np.asarray(heights_m - (ankle_m - ANKLE_HEIGHT_M))


def _falling(value: float, limits: tuple[float, float] | Array) -> float:
    """1 below the first limit, 0 above the second."""
    return float(np.clip((limits[1] - value) / (limits[1] - limits[0]), 0.0, 1.0))
