"""Weights in 8 bits, against numpy with the same rounded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from engines.runtimes.openvino_engine import OpenvinoEngine
from engines.runtimes.weight_compression import LARGEST, LEAST_SIZE

RNG = np.random.default_rng(7)
# A row of zeros has no scale of its own.
LARGE = RNG.normal(0.0, 0.05, (LEAST_SIZE + 8, LEAST_SIZE)).astype(np.float32)
LARGE[3] = 0.0
SMALL = RNG.normal(0.0, 0.05, (20, LEAST_SIZE + 8)).astype(np.float32)


def make_network() -> Any:
    """A large linear layer and a small one behind it, as PyTorch exports them."""
    x = ops.parameter([2, LEAST_SIZE], np.float32, name="x")
    hidden = ops.matmul(x, ops.constant(LARGE), False, True)
    out = ops.matmul(ops.relu(hidden), ops.constant(SMALL), False, True)
    hidden.output(0).get_tensor().set_names({"hidden"})
    out.output(0).get_tensor().set_names({"out"})
    return openvino.Model([hidden, out], [x], "toy")


def test_large_matrices_are_rounded_by_row_and_small_ones_are_not() -> None:
    x = RNG.normal(size=(2, LEAST_SIZE)).astype(np.float32)
    hidden, out = OpenvinoEngine(make_network(), n_threads=1, int8_weights=True).infer(x)
    scale = np.abs(LARGE).max(1, keepdims=True) / LARGEST
    rounded = np.round(LARGE / np.where(scale > 0.0, scale, 1.0)) * scale
    np.testing.assert_allclose(hidden, x @ rounded.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out, np.maximum(x @ rounded.T, 0.0) @ SMALL.T, rtol=1e-4, atol=1e-5)
    # Coarser than single precision: the matrix was compressed.
    assert np.abs(hidden - x @ LARGE.T).max() > 1e-3
    exact, _ = OpenvinoEngine(make_network(), n_threads=1).infer(x)
    np.testing.assert_allclose(exact, x @ LARGE.T, rtol=1e-4, atol=1e-5)
