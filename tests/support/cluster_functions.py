"""Functions for workers of a cluster that behave, or misbehave, on purpose; run as a program, calls them."""

from __future__ import annotations

import os
import sys

from engines.cluster import Demands, Lost, Tasks, connected


def work(key: str) -> str:
    """The key in capitals; some keys are trouble."""
    if key == "raise":
        raise ValueError("no such trial")
    if key == "die":
        os._exit(1)
    return key.upper()


def main() -> int:
    small = Demands(memory_bytes=100_000_000, retries=1)
    with connected(None, small, 2):
        tasks: Tasks[str, str] = Tasks(work, small, {"KINECAST_TEST": "1"})
        for key in ("a", "die", "b", "raise"):
            tasks.submit(key)
        while True:
            try:
                found = tasks.next()
            except ValueError as error:
                print(f"raised: {error}")
                continue
            if found is None:
                return 0
            key, result = found
            print(f"{key}: {'lost' if isinstance(result, Lost) else result}")


if __name__ == "__main__":
    sys.exit(main())
