"""The lifter as an ONNX file with its spec; refused unless ONNX Runtime gives what torch gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from calib.skeleton import Skeleton
from engines.features.landmarks import N_FEATURES
from engines.spec import ModelSpec, TensorSpec, file_sha256
from train.errors import TrainError
from train.lift.network import Lifter, lifted_coordinates

BATCH = 2
"""A frame and its mirror image."""
OUTPUTS = ("q", "sigma", "confidence", "scale_factors")
PARITY = 1e-4
"""Largest difference, in rad and in parts of a scale factor per metre."""


class LiveLifter(nn.Module):
    """Several lifters averaged, with a confidence: what is exported."""

    def __init__(self, models: list[Lifter]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Coordinates, their standard deviations, confidences, scale factors per metre of size."""
        results = [model(features) for model in self.models]
        q, sigma, scale = (torch.stack(values).mean(0) for values in zip(*results, strict=True))
        spread = torch.stack([model.target_scale for model in self.models]).mean(0)  # type: ignore[misc]
        return q, sigma, (1.0 - (sigma / spread) ** 2).clamp(0.0, 1.0), scale


def export_lifter(models: list[Lifter], skeleton: Skeleton, path: Path, name: str) -> ModelSpec:
    """Write `path` and its spec.

    Args:
        models: Lifters to average.
        skeleton: That they were trained with.
        path: Ends in `.onnx`.
        name: Of the network.

    Raises:
        TrainError: ONNX Runtime disagrees with torch.
    """
    live = LiveLifter(models).eval()
    features = torch.randn(BATCH, N_FEATURES)
    torch.onnx.export(
        live, (features,), str(path), input_names=["features"], output_names=list(OUTPUTS), dynamo=False
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [t.numpy() for t in live(features)]
    actual = session.run(list(OUTPUTS), {"features": features.numpy()})
    worst = max(float(np.abs(a - b).max()) for a, b in zip(actual, expected, strict=True))
    if not worst < PARITY:
        path.unlink()
        raise TrainError(f"{path}: ONNX Runtime differs from torch by {worst:.2g}; accepted: below {PARITY}")
    coordinates = lifted_coordinates(skeleton)
    shapes = (len(coordinates),) * 3 + (3 * skeleton.n_bodies,)
    spec = ModelSpec(
        name=name,
        inputs=(TensorSpec("features", (N_FEATURES,)),),
        outputs=tuple(TensorSpec(n, (size,)) for n, size in zip(OUTPUTS, shapes, strict=True)),
        coordinate_names=coordinates,
        skeleton_sha=skeleton.sha,
    )
    spec = replace(spec, sha256=file_sha256(path))
    spec.save(path.with_suffix(".json"))
    return spec
