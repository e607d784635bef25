"""Adult bodies: Anny's shapes, sampled once by its calibrated distribution and kept as a small linear model.

Anny (NAVER, https://github.com/naver/anny; code Apache-2.0, data CC0) needs a minute to build and a large
dependency to run. Here it is asked once for many adults; their principal components, with a row of scores
for each adult, are stored, and everything later is numpy. Axes are OpenSim's: X forward, Y up, Z to the
right, floor at Y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.errors import TrainError
from train.files import save_arrays

N_HELD_OUT = 256


@dataclass(frozen=True, slots=True, eq=False)
class BodyModel:
    """Many adults who share one mesh."""

    mean: NDArray[np.float32]
    """Vertices, then the heads of the bones, in m. Shape: (n_vertices + n_bones, 3)."""
    components: NDArray[np.float32]
    """Principal directions of the same. Shape: (n_components, n_vertices + n_bones, 3)."""
    scores: NDArray[np.float32]
    """One row for each adult. Shape: (n_adults, n_components)."""
    age_years: NDArray[np.float32]
    """Shape: (n_adults,)."""
    femininity: NDArray[np.float32]
    """Anny's gender, 0 male to 1 female. Shape: (n_adults,)."""
    faces: NDArray[np.int32]
    """Shape: (n_faces, 3)."""
    uv: NDArray[np.float32]
    """Texture coordinates. Shape: (n_uv, 2)."""
    face_uv: NDArray[np.int32]
    """Shape: (n_faces, 3)."""
    bone_names: NDArray[np.str_]
    """Names of Anny's bones, ending in .L or .R. Shape: (n_bones,)."""
    bone_index: NDArray[np.int32]
    """Bones that move each vertex. Shape: (n_vertices, n_influences)."""
    bone_weight: NDArray[np.float32]
    """Their weights, which sum to one. Shape: (n_vertices, n_influences)."""

    @property
    def n_adults(self) -> int:
        """Number of bodies."""
        return len(self.scores)

    @property
    def n_vertices(self) -> int:
        """Number of vertices of every body."""
        return len(self.bone_index)

    def bone(self, name: str) -> int:
        """Index of a bone.

        Raises:
            TrainError: there is no such bone.
        """
        found = np.flatnonzero(self.bone_names == name)
        if len(found) == 0:
            raise TrainError(f"Anny has no bone {name!r}; it has: {', '.join(self.bone_names)}")
        return int(found[0])

    def shape(self, adult: int) -> BodyShape:
        """Resting mesh of one adult, with arms of human length, straight legs and a build of their own.

        Raises:
            TrainError: there is no such adult.
        """
        if not 0 <= adult < self.n_adults:
            raise TrainError(f"no adult {adult}; there are 0 to {self.n_adults - 1}")
        flat = self.components.reshape(len(self.components), -1)
        points = self.mean.astype(np.float64) + (self.scores[adult] @ flat).reshape(self.mean.shape)
        points = _straighten_legs(self, _lengthen_arms(self, points))
        points = vary_build(self, points, Build.of(adult))
        points[:, 1] -= points[: self.n_vertices, 1].min()
        return BodyShape(points[: self.n_vertices], points[self.n_vertices :])


@dataclass(frozen=True, slots=True, eq=False)
class BodyShape:
    """One adult's resting mesh, feet on the floor."""

    vertices_m: NDArray[np.float64]
    """Shape: (n_vertices, 3)."""
    bone_heads_m: NDArray[np.float64]
    """Where Anny's bones begin. Shape: (n_bones, 3)."""

    @property
    def stature_m(self) -> float:
        """Height of the crown above the soles."""
        return float(np.ptp(self.vertices_m[:, 1]))


# Anny's arms are short and its hands large. These factors bring the average adult to de Leva (J Biomech
# 29(9), 1996): upper arm 0.160, forearm 0.153, hand 0.108 of stature.
_UPPER_ARM_FACTOR = 1.055
_FOREARM_FACTOR = 1.12
_HAND_FACTOR = 0.93


def _lengthen_arms(model: BodyModel, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stretch upper arms and forearms along themselves and shrink the hands about the wrists."""
    moved = points.copy()
    for side in ("L", "R"):
        names = [str(name) for name in model.bone_names]
        head = {n: points[model.n_vertices + names.index(f"{n}.{side}")] for n in _ARM_BONES}
        shoulder, elbow, wrist = head["upperarm01"], head["lowerarm01"], head["wrist"]
        upper, fore = elbow - shoulder, wrist - elbow
        elbow_shift = (_UPPER_ARM_FACTOR - 1.0) * upper
        wrist_shift = elbow_shift + (_FOREARM_FACTOR - 1.0) * fore
        along_upper = np.clip((points - shoulder) @ upper / (upper @ upper), 0.0, None)
        along_fore = (points - elbow) @ fore / (fore @ fore)
        weight = _part_weights(model, side, _ARM_PARTS)
        moved += weight[:, 0, None] * along_upper[:, None] * elbow_shift
        moved += weight[:, 1, None] * (elbow_shift + along_fore[:, None] * (wrist_shift - elbow_shift))
        moved += weight[:, 2, None] * (wrist_shift + (_HAND_FACTOR - 1.0) * (points - wrist))
    return moved


# Anny's knees stand outside the line from hip to ankle, by this much of stature.
_KNEE_SHIFT = 0.0045


def _straighten_legs(model: BodyModel, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the knees inwards, less and less towards hips and ankles."""
    moved = points.copy()
    stature_m = np.ptp(points[: model.n_vertices, 1])
    for side, outwards in (("L", -1.0), ("R", 1.0)):
        hip, ankle = (points[model.n_vertices + model.bone(f"{b}.{side}"), 1] for b in ("upperleg01", "foot"))
        height = np.clip((points[:, 1] - ankle) / (hip - ankle), 0.0, 1.0)
        weight = _part_weights(model, side, _LEG_PARTS)[:, 0]
        moved[:, 2] -= outwards * _KNEE_SHIFT * stature_m * weight * np.sin(np.pi * height) ** 2
    return moved


@dataclass(frozen=True, slots=True)
class Build:
    """How much longer than Anny makes them the parts of one adult are."""

    thigh: float
    shank: float
    trunk: float

    @classmethod
    def of(cls, adult: int) -> Build:
        """The build of an adult, always the same."""
        z = np.clip(np.random.default_rng([_BUILD_SEED, adult]).standard_normal(4), -2.6, 2.6)
        leg = _LEG_SPREAD * z[0]
        return cls(
            thigh=float(np.exp(leg + _THIGH_SPREAD * z[1])),
            shank=float(np.exp(leg + _SHANK_SPREAD * z[2])),
            trunk=float(np.exp(_TRUNK_SPREAD * z[3])),
        )


_BUILD_SEED = 1966
# Anny's adults differ too little: its thighs have a standard deviation of 2 % of their length and its hips'
# height one of 0.008 of stature, where people have 5 % and 0.012 (Drillis & Contini 1966; ANSUR II).
_LEG_SPREAD, _THIGH_SPREAD, _SHANK_SPREAD, _TRUNK_SPREAD = 0.032, 0.020, 0.012, 0.035


def vary_build(model: BodyModel, points: NDArray[np.float64], build: Build) -> NDArray[np.float64]:
    """Stretch thighs, shanks and trunk along themselves; feet, arms and head keep their size.

    Args:
        model: Body model with the mesh's bones.
        points: Vertices, then bone heads. Shape: (n_points, 3).
        build: Factors of this adult.

    Returns:
        Moved points. Shape: (n_points, 3).
    """
    moved = points.copy()
    for side in ("L", "R"):
        hip, knee, ankle = (points[model.n_vertices + model.bone(f"{b}.{side}")] for b in _LEG_BONES)
        knee_shift = (build.thigh - 1.0) * (knee - hip)
        ankle_shift = knee_shift + (build.shank - 1.0) * (ankle - knee)
        along_thigh = np.clip((points - hip) @ (knee - hip) / ((knee - hip) @ (knee - hip)), 0.0, None)
        along_shank = (points - knee) @ (ankle - knee) / ((ankle - knee) @ (ankle - knee))
        weight = _part_weights(model, side, (("upperleg",), ("lowerleg",), ("foot", "toe")))
        moved += weight[:, 0, None] * along_thigh[:, None] * knee_shift
        moved += weight[:, 1, None] * (knee_shift + along_shank[:, None] * (ankle_shift - knee_shift))
        moved += weight[:, 2, None] * ankle_shift
    hips_y = points[model.n_vertices + model.bone("upperleg01.L"), 1]
    neck_y = points[model.n_vertices + model.bone("neck01"), 1]
    lower, spine = (_bone_weights(model, stems) for stems in (_LOWER_BODY, ("spine",)))
    along = np.clip((points[:, 1] - hips_y) / (neck_y - hips_y), 0.0, 1.0)
    share = spine * along + np.clip(1.0 - lower - spine, 0.0, 1.0)
    moved[:, 1] += (build.trunk - 1.0) * (neck_y - hips_y) * share
    return moved


_LEG_BONES = ("upperleg01", "lowerleg01", "foot")
_LOWER_BODY = ("root", "pelvis", "upperleg", "lowerleg", "foot", "toe")
_LEG_PARTS = (("upperleg", "lowerleg"),)
_ARM_PARTS = (("upperarm",), ("lowerarm",), ("wrist", "metacarpal", "finger"))
_ARM_BONES = ("upperarm01", "lowerarm01", "wrist")


def _part_weights(model: BodyModel, side: str, parts: tuple[tuple[str, ...], ...]) -> NDArray[np.float64]:
    """How much each vertex and bone head belongs to parts of one side. Shape: (n_points, n_parts)."""
    part_of_bone = np.zeros((len(model.bone_names), len(parts)))
    for k, name in enumerate(model.bone_names):
        stem, _, bone_side = str(name).partition(".")
        if bone_side == side:
            part_of_bone[k] = [stem.startswith(stems) for stems in parts]
    of_vertex = np.einsum("vkp,vk->vp", part_of_bone[model.bone_index], model.bone_weight)
    return np.concatenate([of_vertex, part_of_bone])


def _bone_weights(model: BodyModel, stems: tuple[str, ...]) -> NDArray[np.float64]:
    """How much vertices and bone heads belong to bones whose names begin so. Shape: (n_points,)."""
    belongs = np.array([str(name).startswith(stems) for name in model.bone_names], dtype=np.float64)
    of_vertex = (belongs[model.bone_index] * model.bone_weight).sum(1)
    return np.concatenate([of_vertex, belongs])


def save_body_model(model: BodyModel, path: Path) -> None:
    """Write the model, all or nothing."""
    save_arrays(path, {field.name: getattr(model, field.name) for field in fields(model)})


def split_adults(model: BodyModel) -> tuple[range, range]:
    """Adults for training, and those held out for evaluation: a sixth of a small model."""
    n_held_out = min(N_HELD_OUT, model.n_adults // 6)
    return range(model.n_adults - n_held_out), range(model.n_adults - n_held_out, model.n_adults)
