"""Fit the lengths of people's segments to stature, images and sex: the table of `calib.proportions`.

Ridge regression with one row for each block of images of a person in one outfit, so that the variation
within a person's images counts as noise, as in use. Held-out people give the residual errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.proportions import SEGMENTS, known_facts, regression_name, segment_lengths
from engines.features.body_proportions import look_at_proportions
from engines.features.landmarks import LandmarkBatch
from train.blazepose.data import LiftData
from train.bodies.bodies import split_adults
from train.bodies.puppet import PuppetPool
from train.errors import TrainError
from train.synth.people import MASCULINE_BELOW

Array = NDArray[np.float64]

RIDGE = 10.0
"""Ridge penalty, for rows with a mean weight of 1 and standardised columns."""
MIN_PICTURES, MAX_PICTURES = 2, 8
"""Blocks with fewer upright images are left out; the weight of a block stops growing at the larger number."""
MIN_PEOPLE = 50
DECIMALS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Adults:
    """Stature, sex and proportions of all adults of the pool."""

    stature_m: Array
    """Shape: (n,)."""
    is_female: NDArray[np.bool_]
    """Shape: (n,)."""
    shares: Array
    """Logarithms of segments' lengths over stature. Shape: (n, len(SEGMENTS))."""

    @classmethod
    def of(cls, pool: PuppetPool) -> Adults:
        """Measure all adults of the pool."""
        n = pool.model.n_adults
        stature_m = np.array([pool.model.shape(adult).stature_m for adult in range(n)])
        lengths_m = np.array([segment_lengths(pool.skeleton, pool.scale_factors(k)) for k in range(n)])
        is_female = np.asarray(pool.model.femininity >= MASCULINE_BELOW)
        return cls(stature_m, is_female, np.log(lengths_m / stature_m[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class UprightBlocks:
    """Proportions measured on blocks of images of upright people."""

    adult: NDArray[np.int64]
    """Shape: (n,)."""
    values: Array
    """Means of the features over each block. Shape: (n, n_looks)."""
    weight: Array
    """Shape: (n,)."""


def upright_blocks(data: LiftData) -> UprightBlocks:
    """Select the blocks of lift data with enough images of an upright person."""
    seen = look_at_proportions(
        LandmarkBatch(
            landmarks_px=data.landmarks_px[..., :2].astype(np.float64),
            world_m=data.world_m.astype(np.float64),
            visibility=(data.visibility * data.presence).astype(np.float64),
            roi_centre_px=data.roi[:, :2].astype(np.float64),
            camera=data.camera.astype(np.float64),
            R_ground_cam=data.R_ground_cam.astype(np.float64),
        )
    )
    adults, values, weights = [], [], []
    for rows in data.clips():
        usable = seen.is_usable[rows]
        if usable.sum() >= MIN_PICTURES:
            adults.append(int(data.adult[rows.start]))
            values.append(np.median(seen.values[rows][usable], axis=0))
            weights.append(min(int(usable.sum()), MAX_PICTURES))
    return UprightBlocks(np.array(adults, dtype=int), np.array(values), np.array(weights, dtype=float))


def ridge(facts: Array, shares: Array, weight: Array, strength: float = RIDGE) -> Array:
    """Weights of a linear model; the first column is constant and free.

    Args:
        facts: Shape: (n, n_facts).
        shares: Shape: (n, n_segments).
        weight: Weights of the rows. Shape: (n,).
        strength: Ridge penalty.

    Returns:
        Shape: (n_segments, n_facts).
    """
    weight = weight / weight.mean()
    centre = np.average(facts[:, 1:], axis=0, weights=weight)
    scale = np.sqrt(np.average((facts[:, 1:] - centre) ** 2, axis=0, weights=weight)) + 1e-9
    Z, mean = (facts[:, 1:] - centre) / scale, np.average(shares, axis=0, weights=weight)
    ZtW = Z.T * weight
    slopes = np.linalg.solve(ZtW @ Z + strength * np.eye(Z.shape[1]), ZtW @ (shares - mean)) / scale[:, None]
    return np.asarray(np.concatenate([(mean - centre @ slopes)[None], slopes]).T)


def fit_proportions(
    learnt: UprightBlocks, other: UprightBlocks, pool: PuppetPool, adults: Adults
) -> dict[str, dict[str, list[Any]]]:
    """Fit all regressions, with their residual errors on held-out people.

    Raises:
        TrainError: too few people were seen upright.
    """
    for looks in (learnt, other):
        n = len(np.unique(looks.adult))
        if n < MIN_PEOPLE:
            raise TrainError(f"{n} people seen upright, {MIN_PEOPLE} are needed; make more lift data")
    train, held_out = (np.array(part) for part in split_adults(pool.model))
    found = {}
    for has_looks in (False, True):
        rows = (learnt.adult, other.adult) if has_looks else (train, held_out)
        values = (learnt.values, other.values) if has_looks else (None, None)
        weight = learnt.weight if has_looks else np.ones(len(train))
        for has_sex in (False, True):
            facts = [
                known_facts(adults.stature_m[a], v, adults.is_female[a] if has_sex else None)
                for a, v in zip(rows, values, strict=True)
            ]
            weights = ridge(facts[0], adults.shares[rows[0]], weight, RIDGE if has_looks else 1e-6)
            left = facts[1] @ weights.T - adults.shares[rows[1]]
            name = regression_name(has_looks=has_looks, has_sex=has_sex)
            found[name] = {
                "weights": np.round(weights, DECIMALS).tolist(),
                "spread": np.round(np.sqrt((left**2).mean(0)), 4).tolist(),
                "mean_error_percent": np.round(100.0 * np.abs(np.expm1(left)).mean(0), 2).tolist(),
            }
    return found


def write_table(path: Path, regressions: dict[str, dict[str, list[Any]]], source: str) -> None:
    """Write the table with a note on its source."""
    rows = {name: {key: json.dumps(value) for key, value in row.items()} for name, row in regressions.items()}
    text = json.dumps({"source": source, "segments": list(SEGMENTS), "regressions": rows}, indent=1)
    # Numbers of one kind on one line.
    path.write_text(text.replace('"[', "[").replace(']"', "]") + "\n")
