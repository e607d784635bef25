"""The processes that make lift data: they end with the one that started them, however it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

fcntl = pytest.importorskip("fcntl", reason="locks of files as on Linux and macOS")
pytest.importorskip("torch", reason="training needs the extra 'train'")


def is_held(path: Path) -> bool:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_workers_do_not_outlive_a_killed_command(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.support.holding", str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None and command.stdout.readline() == "made\n"
        assert is_held(tmp_path / "held")
        command.kill()
        end_s = time.monotonic() + 60.0
        while is_held(tmp_path / "held"):
            assert time.monotonic() < end_s, "the worker lives on"
            time.sleep(0.1)
