"""The joint between ground and the first body: where the whole skeleton stands and faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from calib.tree import AXIS_TRANSLATION


@dataclass(frozen=True, slots=True, eq=False)
class RootJoint:
    """A joint on ground with six coordinates: angles about three perpendicular axes, and three shifts."""

    body: int
    rotation: NDArray[np.int64]
    """Its coordinates, in the order of the turns. Shape: (3,)."""
    translation: NDArray[np.int64]
    """Shape: (3,)."""
    turn_axes: NDArray[np.float64]
    """As columns. Shape: (3, 3)."""
    shift_axes: NDArray[np.float64]
    """As columns. Shape: (3, 3)."""
    R_ground_joint: NDArray[np.float64]
    """Shape: (3, 3)."""
    t_ground_joint: NDArray[np.float64]
    """Shape: (3,)."""
    R_body_joint: NDArray[np.float64]
    """Shape: (3, 3)."""
    M_body_joint: NDArray[np.float64]
    """Per scale factor of the body. Shape: (3, 3)."""

    def align(
        self, q: NDArray[np.float64], T_ground_body: NDArray[np.float64], scale_factors: NDArray[np.float64],
        points_m: NDArray[np.float64], targets_m: NDArray[np.float64], weights: NDArray[np.float64],
    ) -> NDArray[np.float64]:  # fmt: skip
        """Coordinates that move the skeleton as a whole, so that points come nearest to targets.

        Args:
            q: Coordinates. Shape: (n_q,).
            T_ground_body: Poses of the bodies at these coordinates. Shape: (n_bodies, 4, 4).
            scale_factors: Scale factors of each body along its axes. Shape: (n_bodies, 3).
            points_m: Points on the skeleton, in ground. Shape: (n, 3).
            targets_m: Measured points, in ground. Shape: (n, 3).
            weights: Weights, zero where a target is missing. Shape: (n,).
        """
        R, t = fit_rigid(points_m, targets_m, weights)
        T = T_ground_body[self.body]
        origin = T[:3, :3] @ (self.M_body_joint @ scale_factors[self.body]) + T[:3, 3]
        R_joint = self.R_ground_joint.T @ R @ T[:3, :3] @ self.R_body_joint
        shift = self.R_ground_joint.T @ (R @ origin + t - self.t_ground_joint)
        q = q.copy()
        q[self.rotation] = self._angles(R_joint)
        q[self.translation] = np.linalg.solve(self.shift_axes, shift)
        return q

    def _angles(self, R: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angles about the three axes: in their own basis they are x-y-z, mirrored if left-handed."""
        E = self.turn_axes.T @ R @ self.turn_axes
        angles = np.array(
            [
                np.arctan2(-E[1, 2], E[2, 2]),
                np.arcsin(np.clip(E[0, 2], -1.0, 1.0)),
                np.arctan2(-E[0, 1], E[0, 0]),
            ]
        )
        return angles * np.sign(np.linalg.det(self.turn_axes))


def fit_rigid(
    points_m: NDArray[np.float64], targets_m: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation and translation that bring points nearest to targets (Kabsch, Acta Cryst. A32, 1976).

    With fewer than three targets that count, the rotation stays the identity.
    """
    use = weights > 0.0
    if not use.any():
        return np.eye(3), np.zeros(3)
    points, targets, share = points_m[use], targets_m[use], weights[use] / weights[use].sum()
    centre, target_centre = share @ points, share @ targets
    R = np.eye(3)
    if use.sum() >= 3:
        covariance = (points - centre).T @ (share[:, None] * (targets - target_centre))
        U, _, Vt = np.linalg.svd(covariance)
        R = Vt.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(Vt.T @ U.T))]) @ U.T
    return R, target_centre - R @ centre


def find_root(skeleton: Skeleton) -> RootJoint | None:
    """The joint that stands and turns the whole skeleton, if it has one whose coordinates are its motions."""
    tree = skeleton.tree
    on_ground = np.flatnonzero(tree.parent < 0)
    if len(on_ground) != 1:
        return None
    body = int(on_ground[0])
    record = tree.bodies[body]
    axes = tree.axes[record["first_axis"] : record["end_axis"]]
    if len(axes) != 6 or not all(_is_plain(skeleton, axis) for axis in axes):
        return None
    is_shift = axes["kind"] == AXIS_TRANSLATION
    turns, shifts = axes[~is_shift], axes[is_shift]
    turn_axes, shift_axes = turns["direction"].T, shifts["direction"].T
    if len(turns) != 3 or not np.allclose(turn_axes.T @ turn_axes, np.eye(3), atol=1e-9):
        return None
    return RootJoint(
        body=body,
        rotation=tree.terms["coordinate"][turns["first_term"]],
        translation=tree.terms["coordinate"][shifts["first_term"]],
        turn_axes=turn_axes,
        shift_axes=shift_axes,
        R_ground_joint=record["R_parent_joint"],
        t_ground_joint=record["M_parent_joint"].sum(axis=1),
        R_body_joint=record["R_body_joint"],
        M_body_joint=record["M_body_joint"],
    )


def _is_plain(skeleton: Skeleton, axis: np.void) -> bool:
    """Whether an axis (a record) moves by exactly one free coordinate."""
    if axis["constant"] != 0.0 or axis["is_scaled"] or axis["end_term"] - axis["first_term"] != 1:
        return False
    term = skeleton.tree.terms[axis["first_term"]]
    if skeleton.is_dependent[term["coordinate"]] or skeleton.is_locked[term["coordinate"]]:
        return False
    table = skeleton.tree.functions
    function = table.functions[term["function"]]
    slope = table.coefficients[function["first_segment"], :2]
    return bool(function["degree"] == 1 and slope.tolist() == [0.0, 1.0])
