"""Atomic writing of array files."""

from __future__ import annotations

import os
import tempfile
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
