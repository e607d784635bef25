"""An exported lifter, run as in live use, or read to be trained further."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.features.landmarks import LandmarkBatch, landmark_features, mirrored
from engines.spec import load_spec
from train.errors import TrainError
from train.lift.network import LiftModel, lifted_coordinates
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


def exported_models(path: Path, skeleton: Skeleton) -> list[LiftModel]:
    """The networks of an exported lifter, to train them further.

    Args:
        path: ONNX file of `kinecast train lift`, with the spec beside it.
        skeleton: Skeleton that the lifter must have been trained with.

    Raises:
        EngineError: file or spec cannot be read, do not belong together, or belong to another skeleton.
        TrainError: the file holds other networks.
    """
    load_spec(path).check_skeleton(skeleton.coordinate_names, skeleton.sha)
    initializers = onnx.load(path).graph.initializer
    stored = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in initializers}
    heads = sorted(name for name in stored if name.endswith(".coordinates.weight"))
    if not heads:
        raise TrainError(f"{path}: no lifter; accepted: networks of kinecast train lift")
    return [_model(path, stored, head.removesuffix("coordinates.weight")) for head in heads]


def _model(path: Path, stored: dict[str, torch.Tensor], prefix: str) -> LiftModel:
    try:
        width = len(stored[f"{prefix}stem.0.bias"])
        n_out, n_scale = (len(stored[f"{prefix}{name}.bias"]) for name in ("coordinates", "scale_factors"))
        model = LiftModel(n_out, n_scale, width=width)
        # What all networks share, such as the normalisation, is stored once, by the first one's name.
        names = {name: f"{prefix}{name}" for name in model.state_dict()}
        first = {name: f"models.0.{name}" for name in names}
        model.load_state_dict({n: stored.get(names[n], stored.get(first[n])) for n in names})
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise TrainError(f"{path}: not the layers of kinecast train lift ({error})") from error
    return model.eval()
