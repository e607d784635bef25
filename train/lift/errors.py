"""How a lifter's errors go together: a pelvis that is tipped too far makes hips and trunk bend too far.

The solver trusts differences that the lifter is sure of more than angles of which it is unsure: where thigh
and trunk point, not how pelvis and lumbar joint share the bend between them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.spec import load_spec
from train.blazepose.data import LiftData
from train.lift.exported import exported_lift
from train.lift.network import landmark_batch, make_pairs

Array = NDArray[np.float64]

MIN_IMAGES = 500
"""Fewer images leave the correlations to chance."""
LARGEST_ERROR = 4.0
"""Limit of an error in standard deviations: a few images in which BlazePose is lost would decide."""
INDEPENDENT = 0.05
"""Share of the variance that is taken for independent, so that no combination of angles seems certain."""


def error_correlation(path: Path, data: LiftData, skeleton: Skeleton) -> Array:
    """Correlation of an exported lifter's errors, each relative to the deviation that it gives.

    Args:
        path: ONNX file of the lifter, with its spec beside it.
        data: Observations of people whom it was not trained on.
        skeleton: Skeleton of the data.

    Returns:
        Shape: (n_coordinates, n_coordinates).
    """
    q, sigma = exported_lift(path, skeleton)(landmark_batch(data))
    errors = (make_pairs(data, skeleton, None).q.numpy() - q) / sigma
    # Imported data lack coordinates.
    errors = np.nan_to_num(np.clip(errors, -LARGEST_ERROR, LARGEST_ERROR))
    R = np.atleast_2d(np.corrcoef(errors.T))
    R = np.where(np.isfinite(R), R, np.eye(len(R)))
    return np.asarray((1.0 - INDEPENDENT) * R + INDEPENDENT * np.eye(len(R)))


def write_error_correlation(path: Path, data: LiftData, skeleton: Skeleton) -> bool:
    """Measure it, and put it into the lifter's spec.

    Returns:
        Whether there were enough images.
    """
    if len(data) < MIN_IMAGES:
        return False
    R = np.round(error_correlation(path, data, skeleton), 3)
    spec = replace(load_spec(path), error_correlation=tuple(tuple(row) for row in R.tolist()))
    spec.save(path.with_suffix(".json"))
    return True
