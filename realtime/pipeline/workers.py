"""Threads that end together: the first error of any of them is kept for the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)


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
        """Wait for all threads, but not for ever.

        Args:
            timeout_s: for all together.
            longer_s: names of threads that get more, and how much.
        """
        start_s = time.monotonic()
        for thread in self.threads:
            limit_s = (longer_s or {}).get(thread.name.removeprefix("kinecast-"), timeout_s)
            thread.join(max(0.0, start_s + limit_s - time.monotonic()))
            if thread.is_alive():
                logger.warning("thread %s has not stopped within %.0f s; leaving it", thread.name, limit_s)
