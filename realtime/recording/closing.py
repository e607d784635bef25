"""Closing of several files of which one may fail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Closable(Protocol):
    """A file, or several."""

    def close(self) -> None:
        """Finish it."""


def close_all(files: Iterable[Closable]) -> None:
    """Close all files, also those after one that fails.

    Args:
        files: What to close, in this order.

    Raises:
        Exception: the first one that any of them raised.
    """
    first: Exception | None = None
    for file in files:
        try:
            file.close()
        except Exception as error:  # whatever it is, the others hold somebody's samples
            first = first or error
    if first is not None:
        raise first
