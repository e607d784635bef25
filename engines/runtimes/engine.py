"""What every runtime's network looks like from outside: arrays in, arrays out, in buffers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

Buffers = tuple[NDArray[Any], ...]


class Engine(Protocol):
    """A compiled network. Not safe to share between threads."""

    description: str
    """Runtime, version, device and precision, for people."""

    @property
    def inputs(self) -> Buffers:
        """The input buffers, to fill in place before `infer()` without arguments."""

    def infer(self, *arrays: NDArray[Any]) -> Buffers:
        """Run the network once.

        Args:
            *arrays: One for each input, of its shape; none: the input buffers as they are.

        Returns:
            The output buffers: the next call overwrites them.

        Raises:
            EngineError: wrong number of arrays, or a shape that the network does not take.
        """

    def reset_state(self) -> None:
        """Make a network that remembers forget."""


def fill(buffers: Sequence[NDArray[Any]], arrays: Sequence[NDArray[Any]]) -> None:
    """Copy the arguments of `Engine.infer` into the input buffers.

    Raises:
        EngineError: wrong number of arrays, or a shape that the network does not take.
    """
    if arrays and len(arrays) != len(buffers):
        raise EngineError(f"the network takes {len(buffers)} arrays, got {len(arrays)}")
    for buffer, array in zip(buffers, arrays, strict=False):
        if buffer.shape != array.shape:
            raise EngineError(f"the network takes an array of shape {buffer.shape}, got {array.shape}")
        np.copyto(buffer, array)
