"""Files that only their owner may read: joint angles are personal data."""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def make_private(path: Path) -> None:
    """Let only the owner read a file; creates it if it is missing, and replaces a link by a file.

    Raises:
        OSError: the file cannot be created.
    """
    if path.is_symlink():
        path.unlink()
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
    path.chmod(FILE_MODE)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read.

    Raises:
        OSError: the file cannot be written.
    """
    make_private(path)
    path.write_bytes(content)
