"""BlazePose's landmarks on a skeleton: their stations and errors, and a prior of human posture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import stem_of
from calib.errors import SkeletonError
from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import (
    ANKLES,
    EARS,
    ELBOWS,
    FOOT_INDICES,
    HEELS,
    HIPS,
    KNEES,
    N_LANDMARKS,
    SHOULDERS,
    WRISTS,
    Pair,
    PoseLandmark,
)
from engines.features.patches import POINT_NAMES
from realtime.geometry import coordinates_of

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LandmarkStation:
    """One landmark fixed to a body."""

    landmark: int
    """A `PoseLandmark`."""
    body: str
    station_m: tuple[float, float, float]
    """Position in the body's frame, of an unscaled skeleton of ordinary stature."""
    sigma_m: float
    """Standard deviation across the line of sight."""
    sigma_depth_m: float
    """Standard deviation along the line of sight, from the hips' depth."""


def _both_sides(
    pair: Pair,
    body: str,
    station_m: tuple[float, float, float],
    sigma_m: float,
    sigma_depth_m: float,
) -> tuple[LandmarkStation, LandmarkStation]:
    x, y, z = station_m
    bodies = ("head", "head") if body == "head" else (f"{body}_r", f"{body}_l")
    return (
        LandmarkStation(pair[1], bodies[0], (x, y, z), sigma_m, sigma_depth_m),
        LandmarkStation(pair[0], bodies[1], (x, y, -z), sigma_m, sigma_depth_m),
    )


LANDMARK_STATIONS: tuple[LandmarkStation, ...] = (
    LandmarkStation(PoseLandmark.NOSE, "head", (0.120, 0.035, 0.0), 0.015, 0.105),
    *_both_sides(EARS, "head", (0.048, 0.050, 0.053), 0.013, 0.105),
    *_both_sides(SHOULDERS, "humerus", (0.006, 0.031, 0.005), 0.019, 0.08),
    *_both_sides(ELBOWS, "ulna", (0.015, 0.017, 0.003), 0.017, 0.11),
    *_both_sides(WRISTS, "hand", (0.008, 0.009, 0.001), 0.015, 0.165),
    *_both_sides(
        (PoseLandmark.LEFT_INDEX, PoseLandmark.RIGHT_INDEX), "hand", (0.017, -0.073, 0.012), 0.015, 0.185
    ),
    *_both_sides(
        (PoseLandmark.LEFT_PINKY, PoseLandmark.RIGHT_PINKY), "hand", (0.003, -0.067, -0.008), 0.016, 0.185
    ),
    *_both_sides(HIPS, "femur", (0.005, -0.009, 0.016), 0.022, 0.05),
    *_both_sides(KNEES, "tibia", (0.008, 0.006, 0.001), 0.018, 0.075),
    *_both_sides(ANKLES, "talus", (0.004, 0.035, 0.001), 0.015, 0.115),
    *_both_sides(HEELS, "calcn", (0.004, 0.003, -0.018), 0.019, 0.125),
    *_both_sides(FOOT_INDICES, "toes", (0.062, 0.0, -0.008), 0.016, 0.145),
)
"""Measured with BlazePose on 9,000 images of synthetic people whose skeletons are known
(train.blazepose.data): the stations by least squares across the lines of sight, the deviations as
medians of what was left. The hips carry the error of the whole body's depth instead of their own."""

POINT_SIGMA_M = {
    "AJC": 0.045, "ANK": 0.048, "HEE": 0.048, "MT5": 0.051, "HLX": 0.051, "KJC": 0.016, "KNE": 0.018,
    "KNEM": 0.018, "EJC": 0.015, "ELB": 0.017, "ELBM": 0.017, "WJC": 0.014, "WRA": 0.015, "WRB": 0.015,
}  # fmt: skip
"""Standard deviations across the line of sight of points that are found ordinarily well. Those of the feet
count less than they err: believed as much, they made legs come out straighter in the middle of a squat seen
from the front."""
POINT_DEPTH_SIGMA_M = 2.0
"""Their depth is a landmark's, which counts already."""

SHARED_ERROR = 2.0
"""Landmarks of a limb err together; taken for independent they would count too much. This factor on the
deviations gave the least error on images of synthetic people."""

REQUIRED_BODIES = ("pelvis", "femur_r", "femur_l", "tibia_r", "tibia_l", "torso")


@dataclass(frozen=True, slots=True)
class PosturePrior:
    """Normal distribution of a coordinate that the image leaves open, in deg."""

    mean_deg: float
    sigma_deg: float


POSTURE_PRIORS: dict[str, PosturePrior] = {
    "pelvis_tilt": PosturePrior(0.0, 12.0),
    "pelvis_list": PosturePrior(0.0, 5.0),
    "lumbar_extension": PosturePrior(-5.0, 10.0),
    "lumbar_bending": PosturePrior(0.0, 8.0),
    "lumbar_rotation": PosturePrior(0.0, 10.0),
    "neck_flexion": PosturePrior(0.0, 20.0),
    "neck_bending": PosturePrior(0.0, 10.0),
    "neck_rotation": PosturePrior(0.0, 30.0),
    "hip_flexion": PosturePrior(10.0, 60.0),
    "hip_adduction": PosturePrior(-3.0, 10.0),
    "hip_rotation": PosturePrior(0.0, 10.0),
    "knee_angle": PosturePrior(10.0, 60.0),
    "ankle_angle": PosturePrior(5.0, 15.0),
    "subtalar_angle": PosturePrior(0.0, 6.0),
    "mtp_angle": PosturePrior(0.0, 5.0),
    "arm_flex": PosturePrior(10.0, 60.0),
    "arm_add": PosturePrior(-10.0, 30.0),
    "arm_rot": PosturePrior(0.0, 30.0),
    "elbow_flex": PosturePrior(30.0, 60.0),
    "pro_sup": PosturePrior(90.0, 30.0),
    "wrist_flex": PosturePrior(0.0, 15.0),
    "wrist_dev": PosturePrior(0.0, 10.0),
}
"""Standing, walking and squatting adults in marker-based data; wide where the landmarks decide."""

AT_JOINT_M = 0.05
"""A landmark this close to a joint does not show how the joint is bent."""
UNKNOWN_COORDINATE_PRIOR_DEG = 15.0
"""Standard deviation of other skeletons' coordinates, around their default value."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkModel:
    """The tables above for one skeleton, as arrays."""

    landmark: NDArray[np.int64]
    """Landmark of each station. Shape: (n,)."""
    station_body: NDArray[np.int64]
    """Shape: (n,)."""
    station_m: Array
    """Shape: (n, 3)."""
    sigma_m: Array
    """Shape: (n,)."""
    sigma_depth_m: Array
    """Shape: (n,)."""
    q_prior: Array
    """Shape: (n_q,)."""
    prior_weight: Array
    """Inverse variance, 1/rad^2; 0 for translations. Shape: (n_q,)."""
    is_moved: NDArray[np.bool_]
    """Whether a coordinate moves a station that is not at its own joint. Shape: (n_q, n)."""

    def in_picture(self, presence: Array) -> Array:
        """Probability that the image shows a part of what each coordinate moves.

        Args:
            presence: Presence of all landmarks. Shape: (33,).

        Returns:
            1 for coordinates that move no station. Shape: (n_q,).
        """
        shown = np.where(self.is_moved, presence[self.landmark], 0.0).max(axis=1)
        return np.where(self.is_moved.any(axis=1), shown, 1.0)


def build_landmark_model(skeleton: Skeleton, *, with_points: bool = False) -> LandmarkModel:
    """Attach the landmarks to the bodies a skeleton has.

    Args:
        skeleton: The skeleton.
        with_points: Whether points of patches follow the landmarks; for kinecast's own skeleton, whose
            markers they are.

    Raises:
        SkeletonError: a body without which a person cannot be tracked is missing.
    """
    missing = [b for b in REQUIRED_BODIES if b not in skeleton.body_names]
    if missing:
        raise SkeletonError(
            f"skeleton {skeleton.name!r} has no body {', '.join(missing)}; a tracked skeleton needs "
            f"{', '.join(REQUIRED_BODIES)}. Use kinecast's own skeleton: leave out --skeleton"
        )
    stations = [s for s in LANDMARK_STATIONS if s.body in skeleton.body_names]
    if with_points:
        stations += point_stations(skeleton)
    q_prior, prior_weight = posture_prior(skeleton)
    station_body = np.array([skeleton.body_index(s.body) for s in stations])
    station_m = np.array([s.station_m for s in stations])
    return LandmarkModel(
        landmark=np.array([s.landmark for s in stations]),
        station_body=station_body,
        station_m=station_m,
        sigma_m=SHARED_ERROR * np.array([s.sigma_m for s in stations]),
        sigma_depth_m=SHARED_ERROR * np.array([s.sigma_depth_m for s in stations]),
        q_prior=q_prior,
        prior_weight=prior_weight,
        is_moved=_is_moved(skeleton, station_body, station_m),
    )


def point_stations(skeleton: Skeleton) -> list[LandmarkStation]:
    """The points of `engines.features.patches`, which are markers of kinecast's own skeleton."""
    T = body_transforms(skeleton, skeleton.q_default)
    markers_m = marker_positions(skeleton, skeleton.q_default)
    stations = []
    for k, name in enumerate(POINT_NAMES):
        marker = skeleton.marker_index(name)
        body = int(skeleton.tree.marker_body[marker])
        x, y, z = ((markers_m[marker] - T[body, :3, 3]) @ T[body, :3, :3]).tolist()
        sigma_m = POINT_SIGMA_M[name[1:]]
        stations.append(
            LandmarkStation(
                N_LANDMARKS + k, skeleton.body_names[body], (x, y, z), sigma_m, POINT_DEPTH_SIGMA_M
            )
        )
    return stations


def _is_moved(skeleton: Skeleton, station_body: NDArray[np.int64], station_m: Array) -> NDArray[np.bool_]:
    parent = skeleton.tree.parent
    T = body_transforms(skeleton, skeleton.q_default)
    centres_m = joint_centres(skeleton, skeleton.q_default)
    points_m = np.einsum("nij,nj->ni", T[station_body, :3, :3], station_m) + T[station_body, :3, 3]
    is_moved = np.zeros((skeleton.n_q, len(station_body)), dtype=np.bool_)
    for station, body in enumerate(station_body.tolist()):
        while body >= 0:
            if np.linalg.norm(points_m[station] - centres_m[body]) > AT_JOINT_M:
                is_moved[coordinates_of(skeleton, body), station] = True
            body = int(parent[body])
    return is_moved


def posture_prior(skeleton: Skeleton) -> tuple[Array, Array]:
    """Mean (rad) and inverse variance (1/rad^2) of each coordinate. Shapes: (n_q,), (n_q,)."""
    q_prior = skeleton.q_default.copy()
    weight = np.where(skeleton.is_rotational, np.radians(UNKNOWN_COORDINATE_PRIOR_DEG) ** -2.0, 0.0)
    for k, name in enumerate(skeleton.coordinate_names):
        prior = POSTURE_PRIORS.get(stem_of(name))
        if name == "pelvis_rotation":
            weight[k] = 0.0
        elif prior is not None:
            q_prior[k] = np.radians(prior.mean_deg)
            weight[k] = np.radians(prior.sigma_deg) ** -2.0
    return q_prior, weight
