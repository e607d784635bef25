"""The mailbox between two threads: it holds only the newest items, so that nothing in it gets old."""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class SlotPolicy(StrEnum):
    """What `put` does when the slot is full."""

    LATEST = "latest"
    """Drop the oldest item and count it: live sources cannot wait."""
    WAIT = "wait"
    """Wait until the reader has taken one: files can, and then no frame is lost."""


class SlotClosed(Exception):
    """The writer is done and everything it left has been taken."""


class LatestSlot(Generic[T]):
    """Hands items from one thread to another, `depth` at most at a time.

    Either side may close it. A writer that fails closes it with its error, and the reader gets that
    error instead of `SlotClosed` once it has taken what was left.
    """

    def __init__(self, policy: SlotPolicy = SlotPolicy.LATEST, depth: int = 1) -> None:
        if depth < 1:
            raise ValueError(f"slot depth {depth}; accepted: 1 or more")
        self.policy = policy
        self.depth = depth
        self.n_dropped = 0
        """Items that were put but never taken."""
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Leave an item for the reader.

        Returns:
            False if the slot is closed; the item was not kept.
        """
        with self._changed:
            if self.policy is SlotPolicy.WAIT:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self.depth)
            if self._closed:
                return False
            if len(self._items) == self.depth:
                self._items.popleft()
                self.n_dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the oldest item that is left; None if nothing came in `timeout_s`.

        Raises:
            SlotClosed: closed, and nothing is left.
            BaseException: the error that the slot was closed with, once nothing is left.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            if self._closed:
                raise SlotClosed
            return None

    def close(self, error: BaseException | None = None, *, discard: bool = False) -> None:
        """End the hand-over; only the first call's error counts.

        Args:
            error: Error that the reader gets after the last item.
            discard: Whether items that are left are dropped.
        """
        with self._changed:
            if not self._closed:
                self._error = error
            self._closed = True
            if discard:
                self.n_dropped += len(self._items)
                self._items.clear()
            self._changed.notify_all()
