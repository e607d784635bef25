"""An exported lifter, run as in live use: averaged over the image and its mirror image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.features.landmarks import LandmarkBatch, landmark_features, mirrored
from engines.spec import load_spec
from train.lift.network import lifted_coordinates
from train.motion.library import mirror

Array = NDArray[np.float64]
Lift = Callable[[LandmarkBatch], tuple[Array, Array]]
"""Landmarks to coordinates in the person's frame, and standard deviations. Shapes: (n, n_coordinates)."""


def exported_lift(path: Path, skeleton: Skeleton) -> Lift:
    """A lifter as it runs live: the exported network, averaged over the image and its mirror image.

    Args:
        path: ONNX file with the spec beside it.
        skeleton: Skeleton that the lifter must have been trained with.

    Raises:
        EngineError: the spec cannot be read, or belongs to another skeleton.
    """
    load_spec(path).check_skeleton(skeleton.coordinate_names, skeleton.sha)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    index = [skeleton.coordinate_index(name) for name in lifted_coordinates(skeleton)]

    def turned_back(values: Array) -> Array:
        whole = np.zeros((len(values), skeleton.n_q))
        whole[:, index] = values
        return mirror(skeleton, whole)[:, index]

    def lift(batch: LandmarkBatch) -> tuple[Array, Array]:
        seen = np.stack([landmark_features(b).values for b in (batch, mirrored(batch))], 1)
        answers = [session.run(["q", "sigma"], {"features": frame}) for frame in seen]
        q, sigma = (np.stack(part).astype(np.float64) for part in zip(*answers, strict=True))
        return (
            0.5 * (q[:, 0] + turned_back(q[:, 1])),
            0.5 * (sigma[:, 0] + np.abs(turned_back(sigma[:, 1]))),
        )

    return lift
