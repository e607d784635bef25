"""The lifter as an ONNX file with its spec; refused unless ONNX Runtime agrees with torch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from calib.skeleton import Skeleton
from engines.features.landmarks import N_FEATURES
from engines.spec import ModelSpec, TensorSpec
from train.lift.network import LiftModel, lifted_coordinates
from train.onnx_export import export_onnx, largest_difference

BATCH = 2
"""A frame and its mirror image."""
INPUT = "features"
OUTPUTS = ("q", "sigma", "confidence", "scale_factors")
PARITY = 1e-4
"""Accepted difference, in rad and in scale factors per metre."""


class LiveLiftModel(nn.Module):
    """The mean of several lifters, with a confidence: the module that is exported.

    Args:
        models: Lifters to average.
    """

    def __init__(self, models: list[LiftModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Coordinates, their standard deviations, confidences, scale factors per metre of size."""
        results = [model(features) for model in self.models]
        q, sigma, scale = (torch.stack(values).mean(0) for values in zip(*results, strict=True))
        spread = torch.stack([model.target_scale for model in self.models]).mean(0)  # type: ignore[misc]
        return q, sigma, (1.0 - (sigma / spread) ** 2).clamp(0.0, 1.0), scale


def export_lift(models: list[LiftModel], skeleton: Skeleton, path: Path, name: str) -> ModelSpec:
    """Write `path` and its spec.

    Args:
        models: Lifters to average.
        skeleton: Skeleton that they were trained with.
        path: File to write; its name ends in `.onnx`.
        name: Name of the network in the spec.

    Returns:
        The spec that was written.

    Raises:
        TrainError: ONNX Runtime disagrees with torch.
    """
    live = LiveLiftModel(models).eval()
    example = (torch.randn(BATCH, N_FEATURES).numpy(),)
    coordinates = lifted_coordinates(skeleton)
    shapes = (len(coordinates),) * 3 + (3 * skeleton.n_bodies,)
    spec = ModelSpec(
        name=name,
        inputs=(TensorSpec(INPUT, (N_FEATURES,)),),
        outputs=tuple(TensorSpec(n, (size,)) for n, size in zip(OUTPUTS, shapes, strict=True)),
        coordinate_names=coordinates,
        skeleton_sha=skeleton.sha,
    )
    return export_onnx(
        live, example, path, spec, input_names=(INPUT,), output_names=OUTPUTS,
        difference=lambda run: largest_difference(live, run, [example]), accepted=PARITY,
    )  # fmt: skip
