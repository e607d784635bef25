"""Bones of a subject: the shape of each body, scaled to the subject's joints."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of, stem_of
from realtime.viewer import bones_limbs, bones_trunk
from realtime.viewer.anatomy import Anatomy
from realtime.viewer.shapes import EMPTY, MIRROR, Mesh, ellipsoid, merge, tube

Vector = NDArray[np.float64]

STRETCH = (0.4, 2.5)
"""Smallest and largest plausible size of a bone relative to an adult's; others are rejected."""
_SHORTEST_M = 0.01
_ASKEW = np.array([0.3, 0.1, 0.2])

_SHAPES: dict[str, Callable[[], Mesh]] = {
    "pelvis": bones_trunk.pelvis, "torso": bones_trunk.torso, "neck": bones_trunk.neck,
    "head": bones_trunk.head, "femur": bones_limbs.femur, "tibia": bones_limbs.tibia,
    "patella": bones_limbs.patella, "kneecap": bones_limbs.kneecap, "talus": bones_limbs.talus,
    "calcn": bones_limbs.calcaneus, "toes": bones_limbs.toes, "humerus": bones_limbs.humerus,
    "ulna": bones_limbs.ulna, "radius": bones_limbs.radius, "hand": bones_limbs.hand,
}  # fmt: skip
_NEXT = {
    "femur": "tibia",
    "tibia": "talus",
    "talus": "calcn",
    "calcn": "toes",
    "humerus": "ulna",
    "neck": "head",
}
"""Bodies that extend from their own joint to that of a child."""
_REACH: dict[str, tuple[float, float, float]] = {
    "femur": (0.0, -0.429, 0.0), "tibia": (0.0, -0.43, 0.0), "talus": (-0.05, -0.043, 0.008),
    "calcn": (0.18, -0.003, 0.002), "humerus": (0.013, -0.286, -0.01), "neck": (0.022, 0.104, 0.0),
}  # fmt: skip
"""Position of that joint in the shapes of the right side."""
_TIPS = {"head": 0.154, "hand": 0.187, "toes": 0.077}
"""Distance of the tip from the joint in the shapes."""
_FOREARM_M, _FOOT_M = 0.268, 0.18
_HIP_M, _HIP_HEIGHT_M, _LUMBAR_HEIGHT_M = np.array([-0.055, -0.077, 0.086]), 0.077, 0.161
_NECK_M, _SHOULDER_M = np.array([-0.013, 0.403, 0.0]), np.array([0.009, 0.32, 0.175])


def bones_of(anatomy: Anatomy) -> list[Mesh]:
    """A mesh for each body, in its frame, in m.

    Bodies with the usual OpenSim names (`femur_r`, `torso`, ...) get their bones, others a plain bone from
    joint to joint. Right and left mirror each other. The meshes of unknown bodies are empty.
    """
    return [_bone(anatomy, k) for k in range(len(anatomy.body_names))]


def _bone(anatomy: Anatomy, body: int) -> Mesh:
    name = anatomy.body_names[body]
    stem, side = stem_of(name), side_of(name)
    origin = anatomy.own_joint_m[body]
    if not np.isfinite(origin).all():
        origin = np.zeros(3)
    if stem in _NEXT:
        mesh = _segment(anatomy, stem, side, origin)
    elif stem == "pelvis":
        mesh = _pelvis(anatomy)
    elif stem == "torso":
        mesh = _torso(anatomy, origin)
    elif stem in _SHAPES:
        mesh = _placed(stem, side, origin, _size(anatomy, stem, side, body))
    else:
        mesh = None
    return _plain(anatomy, body, origin) if mesh is None else mesh


@cache
def _shape(stem: str) -> Mesh:
    return _SHAPES[stem]()


def _placed(stem: str, side: str, origin: Vector, size: float, R: Vector | None = None) -> Mesh:
    """A shape scaled by a size, rotated by R and moved to an origin."""
    matrix = size * (np.eye(3) if R is None else R) @ (MIRROR if side == "l" else np.eye(3))
    return _shape(stem).mapped(matrix, origin)


def _segment(anatomy: Anatomy, stem: str, side: str, origin: Vector) -> Mesh | None:
    """A bone from its own joint to the next one; None if that is unknown."""
    end = anatomy.joint_to(_NEXT[stem] + (f"_{side}" if side else ""))
    if end is None:
        return None
    reach = np.array(_REACH[stem]) * ((1.0, 1.0, -1.0) if side == "l" else (1.0, 1.0, 1.0))
    size = float(np.linalg.norm(end - origin) / np.linalg.norm(reach))
    if not STRETCH[0] <= size <= STRETCH[1]:
        return None
    mesh = _placed(stem, side, origin, size, _turn(reach, end - origin))
    if stem == "tibia" and anatomy.index(f"patella_{side}") is None:
        mesh = merge([mesh, _placed("kneecap", side, origin, size)])
    return mesh


def _size(anatomy: Anatomy, stem: str, side: str, body: int) -> float:
    """Relative size of a body without a child: from its tip, else from its neighbour."""
    size = float("nan")
    if stem in _TIPS:
        size = float(np.linalg.norm(anatomy.tip_m[body] - anatomy.own_joint_m[body])) / _TIPS[stem]
    if not STRETCH[0] <= size <= STRETCH[1]:
        size = _neighbours_size(anatomy, stem, side)
    return size if STRETCH[0] <= size <= STRETCH[1] else 1.0


def _neighbours_size(anatomy: Anatomy, stem: str, side: str) -> float:
    if stem in ("ulna", "radius", "hand"):
        ulna, wrist = anatomy.joint_to(f"radius_{side}"), anatomy.joint_to(f"hand_{side}")
        return (
            float("nan")
            if ulna is None or wrist is None
            else float(np.linalg.norm(ulna + wrist)) / _FOREARM_M
        )
    if stem == "toes":
        own = anatomy.index(f"calcn_{side}")
        end = anatomy.joint_to(f"toes_{side}")
        if own is None or end is None:
            return float("nan")
        return float(np.linalg.norm(end - anatomy.own_joint_m[own])) / _FOOT_M
    if stem == "patella":
        own, end = anatomy.index(f"femur_{side}"), anatomy.joint_to(f"tibia_{side}")
        if own is None or end is None:
            return float("nan")
        return float(np.linalg.norm(end - anatomy.own_joint_m[own]) / np.linalg.norm(_REACH["femur"]))
    own = anatomy.index("torso")
    return float("nan") if own is None else float(_torso_scale(anatomy, anatomy.own_joint_m[own]).mean())


def _pelvis(anatomy: Anatomy) -> Mesh | None:
    """The pelvis, scaled to the distance of the hips and the height of the lumbar joint above them."""
    right, left = anatomy.joint_to("femur_r"), anatomy.joint_to("femur_l")
    if right is None or left is None:
        return None
    wide = float(np.linalg.norm(right - left)) / (2.0 * _HIP_M[2])
    if not STRETCH[0] <= wide <= STRETCH[1]:
        return None
    middle, lumbar = 0.5 * (right + left), anatomy.joint_to("torso")
    high = wide if lumbar is None else float(lumbar[1] - middle[1]) / _LUMBAR_HEIGHT_M
    scale = np.array([0.5 * (wide + np.clip(high, 0.7, 1.4) * 1.0), float(np.clip(high, 0.7, 1.4)), wide])
    return _shape("pelvis").mapped(np.diag(scale), middle - scale * (_HIP_M * (1.0, 1.0, 0.0)))


def _torso(anatomy: Anatomy, origin: Vector) -> Mesh:
    """The torso, scaled to neck and shoulders; with a head if no body has one."""
    scale = _torso_scale(anatomy, origin)
    parts = [_shape("torso").mapped(np.diag(scale), origin)]
    if anatomy.index("neck") is None and anatomy.index("head") is None:
        size = float(scale.mean())
        neck = origin + scale * _NECK_M
        skull = neck + size * np.array(_REACH["neck"])
        parts += [_placed("neck", "", neck, size), _placed("head", "", skull, size)]
    return merge(parts)


def _torso_scale(anatomy: Anatomy, origin: Vector) -> Vector:
    """Scale factors of the torso's depth, height and width."""
    right, left = anatomy.joint_to("humerus_r"), anatomy.joint_to("humerus_l")
    neck = anatomy.joint_to("neck")
    wide = high = float("nan")
    if right is not None and left is not None:
        wide = float(np.linalg.norm(right - left)) / (2.0 * _SHOULDER_M[2])
        high = float(0.5 * (right + left)[1] - origin[1]) / _SHOULDER_M[1]
    if neck is not None:
        high = float(neck[1] - origin[1]) / _NECK_M[1]
    wide, high = (v if STRETCH[0] <= v <= STRETCH[1] else float("nan") for v in (wide, high))
    wide, high = (
        v if v == v else 1.0 if other != other else other for v, other in ((wide, high), (high, wide))
    )
    return np.array([0.5 * (wide + high), high, wide])


def _plain(anatomy: Anatomy, body: int, origin: Vector) -> Mesh:
    """A plain bone, thick at the joints and thin between; a small ball for a body without children."""
    ends = [anatomy.joint_in_parent_m[child] for child in anatomy.children(body)]
    parts = []
    for end in ends:
        length = float(np.linalg.norm(end - origin))
        if not _SHORTEST_M <= length <= 1.0:  # also refuses NaN
            continue
        at = origin + np.array([0.0, 0.08, 0.25, 0.75, 0.92, 1.0])[:, None] * (end - origin)
        thick = min(0.08 * length, 0.03)
        parts.append(tube(at, thick * np.array([0.6, 1.0, 0.55, 0.5, 0.9, 0.6])))
    if parts:
        return merge(parts)
    return ellipsoid(origin, (0.02, 0.02, 0.02), 4, 8) if np.isfinite(origin).all() else EMPTY


def _turn(start: Vector, end: Vector) -> Vector:
    """The smallest rotation from one direction to another. Shape: (3, 3).

    R = I + K + K^2 / (1 + c), with unit vectors a and b, c = a . b and K the cross-product matrix of a x b.
    """
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.999999:  # half a turn, about any axis across
        axis = np.cross(a, np.roll(a, 1) + _ASKEW)
        axis /= np.linalg.norm(axis)
        return 2.0 * np.outer(axis, axis) - np.eye(3)
    K = np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])
    return np.asarray(np.eye(3) + K + K @ K / (1.0 + c))
