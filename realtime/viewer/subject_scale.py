"""The subject's scale factors, estimated from the positions of joints and markers in the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realtime.viewer.posture import Posture

if TYPE_CHECKING:
    from calib.skeleton import Skeleton

RANGE = (0.3, 3.0)
"""Plausible range of scale factors; others are rejected."""
_PRIOR_M = 0.02
"""Extent of a body's points along an axis below which its factor is close to the body's overall one."""


def scale_factors_of(skeleton: Skeleton, posture: Posture) -> NDArray[np.float64]:
    """Scale factors of the model's bodies along x, y, z, by ridge regression.

    The stream does not contain them, but each point p fixed in a body lies at p = M s, with the scale factors
    s and M from the model. Minimised is |A s - b|^2 + r |s - s0 1|^2, where A and b stack the M and p of a
    body, s0 is the best single factor, and r = `_PRIOR_M`^2. Points of joints that translate (such as
    Rajagopal's knees) are treated as fixed.

    Args:
        skeleton: Unscaled skeleton of the model.
        posture: Posture from the stream; bodies and markers are matched by name.

    Returns:
        Scale factors; 1 where unknown. Shape: (n_bodies, 3).
    """
    factors = np.ones((skeleton.n_bodies, 3))
    place = {name: k for k, name in enumerate(posture.body_names)}
    for body, name in enumerate(skeleton.body_names):
        k = place.get(name)
        if k is None:
            continue
        M, p_ground = _fixed_points(skeleton, posture, body, place)
        T = posture.T_ground_body[k]
        p_body = (p_ground - T[:3, 3]) @ T[:3, :3]
        known = np.isfinite(p_body).all(axis=1)
        factors[body] = _solve(M[known], p_body[known])
    return factors


def _fixed_points(
    skeleton: Skeleton, posture: Posture, body: int, place: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points fixed in a body: their M, and positions in ground. Shapes: (n, 3, 3) and (n, 3)."""
    tree = skeleton.tree
    M, p = [tree.M_body_joint[body]], [posture.joint_centres_m[place[skeleton.body_names[body]]]]
    for child in np.flatnonzero(tree.parent == body).tolist():
        at = place.get(skeleton.body_names[child])
        if at is not None:
            M.append(tree.M_parent_joint[child])
            p.append(posture.joint_centres_m[at])
    for marker in np.flatnonzero(tree.marker_body == body).tolist():
        position = posture.markers_m.get(skeleton.marker_names[marker])
        if position is not None:
            M.append(tree.M_marker[marker])
            p.append(position)
    return np.array(M), np.array(p)


def _solve(M: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    A, b = M.reshape(-1, 3), p.reshape(-1)
    whole = A.sum(axis=1)
    length = float(whole @ whole)
    if length < 1e-6:
        return np.ones(3)
    overall = float(whole @ b) / length
    ridge = _PRIOR_M**2
    factors = np.linalg.solve(A.T @ A + ridge * np.eye(3), A.T @ b + ridge * overall)
    return np.where(((factors > RANGE[0]) & (factors < RANGE[1])).all(), factors, 1.0)
