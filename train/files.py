"""Array files: written whole or not at all, and by one process where several want the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def save_arrays(path: Path, arrays: dict[str, NDArray[np.generic]], *, compress: bool = False) -> None:
    """Write an `.npz` to a temporary file and rename it; several processes may do so at once.

    Raises:
        OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.stem, suffix=".npz.partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if compress:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            else:
                np.savez(file, allow_pickle=False, **arrays)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def made_once(path: Path, make: Callable[[], None]) -> None:
    """Have a file made if it is absent, by one of the processes that want it; the others wait.

    Raises:
        OSError: the folder cannot be written to.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("wb") as lock:
        try:
            import fcntl
        except ImportError:  # Windows: there each makes it, and the last stays
            pass
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make()
