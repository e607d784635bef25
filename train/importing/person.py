"""Fits kinecast's skeleton to what another model says: sizes from joint centres, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS
from calib.ik import InverseKinematics
from calib.kinematics import marker_positions
from calib.skeleton import Skeleton
from train.importing.take import CENTRES, Labelled

Array = NDArray[np.float64]

HELD, FREE = 100.0, 1e-3
"""Weights of coordinates that the source states, and of those that it does not, against centres in m."""
LIMBS = {
    ("femur",): ("HJC", "KJC"),
    ("tibia", "talus", "calcn", "toes"): ("KJC", "AJC"),
    ("humerus",): ("SJC", "EJC"),
    ("ulna", "radius", "hand"): ("EJC", "WJC"),
}
"""Bodies of a side -> joint centres whose distance gives their size."""


def scale_factors_of(skeleton: Skeleton, moments: Sequence[Labelled]) -> Array:
    """Scale factors by distances between joint centres; 1 where there are none. Shape: (n_bodies, 3)."""
    own = dict(zip(skeleton.marker_names, marker_positions(skeleton, skeleton.q_default), strict=True))
    factors = np.ones((skeleton.n_bodies, 3))
    for side in "RL":
        for bodies, (first, second) in LIMBS.items():
            ratio = _ratio(own, moments, [(side + first, side + second)])
            for body in bodies:
                if (name := f"{body}_{side.lower()}") in skeleton.body_names:
                    factors[skeleton.body_index(name)] = ratio
    factors[skeleton.body_index("pelvis")] = _ratio(own, moments, [("RHJC", "LHJC")])
    trunk = _ratio(own, moments, [("RHJC", "RSJC"), ("LHJC", "LSJC")])
    for body in ("torso", "neck", "head"):
        if body in skeleton.body_names:
            factors[skeleton.body_index(body)] = trunk
    return factors


def _ratio(own: dict[str, Array], moments: Sequence[Labelled], pairs: Sequence[tuple[str, str]]) -> float:
    found = [
        float(np.linalg.norm(moment.centres_m[a] - moment.centres_m[b]) / np.linalg.norm(own[a] - own[b]))
        for moment in moments
        for a, b in pairs
        if a in moment.centres_m and b in moment.centres_m
    ]
    return float(np.median(found)) if found else 1.0


class PersonFit:
    """Finds the coordinates of kinecast's skeleton in which it agrees with a source.

    Stated coordinates stay; others, and the place of the pelvis, follow the joint centres.

    Args:
        skeleton: Skeleton of kinecast.
        scale_factors: The person's. Shape: (n_bodies, 3).
    """

    def __init__(self, skeleton: Skeleton, scale_factors: Array) -> None:
        self._skeleton = skeleton
        self._markers = [name for name in CENTRES if name in skeleton.marker_names]
        self._solver = InverseKinematics.from_markers(skeleton, self._markers)
        self._solver.set_scale_factors(scale_factors)
        self._last: Array | None = None

    def solve(self, moment: Labelled) -> tuple[Array, NDArray[np.bool_]]:
        """Coordinates, and which of them the source states. Shapes: (n_q,)."""
        skeleton = self._skeleton
        stated = np.array([name in moment.angles_rad for name in skeleton.coordinate_names])
        prior = skeleton.q_default.copy()
        for k in np.flatnonzero(stated):
            prior[k] = moment.angles_rad[skeleton.coordinate_names[k]]
        weight = np.where(stated, HELD, FREE)
        weight[[n.startswith("pelvis_") and n not in PELVIS_ROTATIONS for n in skeleton.coordinate_names]] = (
            0.0
        )
        unknown = np.full(3, np.nan)
        targets = np.array([moment.centres_m.get(name, unknown) for name in self._markers])
        start = prior.copy()
        start[~stated] = (self._last if self._last is not None else prior)[~stated]
        weights = np.isfinite(targets).all(1).astype(np.float64)
        q = self._solver.solve(targets, weights, start, q_prior=prior, prior_weight=weight).q
        self._last = q
        q = q.copy()
        q[stated & ~skeleton.is_dependent] = prior[stated & ~skeleton.is_dependent]
        return q, stated
