"""What every runtime's network looks like from outside: arrays in, arrays out, in buffers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def check_names(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Refuse tensors that a network does not have.

    Raises:
        EngineError: with the first that is missing, and those that exist.
    """
    known = tuple(known)
    for name in wanted:
        if name not in known:
            raise EngineError(
                f"the network has no tensor {name!r}; accepted: {', '.join(known)}; if the names are right, "
                "export the network again: kinecast train export",
                name="tensor", value=name, accepted=known,
            )  # fmt: skip


def not_fixed(name: str, shape: object) -> EngineError:
    """The error for a tensor whose shape is open: buffers are made once."""
    return EngineError(
        f"{name!r} has shape {shape}; accepted: fixed shapes; export the network again, without dynamic "
        "axes: kinecast train export",
        name=name, value=str(shape),
    )  # fmt: skip
