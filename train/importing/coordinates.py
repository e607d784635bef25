"""Coordinates of another OpenSim model as kinecast's: by name, with signs found by moving both models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS
from calib.errors import CalibError
from calib.kinematics import body_transforms, joint_centres
from calib.pelvis import pelvis_angles
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import coordinate_values, read_mot
from train.errors import TrainError
from train.importing.take import CENTRES, Labelled

Array = NDArray[np.float64]

STEP_RAD = 0.1
LEAST_COSINE = 0.8
"""Two coordinates of one name whose axes differ by more than 37 degrees mean different things."""
NEEDED = tuple(f"{stem}_{side}" for stem in ("hip_flexion", "knee_angle") for side in "rl")
LARGEST_RAD = 3.5
"""No hip or knee bends by 200 degrees: larger numbers are degrees."""
LONGEST_M = 5.0
"""No person is longer; larger models are in mm or cm."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Coordinates of a scaled model over time, as kinecast's."""

    model: Skeleton
    signs: dict[str, float]
    time_s: Array
    """Shape: (n,)."""
    q: Array
    """The model's coordinates in rad and m; those that the file lacks have their default. Shape: (n, n_q)."""
    missing: frozenset[str]
    """The model's coordinates that the file lacks."""

    def at(self, time_s: float) -> Labelled | None:
        """The nearest row; None farther from any row than half a frame of a slow camera."""
        k = int(np.abs(self.time_s - time_s).argmin())
        if abs(self.time_s[k] - time_s) > 1.0 / 40.0:
            return None
        return labelled(self.model, self.signs, self.q[k], self.missing)


def read_motion(osim: Path, mot: Path, own: Skeleton) -> Motion:
    """Read a scaled model and its motion.

    Raises:
        TrainError: a file is damaged, in other units, or lacks the coordinates of hips and knees.
    """
    try:
        model, table = load_skeleton(osim), read_mot(mot)
    except CalibError as error:
        raise TrainError(f"{error}") from error
    _check_lengths(osim, model)
    missing = [name for name in NEEDED if name not in table.names]
    if missing:
        raise TrainError(f"{mot}: no column {', '.join(missing)}; it has {', '.join(table.names[:8])}, ...")
    strangers = [name for name in NEEDED if name not in model.coordinate_names]
    if strangers:
        raise TrainError(f"{osim}: no coordinate {', '.join(strangers)}; it does not belong to {mot.name}")
    q = coordinate_values(table, model.coordinate_names, model.is_rotational)
    largest = np.abs(q[:, [model.coordinate_index(name) for name in NEEDED]]).max()
    if not largest <= LARGEST_RAD:
        raise TrainError(
            f"{mot}: the largest angle of hips and knees is {largest:.1f} rad by its header, inDegrees="
            f"{'yes' if table.in_degrees else 'no'}; accepted: up to {LARGEST_RAD}: correct the header"
        )
    lacking = np.asarray(np.isnan(q).any(0))
    q[:, lacking] = model.q_default[lacking]
    absent = frozenset(
        name for name, is_nan in zip(model.coordinate_names, lacking.tolist(), strict=True) if is_nan
    )
    return Motion(model, matching_signs(model, own), table.time_s - table.time_s[0], q, absent)


def _check_lengths(path: Path, model: Skeleton) -> None:
    centres = joint_centres(model, model.q_default)
    span_m = float(np.ptp(centres[np.isfinite(centres).all(1)], axis=0).max())
    if not 0.5 <= span_m <= LONGEST_M:
        raise TrainError(f"{path}: the model is {span_m:.3g} m tall; accepted: a person in metres")


def labelled(
    model: Skeleton, signs: dict[str, float], q: Array, missing: frozenset[str] = frozenset()
) -> Labelled:
    """One pose of a model in kinecast's terms; the pelvis by its orientation, whatever its angles' order."""
    angles = {
        name: sign * float(q[model.coordinate_index(name)])
        for name, sign in signs.items()
        if name not in missing
    }
    T, centres = body_transforms(model, q), joint_centres(model, q)
    if "pelvis" in model.body_names:
        R = T[model.body_index("pelvis"), :3, :3]
        angles |= dict(zip(PELVIS_ROTATIONS, pelvis_angles(R[None])[0].tolist(), strict=True))
    found = {marker: _first(model, bodies) for marker, bodies in CENTRES.items()}
    return Labelled(angles, {marker: centres[k] for marker, k in found.items() if k is not None})


def _first(model: Skeleton, bodies: tuple[str, ...]) -> int | None:
    return next((model.body_index(body) for body in bodies if body in model.body_names), None)


def matching_signs(model: Skeleton, own: Skeleton) -> dict[str, float]:
    """Coordinate that both have -> 1 or -1, by which the model's values become kinecast's.

    Both models are moved by a small angle from their default pose. Where the turns of what moves are neither
    alike nor opposite, the name means something else, and is left out.
    """
    signs = {}
    theirs = dict(_turns(model))
    for name, turn in _turns(own):
        if name.startswith("pelvis_") or name not in theirs:
            continue
        cosine = float(turn @ theirs[name])
        if abs(cosine) >= LEAST_COSINE:
            signs[name] = float(np.sign(cosine))
    return signs


def _turns(model: Skeleton) -> Iterator[tuple[str, Array]]:
    """Axis in ground about which each rotational coordinate turns what moves most, from the default pose."""
    T = body_transforms(model, model.q_default)
    for k in np.flatnonzero(model.is_rotational & ~model.is_dependent):
        q = model.q_default.copy()
        q[k] += STEP_RAD
        R = body_transforms(model, q)[:, :3, :3] @ np.swapaxes(T[:, :3, :3], 1, 2)
        turns = np.array([np.ravel(cv2.Rodrigues(r)[0]) for r in R])
        largest = turns[np.linalg.norm(turns, axis=1).argmax()]
        size = float(np.linalg.norm(largest))
        if size > 0.5 * STEP_RAD:
            yield model.coordinate_names[k], largest / size
