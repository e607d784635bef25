"""A subject's anatomy from the stream: positions of joints in the frames of their bodies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FARTHEST_M = 1000.0
"""Largest distance from ground's origin; points beyond count as undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Joints and some tips in the frames of the bodies; NaN where unknown."""

    body_names: tuple[str, ...]
    parents: tuple[int, ...]
    """Index of each body's parent; -1 is ground."""
    own_joint_m: NDArray[np.float64]
    """Centre of the joint between each body and its parent, in the body's frame. Shape: (n_bodies, 3)."""
    joint_in_parent_m: NDArray[np.float64]
    """Centre of the same joint in the parent's frame. Shape: (n_bodies, 3)."""
    tip_m: NDArray[np.float64]
    """Top of the head, finger tip or tip of the great toe, in the body's frame. Shape: (n_bodies, 3)."""

    def index(self, name: str) -> int | None:
        """Index of a body; None if there is none of that name."""
        return self.body_names.index(name) if name in self.body_names else None

    def joint_to(self, child: str) -> NDArray[np.float64] | None:
        """Centre of the joint between `child` and its parent, in the parent's frame. Shape: (3,)."""
        k = self.index(child)
        if k is None or not np.isfinite(self.joint_in_parent_m[k]).all():
            return None
        return self.joint_in_parent_m[k]

    def children(self, body: int) -> list[int]:
        """Indices of the children of a body."""
        return [k for k, parent in enumerate(self.parents) if parent == body]

    def differs_from(self, other: Anatomy, tolerance_m: float) -> bool:
        """Whether any point differs by more than `tolerance_m`, or is newly known."""
        if (self.body_names, self.parents) != (other.body_names, other.parents):
            return True
        pairs = (
            (self.own_joint_m, other.own_joint_m),
            (self.joint_in_parent_m, other.joint_in_parent_m),
            (self.tip_m, other.tip_m),
        )
        for mine, theirs in pairs:
            known = np.isfinite(mine)
            if (known & ~np.isfinite(theirs)).any() or (np.abs(mine - theirs)[known] > tolerance_m).any():
                return True
        return False


TIP_MARKERS = {
    "head": "HEAD", "hand_r": "RTIP", "hand_l": "LTIP", "toes_r": "RHLX", "toes_l": "LHLX",
}  # fmt: skip
"""Markers of kinecast's skeleton that determine the size of bodies without a child."""


def anatomy_of(
    body_names: tuple[str, ...],
    parents: tuple[int, ...],
    T_ground_body: NDArray[np.float64],
    joint_centres_m: NDArray[np.float64],
    markers_m: dict[str, NDArray[np.float64]],
) -> Anatomy:
    """Express a pose's points in the frames of its bodies.

    Args:
        body_names: Names of the bodies, parents before children.
        parents: Index of each body's parent; -1 is ground.
        T_ground_body: Poses of the bodies, in m. Shape: (n_bodies, 4, 4).
        joint_centres_m: Joint centres in ground. Shape: (n_bodies, 3).
        markers_m: Positions of markers in ground, by name. Shapes: (3,).
    """
    centres = np.where(np.abs(joint_centres_m) < FARTHEST_M, joint_centres_m, np.nan)
    T_parent = np.full_like(T_ground_body, np.nan)
    carried = np.array([parent >= 0 for parent in parents], dtype=bool)
    T_parent[carried] = T_ground_body[[parent for parent in parents if parent >= 0]]
    tips = np.full((len(body_names), 3), np.nan)
    for k, name in enumerate(body_names):
        marker = markers_m.get(TIP_MARKERS.get(name, ""))
        if marker is not None:
            tips[k] = marker
    return Anatomy(
        body_names,
        parents,
        in_body(T_ground_body, centres),
        in_body(T_parent, centres),
        in_body(T_ground_body, np.where(np.abs(tips) < FARTHEST_M, tips, np.nan)),
    )


def in_body(T_ground_body: NDArray[np.float64], p_ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in the frame of one body each. Shapes: (n, 4, 4) and (n, 3) to (n, 3)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.einsum("bji,bj->bi", T_ground_body[:, :3, :3], p_ground - T_ground_body[:, :3, 3])


def drawable(T_ground_body: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which bodies have a finite pose near enough to be drawn. Shape: (n_bodies,)."""
    finite = np.isfinite(T_ground_body).all(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(finite & (np.abs(T_ground_body[:, :3, 3]) < FARTHEST_M).all(axis=1))
