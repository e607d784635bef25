"""The processes that draw synthetic people."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import Self, TypeVar

import cv2

from train.cluster import ONE_THREAD, done_on_cluster
from train.errors import TrainError
from train.synth.people import PeopleStream
from train.synth.recipe import Recipe

Result = TypeVar("Result")
Key = TypeVar("Key")
Task = Callable[[PeopleStream, Key], Result]
"""A function of a module, called in a worker."""

# Each worker is one thread. More would fight over the cores, and sums of several threads round otherwise:
# images would depend on the number of cores.
_AHEAD = 2


class Workers:
    """Processes that draw from one recipe; used as a context.

    Args:
        recipe: Recipe that is drawn.
        n: Number of processes.
    """

    def __init__(self, recipe: Recipe, n: int) -> None:
        self._recipe, self._n = recipe, n
        context = get_context("spawn")
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(n, context, _start, (self._stop,))

    def __enter__(self) -> Self:
        with one_thread_each():
            for _ in range(self._n):
                self._executor.submit(_draw, self._recipe, _nothing, None)
        return self

    def in_any_order(self, task: Task[Key, Result], keys: Iterable[Key]) -> Iterator[tuple[Key, Result]]:
        """What a task gives for each key, as it is done.

        Raises:
            TrainError: a worker was killed; and whatever the task raises.
        """
        jobs = {self._submit(task, key): key for key in keys}
        for job in as_completed(jobs):
            yield jobs[job], _result(job)

    def in_order(self, task: Task[Key, Result], keys: Iterable[Key]) -> Iterator[Result]:
        """What a task gives for each key, which may be endless, a little ahead of when it is asked for.

        Raises:
            TrainError: a worker was killed; and whatever the task raises.
        """
        jobs: deque[Future[Result]] = deque()
        for key in keys:
            jobs.append(self._submit(task, key))
            if len(jobs) > _AHEAD * self._n:
                yield _result(jobs.popleft())
        while jobs:
            yield _result(jobs.popleft())

    def _submit(self, task: Task[Key, Result], key: Key) -> Future[Result]:
        return self._executor.submit(_draw, self._recipe, task, key)

    def __exit__(self, *error: object) -> None:
        """Stop the processes; what they are at is dropped."""
        self._stop.set()
        self._executor.shutdown(cancel_futures=True)


class ClusterWorkers:
    """Machines of a Ray cluster that draw from one recipe.

    Args:
        recipe: Recipe that is drawn, with paths that all machines have.
        address: Address of the cluster.
    """

    def __init__(self, recipe: Recipe, address: str) -> None:
        self._recipe, self._address = recipe, address

    def in_any_order(self, task: Task[Key, Result], keys: Iterable[Key]) -> Iterator[tuple[Key, Result]]:
        """What a task gives for each key, as it is done.

        Raises:
            ClusterError: the cluster cannot be reached, or is lost.
            TrainError: a task was lost at every try; and whatever the task raises.
        """
        return done_on_cluster(self._address, partial(_draw, self._recipe, task), keys)


class StoppedError(Exception):
    """Another worker failed, or the user gave up."""


def check_stop() -> None:
    """Give up if nobody waits for what this process draws.

    Raises:
        StoppedError: in a worker that is to stop.
    """
    if _stop is not None and _stop.is_set():
        raise StoppedError


_stop: Event | None = None
"""State of a worker process."""


def _start(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and stops this process in order
    begin_worker()


def begin_worker() -> None:
    """Give a worker process one thread, and no longer life than its parent; for pools' initializers."""
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


def _draw(recipe: Recipe, task: Task[Key, Result], key: Key) -> Result:
    check_stop()
    return task(_people(recipe), key)


def _nothing(people: PeopleStream, key: None) -> None:
    """Loads what is drawn from."""


def _result(job: Future[Result]) -> Result:
    try:
        return job.result()
    except BrokenProcessPool as error:
        raise TrainError(
            "a worker process died, perhaps for want of memory; "
            "run the same command again, with fewer --workers"
        ) from error


@contextmanager
def one_thread_each() -> Iterator[None]:
    """For processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
