"""Inputs to calibrate and compare engines with, and running a network over them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.runtimes.engine import Engine
from engines.spec import ModelSpec

MAX_COMPARED = 500
MAX_CALIBRATION = 300
N_RANDOM = 64
IMAGE = "image"
"""An input of this name takes bytes; all others take float32."""
STEP = "dt_s"
"""Seconds since the last frame: what a network that remembers takes."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInputs:
    """Many inputs of one network; in order of time for one that remembers."""

    arrays: tuple[NDArray[Any], ...]
    """For each of the spec's inputs, all of them. Shapes: (n, ...)."""
    source: str
    """What they are, for people."""
    is_random: bool = False
    """Whether they are noise, which says nothing about typical values."""

    def __len__(self) -> int:
        return len(self.arrays[0])

    def part(self, index: NDArray[np.integer] | slice) -> NetworkInputs:
        """Some of them."""
        return NetworkInputs(tuple(a[index] for a in self.arrays), self.source, self.is_random)

    def n_batches(self, size: int) -> int:
        """Number of calls that take in all of them."""
        return -(-len(self) // size)

    def batch(self, k: int, size: int) -> tuple[NDArray[Any], ...]:
        """The inputs of one call; the last ones are filled up with the very last. Shapes: (size, ...)."""
        rows = np.minimum(np.arange(k * size, (k + 1) * size), len(self) - 1)
        return tuple(a[rows] for a in self.arrays)

    def split(self, remembers: bool) -> tuple[NetworkInputs, NetworkInputs]:
        """Those to calibrate with and those to compare with; none is among both.

        Args:
            remembers: Whether their order matters, so that the second are the rest instead of a half spread
                over all.
        """
        n = len(self)
        if n < 2:
            raise EngineError(
                f"{self.source}: {n} inputs; accepted: from 2, better 800",
                name="inputs",
                value=n,
                accepted=(2,),
            )
        if remembers:
            n_calibration = min(MAX_CALIBRATION, n // 2)
            return self.part(slice(n_calibration)), self.part(slice(n_calibration, n))
        compared = np.unique(np.linspace(0, n - 1, min(MAX_COMPARED, max(1, (5 * n) // 8))).astype(int))
        rest = np.setdiff1d(np.arange(n), compared)
        return self.part(rest[:: max(1, -(-len(rest) // MAX_CALIBRATION))]), self.part(compared)


def random_inputs(spec: ModelSpec, n: int = N_RANDOM) -> NetworkInputs:
    """Noise, the same every time: enough to compare numbers, not to calibrate."""
    rng = np.random.default_rng(0)
    arrays: list[NDArray[Any]] = []
    for tensor in spec.inputs:
        shape = (n, *tensor.shape)
        if tensor.name == IMAGE:
            arrays.append(rng.integers(0, 256, shape, dtype=np.uint8))
        elif tensor.name == STEP:
            arrays.append(rng.uniform(0.01, 0.1, shape).astype(np.float32))
        elif tensor.name == "valid":
            arrays.append(np.ones(shape, np.float32))
        else:
            arrays.append(rng.normal(size=shape).astype(np.float32))
    return NetworkInputs(tuple(arrays), "noise", is_random=True)


def load_inputs(path: Path, spec: ModelSpec) -> NetworkInputs:
    """Read inputs from an `.npz` file that has an array for each of the network's inputs, by name.

    Raises:
        EngineError: it cannot be read, lacks one, or the shapes do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise EngineError(
            f"{path}: not an .npz file of arrays ({error})", name="inputs", value=path, accepted=("FILE.npz",)
        ) from error
    arrays: list[NDArray[Any]] = []
    for tensor in spec.inputs:
        if tensor.name not in found:
            raise EngineError(
                f"{path}: has no {tensor.name!r}, which network {spec.name} takes; it has {', '.join(found)}",
                name=tensor.name, accepted=tuple(t.name for t in spec.inputs),
            )  # fmt: skip
        array = found[tensor.name]
        dtype = np.uint8 if tensor.name == IMAGE else np.float32
        if array.shape[1:] != tensor.shape or not np.can_cast(array.dtype, dtype, "same_kind"):
            raise EngineError(
                f"{path}: {tensor.name} is {array.dtype} {array.shape}; network {spec.name} takes "
                f"{np.dtype(dtype)} (n, {', '.join(map(str, tensor.shape))})",
                name=tensor.name, value=array.shape, accepted=tensor.shape,
            )  # fmt: skip
        arrays.append(array.astype(dtype, copy=False))
    if len({len(a) for a in arrays}) != 1:
        lengths = tuple(len(a) for a in arrays)
        raise EngineError(f"{path}: its arrays have different lengths", name="inputs", value=lengths)
    return NetworkInputs(tuple(arrays), path.name)


def run_network(engine: Engine, inputs: NetworkInputs) -> tuple[NDArray[Any], ...]:
    """All answers of an engine, in order, from a fresh state.

    Returns:
        For each output, all answers. Shapes: (n, ...).
    """
    engine.reset_state()
    size = len(engine.inputs[0])
    answers: list[Sequence[NDArray[Any]]] = []
    for k in range(inputs.n_batches(size)):
        answers.append([output.copy() for output in engine.infer(*inputs.batch(k, size))])
    return tuple(np.concatenate(parts)[: len(inputs)] for parts in zip(*answers, strict=True))
