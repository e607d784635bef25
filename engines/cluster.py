"""Tasks on a Ray cluster, or on Ray in this machine: connecting to it, demands, retries, and what is lost.

Ray is imported on first use; the extra `cluster` installs it.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from engines.errors import EngineError

Key = TypeVar("Key")
Result = TypeVar("Result")

PROBE_TIMEOUT_S = 5.0
MOST_IN_FLIGHT = 1000
"""Tasks that Ray knows at a time; a cluster is kept busy by fewer, and waiting on more costs time."""
OBJECT_STORE_BYTES = 100_000_000
"""Results are small; videos go through shared storage."""
AUTO = "auto"
_ADDRESS = re.compile(r"(?:ray://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")


class ClusterError(EngineError):
    """A Ray cluster that cannot be reached, or cannot do what is asked."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What one task needs of a machine."""

    cpus: float = 1.0
    memory_bytes: int = 1_500_000_000
    retries: int = 3
    """How often a task is tried again whose machine or process was lost."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The result of a task whose process was lost at every try."""

    reason: str


@contextmanager
def connected(address: str | None, demands: Demands, n_local: int = 1) -> Iterator[None]:
    """A connection to Ray.

    Args:
        address: Address of a cluster, such as `10.0.0.1:6379`, or `AUTO`; None starts Ray on this machine.
        demands: What a task needs; a cluster none of whose machines has it is refused.
        n_local: Tasks at a time on this machine, without an address.

    Raises:
        ClusterError: Ray is not installed, nobody answers at the address, or no machine is large enough.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    _show_token()
    ray = _ray()
    if address is not None and address != AUTO:
        _probe(address)
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            ray.init(
                "local", num_cpus=max(1, round(n_local * demands.cpus)), include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES, **quiet,
            )  # fmt: skip
        else:
            ray.init(address, **quiet)
    except Exception as error:  # Ray raises its own, and plain ones, such as where a machine is too busy
        raise ClusterError(f"{address or 'this machine'}: {_first_line(error)}; {_START}") from error
    try:
        _check_size(ray, demands)
        yield
    finally:
        ray.shutdown()


_START = (
    "start a cluster with: ray start --head, on the others: ray start --address HOST:6379, and run this on "
    "one of its machines"
)


class Tasks(Generic[Key, Result]):
    """Calls a function on the machines of the connected cluster, for one key after another.

    Args:
        function: Function of a module that all machines have.
        demands: What a call needs.
        environment: Environment variables of the processes, beside those of their machine.
    """

    def __init__(
        self,
        function: Callable[[Key], Result],
        demands: Demands,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ray = _ray()
        self._function = self._ray.remote(
            num_cpus=demands.cpus, memory=demands.memory_bytes, max_retries=demands.retries,
            runtime_env={"env_vars": dict(environment)} if environment else None,
        )(_call)  # fmt: skip
        self._called = self._ray.put(function)
        self._waiting: list[Key] = []
        self._running: dict[Any, Key] = {}

    def submit(self, key: Key) -> None:
        """Have the function called with a key at some time."""
        self._waiting.append(key)
        self._fill()

    def next(self) -> tuple[Key, Result | Lost] | None:
        """A key that is done and its result, in any order; None when none is left.

        Raises:
            ClusterError: the cluster is lost.
            Exception: whatever the function raises.
        """
        self._fill()
        if not self._running:
            return None
        (ready,), _ = self._ray.wait(list(self._running), num_returns=1)
        key = self._running.pop(ready)
        try:
            return key, self._ray.get(ready)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from error
        except self._ray.exceptions.RaySystemError as error:
            raise ClusterError(f"the Ray cluster is lost ({_first_line(error)}); {_START}") from error
        except self._ray.exceptions.RayError as error:
            return key, Lost(f"its process was lost at every try: {_first_line(error)}")

    def _fill(self) -> None:
        while self._waiting and len(self._running) < MOST_IN_FLIGHT:
            key = self._waiting.pop(0)
            self._running[self._function.remote(self._called, key)] = key


def _show_token() -> None:
    """Let Ray show the user's token, if there is one, before it first speaks to a cluster."""
    has_token = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    if has_token or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _call(function: Callable[[Any], Any], key: Any) -> Any:
    return function(key)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ClusterError(
            "several workers and clusters need Ray, which is not installed: pip install 'kinecast[cluster]'; "
            "without it, work goes on in this process with --workers 1"
        ) from error
    return ray


def _probe(address: str) -> None:
    """Refuse at once an address at which nobody answers: Ray itself tries for minutes, and ends the process.

    Raises:
        ClusterError: nobody answers, or it is no address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ClusterError(f"{address!r} is no address of a Ray cluster; accepted: HOST:PORT, or {AUTO}")
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), PROBE_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"{address}: no Ray cluster answers there ({error}); {_START}") from error


def _check_size(ray: Any, demands: Demands) -> None:
    sizes = [
        (node["Resources"].get("CPU", 0.0), node["Resources"].get("memory", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]
    if not any(cpus >= demands.cpus and memory >= demands.memory_bytes for cpus, memory in sizes):
        largest = ", ".join(f"{cpus:g} cores and {memory / 1e9:.1f} GB" for cpus, memory in sizes)
        raise ClusterError(
            f"a task needs {demands.cpus:g} cores and {demands.memory_bytes / 1e9:.1f} GB, but the machines "
            f"have {largest or 'none'}; ask for less: --cpus, --memory"
        )


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
