"""Refuses poses in which the body passes through itself: capsules between joint centres."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.coordinates import side_of, stem_of
from calib.kinematics import forward_kinematics
from calib.skeleton import Skeleton
from train.motion.motion import FloatArray

# Body, both ends in it and radius, in m at scale 1; right side, mirrored for the left.
_TRUNK = (
    ("pelvis", (-0.06, -0.03, 0.06), (-0.06, 0.06, 0.06), 0.075),
    ("torso", (0.00, 0.05, 0.07), (-0.02, 0.28, 0.09), 0.075),
    ("head", (0.02, 0.04, 0.01), (0.03, 0.10, 0.01), 0.075),
)
_LIMBS = (
    ("humerus", (0.0, -0.12, 0.0), (0.0, -0.25, 0.0), 0.032),
    ("radius", (0.0, -0.04, 0.0), (-0.005, -0.23, 0.01), 0.026),
    ("hand", (0.0, -0.03, 0.0), (0.0, -0.15, 0.0), 0.018),
    ("femur", (0.0, -0.15, 0.0), (0.0, -0.40, 0.0), 0.050),
    ("tibia", (0.0, -0.05, 0.0), (0.0, -0.40, 0.0), 0.035),
    ("calcn", (0.02, 0.0, 0.0), (0.18, 0.0, 0.0), 0.030),
)
# Limbs may touch the trunk, and each other, from these bodies on.
_ARM, _LEG = ("radius", "hand"), ("femur", "tibia", "calcn")
# Flesh gives way, and clothes too.
_TOLERANCE_M = 0.012


class SelfCollision:
    """Checks poses of one skeleton."""

    def __init__(self, skeleton: Skeleton) -> None:
        """Lay out the capsules and the pairs to check."""
        self.skeleton = skeleton
        mirror = np.array([1.0, 1.0, -1.0])
        bodies, starts, ends, radii = [], [], [], []
        for body, start, end, radius in (*_TRUNK, *_LIMBS):
            for side in ("r", "l"):
                sign = np.ones(3) if side == "r" else mirror
                name = body if body in ("pelvis", "torso", "head") else f"{body}_{side}"
                bodies.append(name)
                starts.append(np.array(start) * sign)
                ends.append(np.array(end) * sign)
                radii.append(radius)
        self._body = np.array([skeleton.body_index(name) for name in bodies])
        self._ends = np.array([starts, ends])
        self._radius = np.array(radii)
        self._pairs = np.array(
            [(i, j) for i in range(len(bodies)) for j in range(i) if _may_collide(bodies[i], bodies[j])]
        )

    def share(self, q: FloatArray, scale_factors: FloatArray | None = None) -> float:
        """Part of the frames in which the body passes through itself. Shape of q: (n_frames, n_q)."""
        scale = np.ones((self.skeleton.n_bodies, 3)) if scale_factors is None else scale_factors
        T = np.empty((self.skeleton.n_bodies, 4, 4))
        bad = 0
        for frame in q:
            forward_kinematics(self.skeleton.tree, frame.copy(), np.array(scale), T)
            bad += self.depth_m(T, scale) > _TOLERANCE_M
        return bad / len(q)

    def depth_m(self, T: FloatArray, scale_factors: FloatArray) -> float:
        """How deep two parts are in each other at worst, negative if none touch.

        Args:
            T: T_ground_body. Shape: (n_bodies, 4, 4).
            scale_factors: Shape: (n_bodies, 3).
        """
        scale = scale_factors[self._body]
        ends = np.einsum("kij,ekj->eki", T[self._body, :3, :3], self._ends * scale) + T[self._body, :3, 3]
        radius = self._radius * scale[:, [0, 2]].mean(axis=1)
        return float(_deepest(ends, radius, self._pairs))


def _may_collide(a: str, b: str) -> bool:
    stem_a, stem_b = (stem_of(name) for name in (a, b))
    trunk = ("pelvis", "torso", "head")
    if stem_a in trunk and stem_b in trunk:
        return False
    same_side = side_of(a) == side_of(b)
    if stem_a in trunk or stem_b in trunk:
        return (stem_a if stem_b in trunk else stem_b) in _ARM
    if stem_a in _LEG and stem_b in _LEG:
        return not same_side
    if stem_a in _ARM and stem_b in _ARM:
        # Hands may hold each other.
        return not same_side and "radius" in (stem_a, stem_b)
    if (stem_a in _ARM) != (stem_b in _ARM):
        return "humerus" not in (stem_a, stem_b) or not same_side
    return False


@njit(cache=True, nogil=True)
def _deepest(ends: FloatArray, radius: FloatArray, pairs: NDArray[np.int64]) -> float:
    deepest = -1e9
    for p in range(pairs.shape[0]):
        i, j = pairs[p]
        depth = radius[i] + radius[j] - _segment_distance(ends[0, i], ends[1, i], ends[0, j], ends[1, j])
        deepest = max(deepest, depth)
    return deepest


@njit(cache=True, nogil=True)
def _clamp(x: float) -> float:
    return min(max(x, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _segment_distance(p: FloatArray, p_end: FloatArray, q: FloatArray, q_end: FloatArray) -> float:
    """Shortest distance between two segments (Ericson, Real-Time Collision Detection, 2005, 5.1.9)."""
    u, v, w = p_end - p, q_end - q, p - q
    a, e, f, c, b = float(u @ u), float(v @ v), float(v @ w), float(u @ w), float(u @ v)
    denominator = a * e - b * b
    s = 0.0
    if denominator > 1e-12:
        s = _clamp((b * f - c * e) / denominator)
    t = (b * s + f) / e
    if t < 0.0:
        t, s = 0.0, _clamp(-c / a)
    elif t > 1.0:
        t, s = 1.0, _clamp((b - c) / a)
    d = w + s * u - t * v
    return float(np.sqrt(d @ d))
