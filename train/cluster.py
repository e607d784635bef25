"""Work on a Ray cluster in processes of one thread each, so that sums round as they do on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Generic, TypeVar

import cv2

from engines.cluster import Demands, Lost, Tasks, connected
from train.errors import TrainError

Key = TypeVar("Key")
Result = TypeVar("Result")

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Environment of a process that computes in one thread."""
MEMORY_BYTES = 2_000_000_000


def done_on_cluster(
    address: str, call: Callable[[Key], Result], keys: Iterable[Key]
) -> Iterator[tuple[Key, Result]]:
    """Call a function for each key on the machines of a cluster, and give what is done, in any order.

    Args:
        address: Address of the cluster, such as `10.0.0.1:6379`.
        call: Function of a module; it finds its files under the same paths on all machines.
        keys: What to call it with.

    Raises:
        ClusterError: the cluster cannot be reached, or is lost.
        TrainError: a call was lost at every try, or a machine has another version; and whatever it raises.
    """
    demands = Demands(memory_bytes=MEMORY_BYTES)
    with connected(address, demands):
        tasks: Tasks[Key, Result] = Tasks(_Alone(call, _version()), demands, ONE_THREAD)
        for key in keys:
            tasks.submit(key)
        while (found := tasks.next()) is not None:
            key, result = found
            if isinstance(result, Lost):
                raise TrainError(f"{result.reason}; what is done is kept: run the same command again")
            yield key, result


def seen_from_anywhere(path: Path) -> Path:
    """A path that holds in other working folders."""
    return path.expanduser().absolute()


def source_seen_from_anywhere(motions: str) -> str:
    """A source of motion (`train.motion.library.choose_motions`) that holds in other working folders."""
    path = Path(motions).expanduser()
    return str(path.absolute()) if path.exists() else motions


@dataclass(frozen=True, slots=True)
class _Alone(Generic[Key, Result]):
    """What a worker process calls."""

    call: Callable[[Key], Result]
    version: str

    def __call__(self, key: Key) -> Result:
        if (here := _version()) != self.version:
            raise TrainError(
                f"a machine has kinecast {here} instead of {self.version}; install the same on all"
            )
        cv2.setNumThreads(1)
        return self.call(key)


def _version() -> str:
    try:
        return version("kinecast")
    except PackageNotFoundError:
        return "source"
