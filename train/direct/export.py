"""The direct network as an ONNX file with its spec; refused unless ONNX Runtime agrees with torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.features.direct_outputs import INPUTS, OUTPUTS
from engines.spec import ModelSpec, TensorSpec
from train.direct.heads import DirectOutput
from train.direct.layout import DirectLayout
from train.direct.network import DirectModel, NetworkConfig
from train.errors import TrainError
from train.onnx_export import export_onnx, largest_difference, run_torch

PARITY = 1e-3
"""Largest difference of any output: rad, m, half sides of the crop."""
TRIED_PICTURES = 8
SURELY_PRESENT = 8.0
"""Log odds of presence."""


class LiveDirectModel(nn.Module):
    """The exported module: camera images in, the outputs of live use out.

    Args:
        network: A network with all heads.
    """

    spread: Tensor

    def __init__(self, network: DirectModel) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("spread", network.head.spread)

    def forward(self, image: Tensor, log_reach: Tensor) -> tuple[Tensor, ...]:
        """`engines.features.direct_outputs.OUTPUTS` of one image.

        Args:
            image: Blue green red, bytes. Shape: (1, side, side, 3).
            log_reach: Shape: (1, 1).
        """
        x = image.flip(3).permute(0, 3, 1, 2).float() / 255.0
        output: DirectOutput = self.network(x, log_reach)
        assert output.sigma is not None and output.presence is not None
        confidence = (1.0 - (output.sigma / self.spread) ** 2).clamp(0.0, 1.0)
        values = {
            "R_crop_pelvis": output.R_root, "q": output.q, "sigma": output.sigma, "confidence": confidence,
            "scale_factors": output.scale_factors, "joints_m": output.joints_m,
            "markers_m": output.markers_m, "joints_uv": output.joints_uv,
            "presence": torch.sigmoid(output.presence),
        }  # fmt: skip
        return tuple(values[name] for name in OUTPUTS)  # type: ignore[misc]


def untrained_network(encoder: str, layout: DirectLayout) -> DirectModel:
    """A network with fixed random weights that reports a person in every image.

    Only its speed is meaningful: it equals that of a trained network.

    Raises:
        TrainError: there is no such encoder.
    """
    torch.manual_seed(0)
    network = DirectModel(NetworkConfig(encoder), layout)
    last = network.head.last
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias[-1] = SURELY_PRESENT
    return network.eval()


def export_direct(network: DirectModel, layout: DirectLayout, path: Path, name: str) -> ModelSpec:
    """Write `path` and its spec.

    Args:
        network: Network in evaluation mode.
        layout: Layout of its outputs.
        path: Ends in `.onnx`.
        name: Name of the network in the spec.

    Raises:
        TrainError: the network lacks heads that live use needs, or cannot be exported, or ONNX Runtime
            disagrees with torch.
    """
    config = network.config
    side = config.side_px
    if config.head != "kinecast" or getattr(network.encoder, "takes_plain_pictures", False):
        raise TrainError(
            f"{config.encoder} with head {config.head} is for comparison and does not run live; export one "
            "of the other encoders with --preset kinecast"
        )
    live = LiveDirectModel(network).eval()
    rng = np.random.default_rng(0)
    example = _random_inputs(rng, side)
    tried = [_random_inputs(rng, side) for _ in range(TRIED_PICTURES)]
    spec = ModelSpec(
        name=name,
        inputs=tuple(TensorSpec(n, shape) for n, shape in zip(INPUTS, ((side, side, 3), (1,)), strict=True)),
        outputs=tuple(
            TensorSpec(n, tuple(output.shape[1:]))
            for n, output in zip(OUTPUTS, run_torch(live, example), strict=True)
        ),
        coordinate_names=layout.coordinate_names,
        skeleton_sha=layout.skeleton.sha,
    )
    return export_onnx(
        live, example, path, spec, input_names=INPUTS, output_names=OUTPUTS,
        difference=lambda run: largest_difference(live, run, tried), accepted=PARITY,
    )  # fmt: skip


def _random_inputs(rng: np.random.Generator, side_px: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    image = rng.integers(0, 256, (1, side_px, side_px, 3), dtype=np.uint8)
    return image, rng.normal(1.0, 0.5, (1, 1)).astype(np.float32)
