"""The tracker's process: started, watched and ended by the app, which it outlives."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from realtime.app import command
from realtime.app.options import AppError
from realtime.control.messages import ControlError, ControlFile, TrackerState, read_control_file
from realtime.control.remote import Remote
from realtime.recording.private_file import make_private

WATCH_S = 0.2
"""Interval at which the tracker is asked for its state."""
SILENCE_S = 4.0
"""Time without an answer that is reported: a tracker that ends is silent for a moment, too."""
END_TIMEOUT_S = 60.0
"""Longest wait for a tracker that finishes its files."""
MOST_LOG_BYTES = 20_000


class Phase(StrEnum):
    """What the tracker is doing."""

    OFF = "off"
    """None was started."""
    STARTING = "starting"
    RUNNING = "running"
    SILENT = "silent"
    """It runs, and does not answer."""
    ENDED = "ended"
    """It has ended by itself, or was ended."""


class Tracker:
    """One tracker at a time; methods may be called from any thread.

    It takes orders through a file in `folder`, by which an app that is started anew finds it again. What it
    prints is in a file, too: no pipe of the app can break it.

    Args:
        folder: Private folder of the control file and the messages.
        name: Beginning of the names of these files, so that several apps can share a folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.control_path, self.log_path = folder / f"{name}.control.json", folder / f"{name}.log"
        self.phase = Phase.OFF
        self.state: TrackerState | None = None
        """Newest state of a tracker that runs."""
        self.source = ""
        """Source that the newest tracker was started with, as the user has named it."""
        self.exit_code: int | None = None
        """Exit code of a tracker that has ended; None where it is not known."""
        self.is_told_to_end = False
        """Whether the newest tracker was asked to end."""
        self.n_runs = 0
        """Number of trackers found or started so far."""
        self._words: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._file: ControlFile | None = None
        self._heard_s = -math.inf
        self._using = threading.Lock()
        self._is_closing = threading.Event()
        self._attach()
        self._watcher = threading.Thread(target=self._watch, name="kinecast-watch", daemon=True)
        self._watcher.start()

    @property
    def is_on(self) -> bool:
        """Whether there is a tracker that has not ended."""
        return self.phase in (Phase.STARTING, Phase.RUNNING, Phase.SILENT)

    def start(self, source: str, words: Sequence[str]) -> None:
        """Start a tracker.

        Args:
            source: Source, as the user has named it.
            words: Further words for `kinecast live`.

        Raises:
            AppError: one is running, or the process cannot be started.
        """
        with self._using:
            if self.is_on:
                raise AppError("the tracker is running already; stop it first")
            self.source, self._words = source, list(words)
            self._start()

    def restart(self) -> None:
        """Start the last tracker once more.

        Raises:
            AppError: as for `start`.
        """
        with self._using:
            if self.is_on or not self.source:
                raise AppError("there is no tracker to start again")
            self._start()

    def stop(self) -> None:
        """Ask the tracker to end; it finishes its recording first."""
        self.is_told_to_end = True
        with suppress(ControlError):
            remote = self.remote()
            try:
                remote.stop()
                return
            finally:
                remote.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()  # as Ctrl-C: files are finished

    def wait(self, timeout_s: float = END_TIMEOUT_S) -> bool:
        """Wait for the end; False if it takes longer."""
        end_s = time.monotonic() + timeout_s
        while self.is_on and time.monotonic() < end_s:
            time.sleep(0.05)
        return not self.is_on

    def remote(self) -> Remote:
        """A remote control of the tracker that runs, for one thread.

        Raises:
            ControlError: there is none.
        """
        file = self._file
        if file is None:
            raise ControlError("the tracker does not run; start it first")
        return Remote(file)

    def messages(self, n_most: int = 12) -> list[str]:
        """Last lines that the tracker has printed."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - MOST_LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if line.strip()][-n_most:]

    def close(self) -> None:
        """Leave the tracker alone from now on."""
        self._is_closing.set()
        self._watcher.join()

    def _start(self) -> None:
        self.control_path.unlink(missing_ok=True)
        words = [*command.PROGRAM, "live", "--source", self.source, "--no-window", *self._words]
        words += ["--control", str(self.control_path), "--publish", "tcp://127.0.0.1:*"]
        try:
            make_private(self.log_path)
            with self.log_path.open("wb") as log:
                # In a session of its own, so that Ctrl-C reaches the app alone, which ends it in order.
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise AppError(f"the tracker cannot be started: {error}") from error
        self._file = self.state = self.exit_code = None
        self.is_told_to_end = False
        self.phase, self.n_runs = Phase.STARTING, self.n_runs + 1

    def _attach(self) -> None:
        """Find the tracker of an earlier app."""
        with suppress(ControlError):
            self._file = read_control_file(self.control_path)
            remote = Remote(self._file, timeout_s=1.0)
            try:
                self.state = remote.state()
            finally:
                remote.close()
            self.phase, self.n_runs, self.source = Phase.RUNNING, 1, self.state.source
            return
        self._file = None

    def _watch(self) -> None:
        remote: Remote | None = None
        watched: ControlFile | None = None
        while not self._is_closing.wait(WATCH_S):
            with self._using:
                if not self.is_on:
                    continue
                self._look_at_process()
                if self._file is not watched:
                    if remote is not None:
                        remote.close()
                    watched = self._file
                    remote = None if watched is None else Remote(watched, timeout_s=1.0)
            if remote is not None and self.is_on:
                self._ask(remote, watched)
        if remote is not None:
            remote.close()

    def _look_at_process(self) -> None:
        """Notice the end of the process, and the beginning of its control."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._end(code)
        elif self._file is None:
            with suppress(ControlError):
                self._file = read_control_file(self.control_path)

    def _ask(self, remote: Remote, file: ControlFile | None) -> None:
        try:
            state = remote.state()
        except ControlError:
            with self._using:
                if self._file is not file or not self.is_on:
                    return
                if self._process is None:  # of an earlier app: without an answer, it is gone
                    self._end(None)
                elif time.monotonic() - self._heard_s > SILENCE_S:
                    self.phase = Phase.SILENT
            return
        with self._using:
            if self._file is file and self.is_on:
                self.state, self.phase, self._heard_s = state, Phase.RUNNING, time.monotonic()

    def _end(self, code: int | None) -> None:
        self.phase, self.exit_code = Phase.ENDED, code
        self._process = self._file = self.state = None
