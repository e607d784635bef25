"""The processes that make a set's shards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Self

import cv2

from train.errors import TrainError
from train.people import PeopleStream
from train.synth import Recipe, Shard, write_shard
from train.synth_set import explain

# Each worker is one thread; libraries that start more would fight over the cores.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class ShardPool:
    """Processes that make shards; used as a context.

    Args:
        folder: Of the set.
        recipe: What is drawn.
        workers: Number of processes.
    """

    def __init__(self, folder: Path, recipe: Recipe, workers: int) -> None:
        self._folder, self._recipe = folder, recipe
        context = get_context("spawn")
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(workers, context, _start_worker, (self._stop,))

    def __enter__(self) -> Self:
        self._environment = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        return self

    def make(self, shards: list[Shard]) -> Iterator[Shard]:
        """Make shards and tell each as it is done, in any order.

        Raises:
            TrainError: the disk is full, a worker was killed, or what is drawn from is missing.
        """
        jobs = {self._executor.submit(_make, self._recipe, self._folder, s): s for s in shards}
        try:
            for job in as_completed(jobs):
                job.result()
                yield jobs[job]
        except OSError as error:
            raise explain(error, self._folder) from error
        except BrokenProcessPool as error:
            raise TrainError(
                f"{self._folder}: a worker process died, perhaps for want of memory; complete "
                "shards are kept: run the same command again, with fewer --workers"
            ) from error

    def __exit__(self, *error: object) -> None:
        """Stop the processes; shards that are not complete are dropped."""
        self._stop.set()
        self._executor.shutdown(cancel_futures=True)
        for name, value in self._environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class StoppedError(Exception):
    """Another shard failed, or the user gave up."""


_stop: Event | None = None
"""Of a worker process: set when it should give up."""


def _start_worker(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and stops this process in order
    cv2.setNumThreads(1)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker would wait for work for ever if its parent were killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@lru_cache(maxsize=1)
def _people(recipe: Recipe) -> PeopleStream:
    return recipe.open()


def _make(recipe: Recipe, folder: Path, shard: Shard) -> None:
    write_shard(_people(recipe), shard, folder, _check)


def _check() -> None:
    if _stop is not None and _stop.is_set():
        raise StoppedError
