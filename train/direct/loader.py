"""In which order pictures are learnt from, and the batches of them."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from typing import cast

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from train.direct.examples import DirectBatch, DirectExamples, collate
from train.direct.sources import PictureSource


class Order:
    """The endless order in which pictures are seen, as batches of (draw, picture); starts anywhere.

    Each epoch is a permutation of its own, a function of seed and epoch. Sources that are drawn in order are
    seen in order.

    Args:
        source: Of the pictures.
        batch_size: Of one process.
        first_draw: Pictures that were seen before, by all processes.
        seed: Of the permutations.
        rank: Which process this is.
        n_ranks: How many there are.
        n_batches: How many to make.
    """

    def __init__(
        self,
        source: PictureSource,
        batch_size: int,
        *,
        first_draw: int = 0,
        seed: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
        n_batches: int,
    ) -> None:
        self._n, self._shuffled = len(source), source.is_random_access
        self._batch_size, self._seed = batch_size, seed
        self._first_draw, self._n_batches = first_draw, n_batches
        self._rank, self._n_ranks = rank, n_ranks
        self._epoch, self._permutation = -1, np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch in range(self._n_batches):
            first = self._first_draw + (batch * self._n_ranks + self._rank) * self._batch_size
            yield [(draw, self._picture(draw)) for draw in range(first, first + self._batch_size)]

    def _picture(self, draw: int) -> int:
        if not self._shuffled:
            return draw
        epoch, place = divmod(draw, self._n)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = np.random.default_rng([self._seed, epoch]).permutation(self._n)
        return int(self._permutation[place])


def loader(
    examples: DirectExamples, order: Order | range, *, batch_size: int = 64, workers: int, pin: bool = False
) -> DataLoader[DirectBatch]:
    """Batches, made ahead by worker processes.

    Args:
        examples: What to draw from.
        order: Of the batches; a range of numbers goes through them once.
        batch_size: With a range.
        workers: Processes; 0 makes them in this one.
        pin: For a GPU.
    """
    batches: Iterable[list[object]] = (
        cast(Iterable[list[object]], order) if isinstance(order, Order) else _split(order, batch_size)
    )
    return DataLoader(
        cast(Dataset[DirectBatch], examples),  # of which `collate` makes batches
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
        persistent_workers=False,
        worker_init_fn=start_worker,
        multiprocessing_context="spawn" if workers else None,
    )


def _split(numbers: range, size: int) -> list[list[object]]:
    return [list(numbers[k : k + size]) for k in range(0, len(numbers), size)]


def start_worker(worker: int) -> None:
    """A worker must not fight the network for cores, and Ctrl-C is for the process that waits for it."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
