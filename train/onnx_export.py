"""Export a torch module to ONNX: write, run in ONNX Runtime, compare with torch, write the spec."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from engines.spec import ModelSpec, file_sha256
from train.errors import TrainError

Arrays = Sequence[NDArray[np.generic]]
RunOnnx = Callable[[Arrays], list[NDArray[np.float32]]]
"""Inputs in order to outputs in order, by ONNX Runtime on the CPU."""
Difference = Callable[[RunOnnx], float]
"""Largest difference between ONNX Runtime and torch."""


def export_onnx(
    module: nn.Module,
    example: Arrays,
    path: Path,
    spec: ModelSpec,
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    difference: Difference,
    accepted: float,
) -> ModelSpec:
    """Write `path` and its spec, the network only if ONNX Runtime agrees with torch.

    Args:
        module: Module to export, in evaluation mode.
        example: Inputs to trace the module with.
        path: File to write; its name ends in `.onnx`.
        spec: Description of the network, still without the hash of the file.
        input_names: Names of the inputs in the file.
        output_names: Names of the outputs in the file.
        difference: Comparison with torch, called with a function that runs the written file.
        accepted: Upper limit of the difference.

    Returns:
        The spec with the hash of the file.

    Raises:
        TrainError: ONNX Runtime disagrees with torch; an older file at `path` is kept.
    """
    partial = path.with_suffix(".partial.onnx")
    try:
        with warnings.catch_warnings():
            # Shapes are traced as constants on purpose; the exporter without dynamo needs no more packages.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                module, tuple(torch.from_numpy(np.asarray(a)) for a in example), str(partial),
                input_names=list(input_names), output_names=list(output_names), dynamo=False,
            )  # fmt: skip
        worst = difference(_runner(partial, input_names, output_names))
        if not worst < accepted:
            raise TrainError(
                f"{path}: ONNX Runtime differs from torch by {worst:.2g}; accepted: below {accepted}"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    spec = replace(spec, sha256=file_sha256(path))
    spec.save(path.with_suffix(".json"))
    return spec


def _runner(path: Path, input_names: Sequence[str], output_names: Sequence[str]) -> RunOnnx:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: Arrays) -> list[NDArray[np.float32]]:
        return list(session.run(list(output_names), dict(zip(input_names, inputs, strict=True))))

    return run


@torch.no_grad()
def run_torch(module: nn.Module, inputs: Arrays) -> list[NDArray[np.float32]]:
    """Outputs of a module that returns a tuple of tensors, as arrays."""
    return [output.numpy() for output in module(*(torch.from_numpy(np.asarray(a)) for a in inputs))]


def largest_difference(module: nn.Module, run: RunOnnx, examples: Sequence[Arrays]) -> float:
    """Largest absolute difference of any output over all examples."""
    return max(
        float(np.abs(actual - expected).max())
        for inputs in examples
        for actual, expected in zip(run(inputs), run_torch(module, inputs), strict=True)
    )
