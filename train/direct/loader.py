"""The order of training images, and their batches."""

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
    """The endless order of training images, as batches of (draw, index); it starts at any draw.

    Each epoch is a permutation that depends on seed and epoch. Sources without random access are read in
    order.

    Args:
        source: Source of the images.
        batch_size: Batch size of one process.
        first_draw: Number of images drawn before, by all processes.
        seed: Seed of the permutations.
        rank: Number of this process.
        n_ranks: Number of processes.
        n_batches: Number of batches to make.
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
        epoch, position = divmod(draw, self._n)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = np.random.default_rng([self._seed, epoch]).permutation(self._n)
        return int(self._permutation[position])


def loader(
    examples: DirectExamples,
    order: Iterable[list[tuple[int, int]]] | range,
    *,
    batch_size: int = 64,
    workers: int,
    pin: bool = False,
) -> DataLoader[DirectBatch]:
    """Batches, made in advance by worker processes.

    Args:
        examples: Examples to draw from.
        order: Batches of (draw, index), such as `Order`; a range of indices is read once.
        batch_size: Batch size for a range.
        workers: Number of worker processes; 0 makes the batches in this process.
        pin: Whether to pin memory for a GPU.
    """
    batches: Iterable[list[object]] = (
        _split(order, batch_size) if isinstance(order, range) else cast(Iterable[list[object]], order)
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
    """Limit OpenCV to one thread, and leave Ctrl-C to the main process."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
