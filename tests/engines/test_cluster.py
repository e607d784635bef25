"""Tasks on Ray in this machine: results, errors, lost processes; and addresses that are none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engines.cluster import ClusterError, Demands, connected
from tests.support.clusters import ENVIRONMENT, ROOT
from tests.support.environment import import_or_skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_results_errors_and_lost_processes() -> None:
    """Slow: Ray takes seconds to start."""
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.cluster_functions"],
        cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if "(raylet)" not in line]  # Ray tells of retries
    assert set(said) == {"a: A", "b: B", "die: lost", "raised: no such trial"}


@pytest.mark.parametrize(
    "address", ["", "host", "host:port", "http://host:6379/x", "127.0.0.1:1", "256.1.1.1:6379", "[::1]:1"]
)
def test_what_is_no_cluster_is_refused_at_once(address: str) -> None:
    import_or_skip("ray", "install it: pip install -e '.[cluster]'")
    with pytest.raises(ClusterError), connected(address, Demands()):
        pass
