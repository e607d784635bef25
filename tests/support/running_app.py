"""`kinecast app` in a process of its own, with trackers that need no network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from realtime.control.messages import ControlError, read_control_file
from tests.support.kinecast_process import ROOT


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningApp:
    """A running app."""

    process: subprocess.Popen[bytes]
    port: int
    recordings: Path
    state: Path
    log_path: Path
    scheme: str = "http"

    @property
    def printed(self) -> str:
        """What it has printed so far, errors included."""
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def control_path(self) -> Path:
        """The control file of its tracker."""
        return self.state / "kinecast" / "app" / f"app-{self.port}.control.json"


@contextmanager
def running_app(
    folder: Path,
    *words: str,
    port: int | None = None,
    ends_tracker: bool = True,
    program: str = "tests.support.swinging",
    cwd: Path = ROOT,
) -> Iterator[RunningApp]:
    """The app, once it answers; killed at the end if it still runs.

    Args:
        folder: Folder for recordings and state.
        words: Further words of the command line.
        port: Port; None takes a free one.
        ends_tracker: Whether a tracker that is left at the end is killed, too.
        program: Module to run; `realtime.cli` tracks with the real networks.
        cwd: Folder at which the paths that users type begin.
    """
    port = port or free_port()
    command = ["app", "--no-browser", "--port", str(port), "--recordings", str(folder / "recordings"), *words]
    # NiceGUI does not serve where it finds itself under pytest.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    own = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    log_path = folder / "app.log"
    with log_path.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", program, *command],
            cwd=cwd,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=inherited | own,
        )
    scheme = "https" if "--certificate" in words else "http"
    app = RunningApp(process, port, folder / "recordings", folder / "state", log_path, scheme)
    try:
        wait_until_listening(app)
        yield app
    finally:
        process.kill()
        process.wait()
        if ends_tracker:
            end_tracker(app)


def end_tracker(app: RunningApp) -> None:
    """Kill the tracker that a killed app has left behind, as it should."""
    with suppress(ControlError, ProcessLookupError):
        os.kill(read_control_file(app.control_path).pid, signal.SIGKILL)


def wait_until_listening(app: RunningApp, timeout_s: float = 90.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while True:
        assert app.process.poll() is None, app.printed
        assert time.monotonic() < deadline_s, "the app never answered"
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", app.port)) == 0:
                return
        time.sleep(0.05)


def status_of(url: str, **headers: str) -> int:
    """Status of the answer to a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30.0) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
