"""A screen for tests that open windows."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.environment import SYSTEM_PACKAGES, missing


@contextmanager
def virtual_screen() -> Iterator[dict[str, str]]:
    """An environment whose DISPLAY is an Xvfb of its own. Skips without one, except in CI."""
    if shutil.which("Xvfb") is None:
        missing(f"needs Xvfb; {SYSTEM_PACKAGES}")
    folder = tempfile.mkdtemp(prefix="kinecast-screen-")
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        [
            *("Xvfb", "-displayfd", str(write_end), "-screen", "0", "1400x1000x24"),
            *("-nolisten", "tcp", "-fbdir", folder, "-nocursor"),
        ],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        environment = {k: v for k, v in os.environ.items() if k != "WAYLAND_DISPLAY"}
        # Without the second one, window libraries complain.
        yield environment | {"DISPLAY": f":{number}", "XDG_RUNTIME_DIR": folder}
    finally:
        server.terminate()
        server.wait(10.0)
        shutil.rmtree(folder, ignore_errors=True)


def screenshot(environment: dict[str, str]) -> NDArray[np.uint8]:
    """What a virtual screen shows now, BGR. Shape: (height, width, 3)."""
    # X window dump: a header of big-endian numbers, colours of 12 bytes each, and rows of BGRX pixels.
    content = (Path(environment["XDG_RUNTIME_DIR"]) / "Xvfb_screen0").read_bytes()
    header = np.frombuffer(content, ">u4", 25)
    start, width, height = int(header[0] + 12 * header[19]), int(header[4]), int(header[5])
    rows = np.frombuffer(content, np.uint8, height * int(header[12]), start).reshape(height, -1)
    return rows[:, : 4 * width].reshape(height, width, 4)[..., :3]
