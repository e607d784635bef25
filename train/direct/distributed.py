"""Training in several processes: the rank of this process and the process group of `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Rank:
    """One of the processes that train together, and its device."""

    index: int
    """Number of this process, from 0."""
    count: int
    """Number of processes."""
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process prints, logs and writes checkpoints."""
        return self.index == 0


@contextmanager
def distributed_context() -> Iterator[Rank]:
    """Join the process group if `torchrun` started this process; otherwise run alone.

    Yields:
        The rank of this process.
    """
    index, count = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    if count > 1:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Rank(index, count, device)
    finally:
        if count > 1:
            distributed.destroy_process_group()
