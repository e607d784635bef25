"""`kinecast` with an estimator that needs no network, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FREE_PORT = "tcp://127.0.0.1:*"


@contextmanager
def running(*words: str, prelude: str = "") -> Iterator[subprocess.Popen[str]]:
    """The process, killed at the end if it still runs.

    Args:
        words: of the command line.
        prelude: Python that is run first, such as to set a limit.
    """
    program = ["-m", "tests.support.swinging"]
    if prelude:
        main = "runpy.run_module('tests.support.swinging', run_name='__main__')"
        program = ["-c", f"{prelude}; import runpy, sys; sys.argv[0] = 'kinecast'; {main}"]
    process = subprocess.Popen(
        [sys.executable, *program, *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def published_address(process: subprocess.Popen[str]) -> str:
    """Wait until a process publishes."""
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        if match := re.search(r"publishing at (\S+)", line):
            return match[1]
    raise AssertionError(f"it never published: {process.stderr.read()}")
