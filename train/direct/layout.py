"""Order and limits of the direct network's outputs for one skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import mirror_index, stem_of
from calib.skeleton import Skeleton

Array = NDArray[np.float64]
Index = NDArray[np.int64]

NEAR_FULL_TURN_RAD = np.radians(300.0)
"""Range from which a coordinate is an angle on the circle, whose ends meet."""
_BONY_OF_A_SIDE = (
    "ASI", "PSI", "SHO", "KNE", "KNEM", "ANK", "MMAL", "HEE", "MT1", "MT5", "ELB", "ELBM", "WRA", "WRB",
)  # fmt: skip
BONY = ("C7", "T10", "CLAV", "STRN", *(side + name for side in "RL" for name in _BONY_OF_A_SIDE))
"""Markers on bone under skin: D3KE's bony landmarks, by this project's names."""
SOFT = tuple(side + name for side in "RL" for name in ("THI", "TIB", "UPA", "FRM"))
"""Markers on muscle."""
BONY_WEIGHT, SOFT_WEIGHT = 2.0, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class DirectLayout:
    """Orders and limits; the root's three rotations are given as a matrix, its position is not an output."""

    skeleton: Skeleton
    coordinates: Index
    """Indices into q of the outputs: free coordinates without the root's. Shape: (n_c,)."""
    wraps: NDArray[np.bool_]
    """Shape: (n_c,)."""
    lower: Array
    """Shape: (n_c,)."""
    upper: Array
    """Shape: (n_c,)."""
    scale_group: Index
    """Scale group of each body; left and right share theirs. Shape: (n_bodies,)."""
    mirrored_body: Index
    """Shape: (n_bodies,)."""
    mirrored_marker: Index
    """Shape: (n_markers,)."""
    marker_weight: Array
    """D3KE's. Shape: (n_markers,)."""

    @classmethod
    def of(cls, skeleton: Skeleton) -> DirectLayout:
        """Make the layout of a skeleton."""
        names = skeleton.coordinate_names
        given = [
            k
            for k, name in enumerate(names)
            if not (name.startswith("pelvis_") or skeleton.is_locked[k] or skeleton.is_dependent[k])
        ]
        lower, upper = skeleton.q_lower[given], skeleton.q_upper[given]
        bodies, markers = skeleton.body_names, skeleton.marker_names
        groups = list(dict.fromkeys(stem_of(name) for name in bodies))
        weight = [BONY_WEIGHT if name in BONY else SOFT_WEIGHT if name in SOFT else 1.0 for name in markers]
        return cls(
            skeleton=skeleton,
            coordinates=np.array(given),
            wraps=skeleton.is_rotational[given] & (upper - lower > NEAR_FULL_TURN_RAD),
            lower=lower,
            upper=upper,
            scale_group=np.array([groups.index(stem_of(name)) for name in bodies]),
            mirrored_body=mirror_index(bodies),
            mirrored_marker=np.array([_find(markers, _other_marker(n), n) for n in markers]),
            marker_weight=np.array(weight),
        )

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the output coordinates, in order."""
        return tuple(self.skeleton.coordinate_names[k] for k in self.coordinates)

    @property
    def n_scale_groups(self) -> int:
        """Number of groups of bodies that share scale factors."""
        return int(self.scale_group.max()) + 1

    @property
    def bony_markers(self) -> Index:
        """Markers on bone. Shape: (n,)."""
        return np.flatnonzero(self.marker_weight == BONY_WEIGHT)

    def group_scale_factors(self, scale_factors: Array) -> Array:
        """Mean scale factors of each group. Shapes: (n_bodies, 3) to (n_groups, 3)."""
        sums = np.zeros((self.n_scale_groups, 3))
        np.add.at(sums, self.scale_group, scale_factors)
        return sums / np.bincount(self.scale_group)[:, None]


def _other_marker(name: str) -> str:
    return {"R": "L", "L": "R"}.get(name[0], name[0]) + name[1:]


def _find(names: tuple[str, ...], wanted: str, otherwise: str) -> int:
    """Find a name; a marker without a counterpart, such as LUMB, is its own."""
    return names.index(wanted if wanted in names else otherwise)
