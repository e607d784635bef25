"""One step of a causal network as an ONNX file with its spec; refused unless it streams as torch does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.spec import NEXT, ModelSpec, TensorSpec
from train.onnx_export import RunOnnx, export_onnx, run_torch
from train.temporal.network import CausalNetwork

INPUTS = ("x", "dt_s", "valid")
OUTPUT = "y"
N_FRAMES = 200
PARITY = 1e-4
"""Accepted difference over `N_FRAMES` frames, relative to the scale of the output or the state."""

Array = NDArray[np.float32]


class _Step(nn.Module):
    """`CausalNetwork.step` with a number for `valid`."""

    def __init__(self, network: CausalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, dt_s: Tensor, valid: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Shapes: (b, n_in), (b,), (b,); gives the output and the new state."""
        y, new_state = self.network.step(x, dt_s, valid > 0.5, state)
        return y, *new_state


def export_temporal(
    network: CausalNetwork,
    path: Path,
    name: str,
    *,
    coordinate_names: Sequence[str] = (),
    skeleton_sha: str = "",
    batch: int = 1,
) -> ModelSpec:
    """Write `path` and its spec.

    Args:
        network: Network to export.
        path: Ends in `.onnx`.
        name: Name of the network in the spec.
        coordinate_names: Names of the first outputs.
        skeleton_sha: Hash of the skeleton that it was trained with.
        batch: Number of sequences in parallel.

    Raises:
        TrainError: ONNX Runtime disagrees with torch.
    """
    step = _Step(network).eval()
    names = tuple(network.state_shapes)
    spec = ModelSpec(
        name=name,
        inputs=(TensorSpec("x", (network.n_in,)), TensorSpec("dt_s", ()), TensorSpec("valid", ())),
        outputs=(TensorSpec(OUTPUT, (network.n_out,)),),
        coordinate_names=tuple(coordinate_names),
        skeleton_sha=skeleton_sha,
        states=tuple(TensorSpec(n, shape) for n, shape in network.state_shapes.items()),
    )
    return export_onnx(
        step, (*_frames(network, batch, 1)[0], *_initial_state(network, batch)), path, spec,
        input_names=(*INPUTS, *names), output_names=(OUTPUT, *(n + NEXT for n in names)),
        difference=lambda run: _difference(step, run, batch), accepted=PARITY,
    )  # fmt: skip


def _initial_state(network: CausalNetwork, batch: int) -> list[Array]:
    return [tensor.numpy() for tensor in network.initial_state(batch)]


def _frames(network: CausalNetwork, batch: int, n: int) -> list[tuple[Array, Array, Array]]:
    """Random frames like those of training, at uneven times, some without a person."""
    rng = np.random.default_rng(0)
    mean, scale = network.input_mean.cpu().numpy(), network.input_scale.cpu().numpy()
    return [
        (
            (mean + scale * rng.normal(size=(batch, len(mean)))).astype(np.float32),
            rng.uniform(0.01, 0.1, batch).astype(np.float32) if k else np.zeros(batch, np.float32),
            (rng.random(batch) < 0.8).astype(np.float32),
        )
        for k in range(n)
    ]


def _difference(step: _Step, run: RunOnnx, batch: int) -> float:
    """Largest difference between ONNX Runtime and torch, each with its own state; see `PARITY`."""
    network = step.network
    state = ort_state = _initial_state(network, batch)
    scale = network.answer_scale.numpy()
    differences = []
    for frame in _frames(network, batch, N_FRAMES):
        y, *state = run_torch(step, (*frame, *state))
        ort_y, *ort_state = run((*frame, *ort_state))
        is_valid = frame[2] > 0.5
        differences.append((np.abs(ort_y - y) / scale)[is_valid].max(initial=0.0))
        for torch_value, ort_value in zip(state, ort_state, strict=True):
            size = max(1.0, float(np.abs(torch_value).max()))
            differences.append(np.abs(torch_value - ort_value).max() / size)
    return float(np.max(differences))
