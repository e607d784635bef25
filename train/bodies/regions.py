"""Where things are on a body: vertex groups, and landmarks that follow each body's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.bodies.bodies import BodyModel
from train.bodies.mesh import Adjacency
from train.errors import TrainError

REGION_PREFIXES: dict[str, tuple[str, ...]] = {
    "head": ("head", "eye"),
    "eye": ("eye",),
    "neck": ("neck",),
    "trunk": ("root", "pelvis", "spine"),
    "shoulder": ("clavicle", "shoulder01"),
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "metacarpal", "finger"),
    "thigh": ("upperleg",),
    "shank": ("lowerleg",),
    "foot": ("foot",),
    "toes": ("toe",),
}
"""Regions by the first letters of the rig's bones; sides are told apart by the sign of Z."""


@dataclass(frozen=True, slots=True, eq=False)
class BodyRegions:
    """What all bodies of one topology share.

    Axes as everywhere: X forward, Y up, Z right, in m.
    """

    faces: NDArray[np.int32]
    """Shape: (n_faces, 3)."""
    canonical_m: NDArray[np.float32]
    """The mean shape at rest; painted details are placed on it. Shape: (n_vertices, 3)."""
    weights: Mapping[str, NDArray[np.float32]]
    """Share of each region of `REGION_PREFIXES` in each vertex, 0 to 1. Shape of each: (n_vertices,)."""
    sides: Mapping[tuple[str, int], NDArray[np.float32]]
    """The same on the right (+1) or left (-1) half only."""
    adjacency: Adjacency

    @classmethod
    def of(cls, model: BodyModel) -> BodyRegions:
        """Sum the skin weights of a body model's bones by region.

        Raises:
            TrainError: a region has no bone.
        """
        names = [str(name) for name in model.bone_names]
        weights = {}
        for region, prefixes in REGION_PREFIXES.items():
            belongs = np.array([name.startswith(prefixes) for name in names])
            if not belongs.any():
                raise TrainError(f"no bone for region {region!r} (looked for {prefixes}) among {names}")
            weights[region] = (model.bone_weight * belongs[model.bone_index]).sum(1).astype(np.float32)
        canonical_m = model.mean[: model.n_vertices].astype(np.float32)
        sides = {
            (name, sign): np.where(canonical_m[:, 2] * sign > 0, weight, np.float32(0.0))
            for name, weight in weights.items()
            for sign in (1, -1)
        }
        return cls(
            model.faces, canonical_m, weights, sides, Adjacency.from_faces(model.faces, model.n_vertices)
        )

    def side(self, name: str, sign: int) -> NDArray[np.float32]:
        """Weights of a region on the right (`sign` +1) or left (-1) half only."""
        return self.sides[name, sign]


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Places on one body at rest, in m; pairs are (right, left). Shapes: (3,) and (2, 3)."""

    eyes: NDArray[np.float64]
    head_top: NDArray[np.float64]
    neck_base: NDArray[np.float64]
    shoulders: NDArray[np.float64]
    elbows: NDArray[np.float64]
    wrists: NDArray[np.float64]
    hips: NDArray[np.float64]
    knees: NDArray[np.float64]
    ankles: NDArray[np.float64]
    crotch_y_m: float
    floor_y_m: float

    @classmethod
    def of(cls, regions: BodyRegions, rest_m: NDArray[np.float32]) -> Landmarks:
        """Joint places as centres of the skin that two regions share."""

        def between(one: str, other: str) -> NDArray[np.float64]:
            centres = [shared_centre(rest_m, regions.side(one, s) * regions.side(other, s)) for s in (1, -1)]
            return np.stack(centres)

        weights = regions.weights
        inner_thigh = (weights["thigh"] > 0.2) & (np.abs(rest_m[:, 2]) < 0.012)
        head = rest_m[weights["head"] > 0.5]
        return cls(
            eyes=np.stack([shared_centre(rest_m, regions.side("eye", s) > 0.5) for s in (1, -1)]),
            head_top=head[np.argmax(head[:, 1])].astype(np.float64),
            neck_base=shared_centre(rest_m, weights["neck"] * weights["trunk"]),
            shoulders=between("shoulder", "upper_arm"),
            elbows=between("upper_arm", "forearm"),
            wrists=between("forearm", "hand"),
            hips=between("trunk", "thigh"),
            knees=between("thigh", "shank"),
            ankles=between("shank", "foot"),
            crotch_y_m=float(rest_m[inner_thigh, 1].min())
            if inner_thigh.any()
            else float(rest_m[:, 1].mean()),
            floor_y_m=float(rest_m[:, 1].min()),
        )


def shared_centre(
    rest_m: NDArray[np.float32], weight: NDArray[np.floating] | NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weighted mean of vertices. Shape: (3,)."""
    w = weight.astype(np.float32)
    return np.asarray(w @ rest_m / max(float(w.sum()), 1e-9), np.float64)
