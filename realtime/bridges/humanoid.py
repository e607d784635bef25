"""Conversion of OpenSim's bodies to the humanoid of Unity and VRM: axes, rest pose, local rotations.

Axes. OpenSim: X forward, Y up, Z right, right-handed. Unity: X right, Y up, Z forward, left-handed. A
vector (x, y, z) becomes (z, y, x); a rotation R becomes P R P with that permutation P, and as P mirrors, a
quaternion (w, x, y, z) becomes (w, -z, -y, -x).

Rest pose. VRM's bones have no rotation in the T-pose: arms out to the sides, palms down. OpenSim's bodies
have none with the arms hanging and the palms forward. So the T-pose is, in OpenSim's coordinates, all zero
but arm_add = -90 deg (90 deg of abduction) and pro_sup = 90 deg, and R_ground_body there is taken off:
Rx(-90 deg) for the right humerus, Rx(-90 deg) Ry(90 deg) for radius and hand, mirrored on the left. The
default skeleton's pronation axis is tilted by 5 deg against that, which the forearm shows.

Local rotations. A bone's rotation is relative to the nearest bone above it that is sent. OpenSim's trunk is
one body: Chest, UpperChest and the shoulders move with it, and lie between its joints. Fingers are not sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of, stem_of
from realtime.geometry import quaternions, rotation_matrices

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bone:
    """A bone of Unity's HumanBodyBones."""

    name: str
    parent: str
    body: str
    """Body with which the bone rotates."""
    pivot: str = ""
    """Body whose joint is the bone's pivot, if it is another."""
    toward: str = ""
    """Body towards whose joint the pivot is moved, for bones that OpenSim's models do not have."""
    share: float = 0.0
    """Part of the way to that joint."""


def _arm(side: str, s: str) -> tuple[Bone, ...]:
    return (
        Bone(f"{side}Shoulder", "UpperChest", "torso", pivot="neck", toward=f"humerus_{s}", share=0.2),
        Bone(f"{side}UpperArm", f"{side}Shoulder", f"humerus_{s}"),
        Bone(f"{side}LowerArm", f"{side}UpperArm", f"radius_{s}"),
        Bone(f"{side}Hand", f"{side}LowerArm", f"hand_{s}"),
    )


def _leg(side: str, s: str) -> tuple[Bone, ...]:
    return (
        Bone(f"{side}UpperLeg", "Hips", f"femur_{s}"),
        Bone(f"{side}LowerLeg", f"{side}UpperLeg", f"tibia_{s}"),
        Bone(f"{side}Foot", f"{side}LowerLeg", f"calcn_{s}", pivot=f"talus_{s}"),
        Bone(f"{side}Toes", f"{side}Foot", f"toes_{s}"),
    )


BONES = (
    Bone("Hips", "", "pelvis"),
    Bone("Spine", "Hips", "torso"),
    Bone("Chest", "Spine", "torso", toward="neck", share=0.35),
    Bone("UpperChest", "Chest", "torso", toward="neck", share=0.7),
    Bone("Neck", "UpperChest", "neck"),
    Bone("Head", "Neck", "head"),
    *_arm("Left", "l"),
    *_arm("Right", "r"),
    *_leg("Left", "l"),
    *_leg("Right", "r"),
)
"""Parents before children."""

P_UNITY = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
"""Permutation from OpenSim's axes to Unity's, and back."""


def _about_x(degrees: float) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _about_y(degrees: float) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rest_rotation(body: str) -> Array:
    """R_ground_body in the T-pose. Shape: (3, 3)."""
    sign = {"r": 1.0, "l": -1.0}.get(side_of(body), 0.0)
    if stem_of(body) == "humerus":
        return _about_x(-90.0 * sign)
    if stem_of(body) in ("radius", "hand"):
        return np.asarray(_about_x(-90.0 * sign) @ _about_y(90.0 * sign))
    return np.eye(3)


class Humanoid:
    """The bones of a skeleton.

    Args:
        body_names: Names of the bodies, in the order of poses.

    Raises:
        ValueError: no body is a bone.
    """

    def __init__(self, body_names: list[str]) -> None:
        present = [b for b in BONES if b.body in body_names and (not b.toward or b.toward in body_names)]
        if not present:
            raise ValueError(f"none of the bodies is one of {', '.join(bone.body for bone in BONES)}")
        names = [bone.name for bone in present]
        self.names = tuple(names)
        """Names of the bones, parents before children."""
        self._body = [body_names.index(bone.body) for bone in present]
        pivots = [bone.pivot if bone.pivot in body_names else bone.body for bone in present]
        self._pivot = [body_names.index(name) for name in pivots]
        towards = [bone.toward or pivot for bone, pivot in zip(present, pivots, strict=True)]
        self._toward = [body_names.index(name) for name in towards]
        self._share = np.array([[bone.share] for bone in present])
        self._parent = [self._nearest(bone, names) for bone in present]
        self._rest = np.array([rest_rotation(bone.body).T for bone in present])

    @staticmethod
    def _nearest(bone: Bone, names: list[str]) -> int:
        """Index of the nearest bone above that is sent; -1 if there is none."""
        parents = {other.name: other.parent for other in BONES}
        above = bone.parent
        while above and above not in names:
            above = parents[above]
        return names.index(above) if above else -1

    def world(self, body_rotation_wxyz: Array, joint_centre_m: Array) -> tuple[Array, Array]:
        """Rotations from the T-pose and positions of the bones in Unity's world.

        Args:
            body_rotation_wxyz: Unit quaternions of R_ground_body. Shape: (n_bodies, 4).
            joint_centre_m: Centre of the joint above each body, in ground. Shape: (n_bodies, 3).

        Returns:
            Rotation matrices, and positions in m. Shapes: (n_bones, 3, 3), (n_bones, 3).
        """
        R = P_UNITY @ rotation_matrices(body_rotation_wxyz[self._body]) @ self._rest @ P_UNITY
        pivot_m, toward_m = joint_centre_m[self._pivot], joint_centre_m[self._toward]
        return R, (pivot_m + self._share * (toward_m - pivot_m)) @ P_UNITY

    def local(self, body_rotation_wxyz: Array, joint_centre_m: Array, hips_m: Array) -> tuple[Array, Array]:
        """Rotations and positions of the bones as Unity has them, each relative to its parent.

        Args:
            body_rotation_wxyz: Unit quaternions of R_ground_body. Shape: (n_bodies, 4).
            joint_centre_m: Centre of the joint above each body, in ground. Shape: (n_bodies, 3).
            hips_m: Origin of the pelvis in ground, the position of bones without a parent. Shape: (3,).

        Returns:
            Quaternions x, y, z, w and positions in m; NaN where the body is unknown.
            Shapes: (n_bones, 4), (n_bones, 3).
        """
        R, p = self.world(body_rotation_wxyz, joint_centre_m)
        R_local, p_local = R.copy(), p.copy()
        for k, parent in enumerate(self._parent):
            if parent < 0:
                p_local[k] = p[k] = hips_m @ P_UNITY
            else:
                R_local[k] = R[parent].T @ R[k]
                p_local[k] = R[parent].T @ (p[k] - p[parent])
        return quaternions(R_local)[:, [1, 2, 3, 0]], p_local
