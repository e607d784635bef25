"""The direct network as an ONNX file with its spec; refused unless ONNX Runtime gives what torch gives."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.features.direct_outputs import INPUTS, OUTPUTS
from engines.spec import ModelSpec, TensorSpec, file_sha256
from train.direct.heads import SpatialOutput
from train.direct.layout import SpatialLayout
from train.direct.network import NetworkConfig, SpatialNetwork
from train.errors import TrainError

PARITY = 1e-3
"""Largest difference of any output: rad, m, half sides of the crop."""
TRIED_PICTURES = 8
SURELY_PRESENT = 8.0
"""Log odds of presence."""


class LiveNetwork(nn.Module):
    """What is exported: pictures as cameras give them in, what live use needs out.

    Args:
        network: A network with all heads.
    """

    spread: Tensor

    def __init__(self, network: SpatialNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("spread", network.head.spread)

    def forward(self, image: Tensor, log_reach: Tensor) -> tuple[Tensor, ...]:
        """`engines.features.direct_outputs.OUTPUTS` of one picture.

        Args:
            image: Blue green red, bytes. Shape: (1, side, side, 3).
            log_reach: Shape: (1, 1).
        """
        x = image.flip(3).permute(0, 3, 1, 2).float() / 255.0
        output: SpatialOutput = self.network(x, log_reach)
        assert output.sigma is not None and output.presence is not None
        confidence = (1.0 - (output.sigma / self.spread) ** 2).clamp(0.0, 1.0)
        values = {
            "R_crop_pelvis": output.R_root, "q": output.q, "sigma": output.sigma, "confidence": confidence,
            "scale_factors": output.scale_factors, "joints_m": output.joints_m,
            "markers_m": output.markers_m, "joints_uv": output.joints_uv,
            "presence": torch.sigmoid(output.presence),
        }  # fmt: skip
        return tuple(values[name] for name in OUTPUTS)  # type: ignore[misc]


def untrained_network(encoder: str, layout: SpatialLayout) -> SpatialNetwork:
    """A network fresh from its start, always the same, which takes every picture for one of a person.

    Only its speed means anything: it is that of a trained one.

    Raises:
        TrainError: there is no such encoder.
    """
    torch.manual_seed(0)
    network = SpatialNetwork(NetworkConfig(encoder), layout)
    last = network.head.last
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias[-1] = SURELY_PRESENT
    return network.eval()


def export_spatial(network: SpatialNetwork, layout: SpatialLayout, path: Path, name: str) -> ModelSpec:
    """Write `path` and its spec.

    Args:
        network: In evaluation mode.
        layout: What it gives.
        path: Ends in `.onnx`.
        name: Of the network.

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
    live = LiveNetwork(network).eval()
    rng = np.random.default_rng(0)
    first = _picture(rng, side)
    partial = path.with_suffix(".partial.onnx")
    with warnings.catch_warnings():
        # The sizes of maps become constants, as they are; and this exporter needs no more packages.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            live, tuple(map(torch.from_numpy, first)), str(partial), input_names=list(INPUTS),
            output_names=list(OUTPUTS), dynamo=False,
        )  # fmt: skip
    try:
        shapes = _check_parity(live, partial, [_picture(rng, side) for _ in range(TRIED_PICTURES)])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    spec = ModelSpec(
        name=name,
        inputs=tuple(TensorSpec(n, shape) for n, shape in zip(INPUTS, ((side, side, 3), (1,)), strict=True)),
        outputs=tuple(TensorSpec(n, shape) for n, shape in zip(OUTPUTS, shapes, strict=True)),
        coordinate_names=layout.coordinate_names,
        skeleton_sha=layout.skeleton.sha,
    )
    spec = replace(spec, sha256=file_sha256(path))
    spec.save(path.with_suffix(".json"))
    return spec


def _picture(rng: np.random.Generator, side_px: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    image = rng.integers(0, 256, (1, side_px, side_px, 3), dtype=np.uint8)
    return image, rng.normal(1.0, 0.5, (1, 1)).astype(np.float32)


def _check_parity(
    live: LiveNetwork, path: Path, pictures: list[tuple[NDArray[np.uint8], NDArray[np.float32]]]
) -> list[tuple[int, ...]]:
    """Shapes of the outputs, without the batch."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shapes: list[tuple[int, ...]] = []
    for inputs in pictures:
        with torch.no_grad():
            expected = [t.numpy() for t in live(*map(torch.from_numpy, inputs))]
        actual: list[NDArray[np.float32]] = session.run(list(OUTPUTS), dict(zip(INPUTS, inputs, strict=True)))
        worst = max(float(np.abs(a - b).max()) for a, b in zip(actual, expected, strict=True))
        if not worst < PARITY:
            raise TrainError(
                f"{path}: ONNX Runtime differs from torch by {worst:.2g}; accepted: below {PARITY}"
            )
        shapes = [tuple(array.shape[1:]) for array in expected]
    return shapes
