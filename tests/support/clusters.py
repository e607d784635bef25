"""Ray clusters of several nodes on loopback, without `ray stop`, which would stop those of others, too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": uuid.uuid4().hex,
    # Lost nodes are noticed within seconds instead of half a minute.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
"""Of all nodes, and of what connects to them."""


class Node:
    """One `ray start`, with everything that it starts.

    Args:
        words: Words after `ray start`.
    """

    def __init__(self, *words: str) -> None:
        program = "from ray.scripts.scripts import main; main()"
        ray = [
            sys.executable,
            "-c",
            program,
            "start",
            "--block",
            "--node-ip-address=127.0.0.1",
            "--num-cpus=1",
        ]
        memory = ["--memory=2000000000", "--object-store-memory=100000000"]
        self._process = subprocess.Popen(
            [*ray, *memory, *words],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def is_working(self) -> bool:
        """Whether one of its workers is at a task now, by the title that Ray gives the process."""
        for pid in descendants(self._process.pid):
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if title.startswith(b"ray::_call"):
                return True
        return False

    def kill(self) -> None:
        """End all its processes at once, as a power cut would."""
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()


def descendants(pid: int) -> list[int]:
    """Children of a process, their children, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue  # it has ended
    found, last = [], {pid}
    while last := {child for child, parent in parents.items() if parent in last}:
        found += sorted(last)
    return found


@contextmanager
def two_nodes() -> Iterator[tuple[str, Node, Node]]:
    """Address of a cluster of two nodes with a core each, its head, and its other node."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    nodes = [Node("--head", f"--port={port}", "--include-dashboard=false")]
    try:
        _wait_for(address, nodes[0])
        nodes.append(Node(f"--address={address}"))
        _wait_for_both(address)
        yield address, nodes[0], nodes[1]
    finally:
        for node in reversed(nodes):
            node.kill()


def _wait_for(address: str, head: Node) -> None:
    host, port = address.split(":")
    for _ in range(600):
        assert not head.has_ended, "ray start failed"
        try:
            socket.create_connection((host, int(port)), 1.0).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Ray never answered")


BOTH = """
import sys, time, ray
for _ in range(60):
    try:
        if not ray.is_initialized():
            ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
        if sum(node["Alive"] for node in ray.nodes()) == 2:
            sys.exit(0)
    except (ConnectionError, RuntimeError):
        pass
    time.sleep(1.0)
sys.exit("the nodes never met")
"""


def _wait_for_both(address: str) -> None:
    environment = {**os.environ, **ENVIRONMENT}
    subprocess.run([sys.executable, "-c", BOTH, address], env=environment, check=True, cwd=ROOT, timeout=600)
