"""Run a network that remembers, one frame at a time: what `train.temporal.export` writes, live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.selection import FASTEST, EngineChoice, open_network

INPUTS = ("x", "dt_s", "valid")

Array = NDArray[np.float32]


class StatefulEngine:
    """A causal network that keeps its state, with buffers of its own; nothing is allocated per frame.

    Not safe to share between threads.

    Args:
        model_path: The network's ONNX file, its spec beside it; or an engine's folder.
        choice: Choice among the engines built of the file.
        n_threads: CPU threads, where none is built. Steps are too small to share.

    Raises:
        EngineError: the files cannot be read, do not belong together, or are not of such a network.
    """

    def __init__(self, model_path: Path, *, choice: EngineChoice = FASTEST, n_threads: int = 1) -> None:
        loaded = open_network(model_path, choice, n_threads=n_threads)
        self.spec, self._engine, self.description = loaded.spec, loaded.engine, loaded.description
        if not self.spec.states or tuple(t.name for t in self.spec.inputs) != INPUTS:
            raise EngineError(
                f"{model_path}: network {self.spec.name} has inputs "
                f"{', '.join(t.name for t in self.spec.inputs)} and {len(self.spec.states)} states; "
                f"accepted: {', '.join(INPUTS)} and at least one state"
            )
        self._x, self._dt_s, self._valid = self._engine.inputs
        self.reset()

    @property
    def batch(self) -> int:
        """Sequences that run side by side."""
        return len(self._x)

    @property
    def x(self) -> Array:
        """The input buffer, to fill in place before `step()` without `x`. Shape: (batch, n_in)."""
        return self._x

    def reset(self) -> None:
        """Forget everything: the next frame is the first, of another person perhaps."""
        self._engine.reset_state()

    def step(self, x: NDArray[np.floating] | None, dt_s: float, valid: bool) -> Array:
        """Run over one frame of every sequence.

        Args:
            x: Vector of the frame; None: the buffer as it is. Shape: (batch, n_in), or (n_in,) if batch is 1.
            dt_s: Time since the previous frame, 0 at the first.
            valid: Whether somebody is seen. If not, x and the output mean nothing, but time passes.

        Returns:
            The output buffer: the next call overwrites it. Shape: (batch, n_out).

        Raises:
            ValueError: x has another shape, or time runs backwards.
        """
        if not dt_s >= 0.0:
            raise ValueError(f"dt_s is {dt_s}; accepted: from 0. Call reset() when time starts anew")
        if x is not None:
            if x.shape != self._x.shape and (self.batch > 1 or x.shape != self._x.shape[1:]):
                raise ValueError(f"the network takes x of shape {self._x.shape}, got {x.shape}")
            self._x[:] = x
        self._dt_s[:] = dt_s
        self._valid[:] = valid
        return self._engine.infer()[0]
