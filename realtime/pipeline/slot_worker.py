"""A thread that takes items out of a slot and works on them, one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from realtime.pipeline.slot import LatestSlot, SlotClosed, SlotPolicy

T = TypeVar("T")


class SlotWorker(Generic[T]):
    """Works on what is put, in the order in which it came; starts at once.

    Args:
        name: of the thread.
        work: called with each item; an error ends the worker and is raised by the next `put` or by `close`.
        policy: WAIT makes `put` wait for room; LATEST drops the oldest item that waits.
        depth: how many items may wait.
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
            BaseException: the work failed, and nobody was told yet.
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
