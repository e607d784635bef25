"""What the skeleton is fitted to on a resting mesh: points and directions that a motion laboratory uses.

Where bones meet the skin, the marker set and marker positions are those that OpenSim's gait laboratories
register with (Rajagopal et al., IEEE TBME 63(10), 2016, and the marker set of OpenCap's reference motion
capture, Uhlrich et al., PLoS Comput Biol 19(10), 2023), so that the angles of the synthetic people mean
what theirs mean: the pelvis by ASIS and PSIS, the torso by C7, acromia and sternum, the foot by heel and
metatarsals, knee and ankle by epicondyles and malleoli. Positions are in the frame of the body of a
person of 1.7 m.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.kinematics import body_transforms
from calib.skeleton import Skeleton
from train.bodies.bodies import BodyModel, BodyShape
from train.bodies.surface_landmarks import landmark_index, landmark_positions

Vec3 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PointTarget:
    """A point fixed in a body, and where the mesh has it."""

    name: str
    body: str
    station_m: Vec3
    """Position in the unscaled body. Shape: (3,)."""
    position_m: Vec3
    """Shape: (3,)."""
    sigma_m: float
    is_centre: bool = False
    """Whether it stands for a joint's centre."""


@dataclass(frozen=True, slots=True, eq=False)
class DirectionTarget:
    """A direction fixed in a body, and where the mesh has it pointing."""

    body: str
    in_body: Vec3
    """Unit vector. Shape: (3,)."""
    in_ground: Vec3
    """Unit vector. Shape: (3,)."""
    sigma_rad: float


# The hip's centre against Anny's own, per stature: this is where the regression of Harrington et al. (J
# Biomech 40(3), 2007) puts it from ASIS and PSIS in bodies of middling build. In heavy bodies the skin is too
# far from the bones to regress from, while Anny's joint stays.
_HIP_FORWARD, _HIP_UP = 0.0165, -0.0030
# Half the distance between hips, per stature, in the mean adult; Anny's own is 0.0663, far too wide.
_HIP_HALF_WIDTH, _ANNY_HIP_HALF_WIDTH = 0.0495, 0.0663

# In OpenSim's models the line from PSIS (-154, 25, 50) to ASIS (28, 10, 128) mm drops by 4.7 degrees. The
# skin's drops by 10, so adults would stand with a tilt of -5.5. But laboratories register their models in a
# standing pose: published inverse kinematics of seven people who walk or run have -12 to 8 and a mean of -1.
# A line that drops by these 4 degrees more puts rest at -1.5.
_PELVIS_LEAN = np.arctan2(15.0, 182.0) + np.radians(4.0)

_CENTRE_SIGMA_M = 0.002
_SHOULDER_SIGMA_M = 0.002
_FOOT_SIGMA_M = 0.006


def _unit(v: Vec3) -> Vec3:
    return v / np.linalg.norm(v)


class _Mesh:
    """Landmarks and Anny's joints of one adult, by name."""

    def __init__(self, model: BodyModel, shape: BodyShape) -> None:
        self.model, self.shape = model, shape
        self.landmarks = landmark_positions(shape.vertices_m)
        self.stature_m = shape.stature_m

    def at(self, name: str) -> Vec3:
        return self.landmarks[landmark_index(name)]

    def middle(self, *names: str) -> Vec3:
        return np.mean([self.at(name) for name in names], axis=0)

    def bone(self, name: str) -> Vec3:
        return self.shape.bone_heads_m[self.model.bone(name)]


def _side_sign(side: str) -> float:
    return 1.0 if side == "r" else -1.0


def hip_centre(mesh: _Mesh, side: str) -> Vec3:
    """Centre of a hip joint, in m."""
    anny = mesh.bone(f"upperleg01.{side.upper()}")
    width_ratio = abs(anny[2]) / (_ANNY_HIP_HALF_WIDTH * mesh.stature_m)
    half_width = _HIP_HALF_WIDTH * mesh.stature_m * width_ratio
    offset = np.array([_HIP_FORWARD, _HIP_UP]) * mesh.stature_m
    return np.array([anny[0] + offset[0], anny[1] + offset[1], _side_sign(side) * half_width])


class _Stations:
    """Marker positions of the unscaled skeleton, measured from its joints."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.T = body_transforms(skeleton, np.zeros(skeleton.n_q))

    def joint_in(self, body: str, child: str) -> Vec3:
        """Origin of `child` in `body` at zero coordinates."""
        T_body = self.T[self.skeleton.body_index(body)]
        origin = self.T[self.skeleton.body_index(child), :3, 3]
        return T_body[:3, :3].T @ (origin - T_body[:3, 3])


def point_targets(skeleton: Skeleton, model: BodyModel, shape: BodyShape) -> list[PointTarget]:
    """All points to fit on one adult."""
    mesh, stations = _Mesh(model, shape), _Stations(skeleton)
    targets = list(_torso_points(mesh))
    for side in ("r", "l"):
        targets += _leg_points(mesh, stations, side)
        targets += _arm_points(mesh, stations, side)
    return targets


def _leg_points(mesh: _Mesh, stations: _Stations, side: str) -> Iterable[PointTarget]:
    z = np.array([1.0, 1.0, _side_sign(side)])
    femur, tibia, talus, calcn = (f"{body}_{side}" for body in ("femur", "tibia", "talus", "calcn"))
    yield PointTarget("hip_" + side, femur, np.zeros(3), hip_centre(mesh, side), _CENTRE_SIGMA_M, True)
    # The markers' middle lies 6 mm before and 4 mm above the tibia's origin, and at the ankle 4 and 17 mm.
    knee = stations.joint_in(femur, tibia) + np.array([0.0059, 0.0036, 0.0]) * z
    epicondyles = mesh.middle(f"knee_lateral_{side}", f"knee_medial_{side}")
    yield PointTarget("knee_" + side, femur, knee, epicondyles, _CENTRE_SIGMA_M, True)
    ankle = stations.joint_in(tibia, talus) + np.array([0.0043, 0.0175, 0.0046]) * z
    malleoli = mesh.middle(f"malleolus_lateral_{side}", f"malleolus_medial_{side}")
    yield PointTarget("ankle_" + side, tibia, ankle, malleoli, _CENTRE_SIGMA_M, True)
    for name, station in {
        "heel": (-0.0322, 0.0149, -0.0112),
        "toe": (0.1805, 0.0176, 0.0010),
        "metatarsal5": (0.1359, 0.0011, 0.0614),
    }.items():
        where = mesh.at(f"{name}_{side}")
        yield PointTarget(f"{name}_{side}", calcn, np.array(station) * z, where, _FOOT_SIGMA_M)


def _torso_points(mesh: _Mesh) -> Iterable[PointTarget]:
    # Spread as the square roots of the weights 20, 5 and 5 that laboratories give these markers.
    for name, station, sigma_m in (
        ("c7", (-0.080, 0.420, 0.0), 0.010),
        ("acromion_r", (-0.015, 0.385, 0.151), 0.020),
        ("acromion_l", (-0.015, 0.385, -0.151), 0.020),
        ("sternum_r", (0.046, 0.385, 0.025), 0.020),
        ("sternum_l", (0.046, 0.385, -0.025), 0.020),
    ):
        yield PointTarget(name, "torso", np.array(station), mesh.at(name), sigma_m)


def _arm_points(mesh: _Mesh, stations: _Stations, side: str) -> Iterable[PointTarget]:
    z = np.array([1.0, 1.0, _side_sign(side)])
    humerus, ulna, hand = (f"{body}_{side}" for body in ("humerus", "ulna", "hand"))
    shoulder = mesh.bone(f"upperarm01.{side.upper()}")
    yield PointTarget("shoulder_" + side, humerus, np.zeros(3), shoulder, _SHOULDER_SIGMA_M, True)
    elbow = stations.joint_in(humerus, ulna) + np.array([-0.0045, 0.0030, 0.0066]) * z
    epicondyles = mesh.middle(f"elbow_lateral_{side}", f"elbow_medial_{side}")
    yield PointTarget("elbow_" + side, humerus, elbow, epicondyles, _CENTRE_SIGMA_M, True)
    styloids = mesh.middle(f"radial_styloid_{side}", f"ulnar_styloid_{side}")
    yield PointTarget("wrist_" + side, hand, np.zeros(3), styloids, _CENTRE_SIGMA_M, True)


def direction_targets(model: BodyModel, shape: BodyShape) -> list[DirectionTarget]:
    """All directions to fit on one adult."""
    mesh = _Mesh(model, shape)
    forward = mesh.middle("asis_r", "asis_l") - mesh.middle("psis_r", "psis_l")
    across = mesh.at("asis_r") - mesh.at("asis_l")
    x, y, z = np.eye(3)
    targets = [
        DirectionTarget(
            "pelvis",
            np.array([np.cos(_PELVIS_LEAN), -np.sin(_PELVIS_LEAN), 0.0]),
            _unit(forward),
            np.radians(0.5),
        ),
        DirectionTarget("pelvis", z, _unit(across), np.radians(0.5)),
        # Anny looks straight ahead: the Frankfurt plane is level at rest.
        DirectionTarget("head", x, x, np.radians(1.0)),
        DirectionTarget("head", y, y, np.radians(1.0)),
    ]
    for side in ("r", "l"):
        targets += _limb_directions(mesh, side)
    return targets


def _limb_directions(mesh: _Mesh, side: str) -> Iterable[DirectionTarget]:
    sign = _side_sign(side)
    mirror = np.array([1.0, 1.0, sign])
    for body, lateral, medial, in_body, sigma_deg in (
        ("femur", "knee_lateral", "knee_medial", (-0.003, -0.003, 0.110), 4.0),
        ("tibia", "malleolus_lateral", "malleolus_medial", (-0.0234, -0.0051, 0.0853), 4.0),
        ("humerus", "elbow_lateral", "elbow_medial", (0.0050, 0.0050, 0.0876), 4.0),
        ("radius", "radial_styloid", "ulnar_styloid", (0.0, 0.0, 1.0), 4.0),
    ):
        in_ground = mesh.at(f"{lateral}_{side}") - mesh.at(f"{medial}_{side}")
        yield DirectionTarget(
            f"{body}_{side}", _unit(np.array(in_body) * mirror), _unit(in_ground), np.radians(sigma_deg)
        )
    wrist = mesh.middle(f"radial_styloid_{side}", f"ulnar_styloid_{side}")
    knuckle = mesh.bone(f"finger3-1.{side.upper()}")
    across = mesh.bone(f"finger2-1.{side.upper()}") - mesh.bone(f"finger5-1.{side.upper()}")
    distal = _unit(knuckle - wrist)
    radial = _unit(across - (across @ distal) * distal)
    hand = f"hand_{side}"
    yield DirectionTarget(hand, np.array([0.0, -1.0, 0.0]), distal, np.radians(4.0))
    yield DirectionTarget(hand, np.array([0.0, 0.0, sign]), radial, np.radians(8.0))
