"""Compiled networks, handed from one engine to the next: compiling takes longer than a short video."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

MOST_IDLE = 16
"""Networks that are kept while nobody runs them; the oldest are dropped."""

_idle: deque[tuple[Hashable, Any]] = deque(maxlen=MOST_IDLE)
"""What compiled networks were compiled from, and they themselves."""


def lent(owner: object, key: Hashable, compiled: Callable[[], Any]) -> Any:
    """A compiled network that nobody else runs; it is free for others once the owner is gone.

    Engines do not share one: it runs one inference at a time.

    Args:
        owner: Engine that runs it.
        key: Everything that the network depends on.
        compiled: Compiles it, if there is none.
    """
    found = _taken(key)
    network = compiled() if found is None else found
    weakref.finalize(owner, _idle.append, (key, network)).atexit = False
    return network


def identity(path: Path) -> Hashable:
    """What tells a network's file from any that lay there before.

    Raises:
        OSError: there is no such file.
    """
    files = [path, *(file for file in (path.with_suffix(".bin"),) if file.exists())]
    stats = [(file, file.stat()) for file in files]
    return tuple((str(file.absolute()), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def _taken(key: Hashable) -> Any:
    # Owners may end in any thread, at any moment: every step is one that nothing interrupts.
    for _ in range(len(_idle)):
        try:
            found_key, network = _idle.popleft()
        except IndexError:
            return None
        if found_key == key:
            return network
        _idle.append((found_key, network))
    return None
