"""Threads that end together, and a thread that works on the items of a slot."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from realtime.pipeline.slot import LatestSlot, SlotClosed, SlotPolicy

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class WorkerThreads:
    """The running threads and the first error of any of them."""

    threads: list[threading.Thread] = field(default_factory=list)
    error: BaseException | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _n_running: int = 0

    def start(self, name: str, work: Callable[[], None], on_error: Callable[[], None]) -> None:
        """Run `work` in a thread; keep its error if it is the first."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # re-raised in the main thread
                self.fail(error)
                on_error()
            finally:
                with self._lock:
                    self._n_running -= 1
                    if not self._n_running:
                        self.finished.set()

        with self._lock:
            self._n_running += 1
        self.threads.append(threading.Thread(target=run, name=f"kinecast-{name}", daemon=True))
        self.threads[-1].start()

    def fail(self, error: BaseException) -> None:
        """Keep the first error."""
        with self._lock:
            if self.error is None:
                self.error = error

    def join(self, timeout_s: float, longer_s: Mapping[str, float] | None = None) -> None:
        """Wait for all threads, for a limited time.

        Args:
            timeout_s: Time for all threads together.
            longer_s: Time for single threads, by name.
        """
        start_s = time.monotonic()
        for thread in self.threads:
            limit_s = (longer_s or {}).get(thread.name.removeprefix("kinecast-"), timeout_s)
            thread.join(max(0.0, start_s + limit_s - time.monotonic()))
            if thread.is_alive():
                logger.warning("thread %s has not stopped within %.0f s; leaving it", thread.name, limit_s)


class SlotWorker(Generic[T]):
    """Works on what is put, in the order in which it came; starts at once.

    Args:
        name: Name of the thread.
        work: Function called with each item. Its error ends the worker; the next `put` or `close` raises
            it.
        policy: WAIT makes `put` wait for room; LATEST drops the oldest item that waits.
        depth: Number of items that may wait.
    """

    def __init__(self, name: str, work: Callable[[T], None], policy: SlotPolicy, depth: int) -> None:
        self._work = work
        self._slot: LatestSlot[T] = LatestSlot(policy, depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"kinecast-{name}", daemon=True)
        self._thread.start()

    @property
    def n_dropped(self) -> int:
        """Items that were never worked on."""
        return self._slot.n_dropped

    def put(self, item: T) -> None:
        """Leave an item for the thread.

        Raises:
            BaseException: the work on an earlier one failed.
        """
        self._slot.put(item)
        self._raise()

    def close(self) -> None:
        """Return once everything is done.

        Raises:
            BaseException: the work failed, and no `put` has raised the error yet.
        """
        self._slot.close()
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        try:
            while True:
                item = self._slot.get()
                if item is not None:
                    self._work(item)
        except SlotClosed:
            pass
        except BaseException as error:  # raised again by whoever puts the next item
            self._error = error
            self._slot.close(discard=True)
