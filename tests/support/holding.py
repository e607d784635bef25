"""A task that tells by a lock how long its process lives."""

from __future__ import annotations

import fcntl
import sys
from functools import partial
from pathlib import Path
from typing import IO

from train.blazepose.pictures import make_files

_held: list[IO[str]] = []


def hold(path: Path, number: int) -> None:
    """Lock a file until the process ends."""
    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    _held.append(file)


def main() -> None:
    """Make files in one worker, and wait once the first is made."""
    folder = Path(sys.argv[1])
    for _ in make_files(folder, partial(hold, folder / "held"), [1], 1):
        print("made", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
