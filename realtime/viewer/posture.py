"""One posture, from the live stream, a second stream, or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import side_of, stem_of
from realtime.sample import Status
from realtime.stream.angle_sample import AngleSample
from realtime.viewer.anatomy import Anatomy, anatomy_of

Array = NDArray[np.float64]
MAX_BODIES = 200
"""Largest number of bodies drawn; a damaged message may have more."""


@dataclass(frozen=True, slots=True, eq=False)
class Posture:
    """Poses of the bodies; NaN without a person."""

    t_ns: int
    body_names: tuple[str, ...]
    """Names of the bodies, parents before children."""
    parents: tuple[int, ...]
    """Index of each body's parent; -1 is ground."""
    T_ground_body: Array
    """Poses of the bodies, in m. Shape: (n_bodies, 4, 4)."""
    joint_centres_m: Array
    """Centre of the joint between each body and its parent, in ground. Shape: (n_bodies, 3)."""
    markers_m: dict[str, Array]
    """Positions of markers in ground, by name. Shapes: (3,)."""
    confidence: Array
    """Confidence of each body, from 0 to 1. Shape: (n_bodies,)."""

    @property
    def root_m(self) -> Array:
        """Origin of the first body in ground. Shape: (3,)."""
        return self.T_ground_body[0, :3, 3] if len(self.T_ground_body) else np.full(3, np.nan)

    def anatomy(self) -> Anatomy:
        """The joints in the frames of the bodies."""
        return anatomy_of(
            self.body_names, self.parents, self.T_ground_body, self.joint_centres_m, self.markers_m
        )

    def put_on(self, other: Posture) -> Posture:
        """The posture moved to the other's root and turned about the vertical to the other's heading."""
        angle = _heading_rad(other) - _heading_rad(self)
        if not (np.isfinite(angle) and np.isfinite(other.root_m).all()):
            return self
        move = np.eye(4)
        c, s = np.cos(angle), np.sin(angle)
        move[:3, :3] = [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]
        move[:3, 3] = other.root_m - move[:3, :3] @ self.root_m
        return self.moved(move)

    def moved(self, move: Array) -> Posture:
        """The posture moved by a rigid transform. Shape: (4, 4)."""
        centres = self.joint_centres_m @ move[:3, :3].T + move[:3, 3]
        markers = {name: move[:3, :3] @ p + move[:3, 3] for name, p in self.markers_m.items()}
        return replace(
            self, T_ground_body=move @ self.T_ground_body, joint_centres_m=centres, markers_m=markers
        )


def _heading_rad(posture: Posture) -> float:
    """Heading of the root's X axis, about the vertical from ground's X towards its Z."""
    x, _, z = posture.T_ground_body[0, :3, 0]
    return float(np.arctan2(z, x))


def posture_of(sample: AngleSample) -> Posture:
    """The posture of a streamed sample; all NaN for a lost person or a sample without pose."""
    model = sample.meta.model
    n = min(len(model.body_names), MAX_BODIES)
    pose, received = sample.pose_sample(), sample.pose
    centres = np.full((n, 3), np.nan)
    if received is not None:
        centres = np.array(received.joint_centre_m, dtype=np.float64).reshape(-1, 3)[:n]
    T = pose.T_ground_body[:n]
    if sample.status is Status.LOST:
        T = np.full_like(T, np.nan)
    names = tuple(model.body_names[:n])
    return Posture(
        sample.t_capture_ns,
        names,
        tuple(model.body_parents[:n]),
        T,
        centres,
        dict(zip(model.marker_names, pose.markers_m, strict=True)),
        body_confidence(names, model.coordinate_names, pose.confidence),
    )


_MOVED_BY = {
    "pelvis": ("pelvis_",), "femur": ("hip_",), "tibia": ("knee_",), "patella": ("knee_",),
    "talus": ("ankle_",), "calcn": ("ankle_", "subtalar_"), "toes": ("ankle_", "mtp_"), "torso": ("lumbar_",),
    "neck": ("neck_",), "head": ("neck_",), "humerus": ("arm_",), "ulna": ("elbow_",),
    "radius": ("elbow_", "pro_"), "hand": ("elbow_", "wrist_"),
}  # fmt: skip
"""Body -> prefixes of the coordinates whose confidence applies to the body's pose."""


def body_confidence(body_names: Sequence[str], coordinate_names: Sequence[str], confidence: Array) -> Array:
    """Confidence of the best known coordinate that moves each body; 1 without such a coordinate.

    Args:
        body_names: Usual OpenSim names of the bodies.
        coordinate_names: Usual OpenSim names of the coordinates.
        confidence: Confidence of each coordinate. Shape: (n_q,).

    Returns:
        Confidence of each body. Shape: (n_bodies,).
    """
    out = np.ones(len(body_names))
    for k, own in enumerate(coordinates_of_bodies(body_names, coordinate_names)):
        if own:
            out[k] = np.nan_to_num(confidence[own]).max()
    return out


def coordinates_of_bodies(body_names: Sequence[str], coordinate_names: Sequence[str]) -> list[list[int]]:
    """Indices of the coordinates that move each body."""
    rows = []
    for name in body_names:
        stem, side = stem_of(name), side_of(name)
        begins = _MOVED_BY.get(stem, ())
        rows.append(
            [
                k
                for k, coordinate in enumerate(coordinate_names)
                if begins
                and coordinate.startswith(begins)
                and coordinate.endswith(f"_{side}" if side else "")
            ]
        )
    return rows
