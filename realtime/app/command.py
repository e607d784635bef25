"""Other commands of kinecast, run by the app in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from realtime.app.options import AppError

PROGRAM: tuple[str, ...] = (sys.executable, "-m", "realtime.cli")
"""How kinecast is started."""
TIMEOUT_S = 600.0
MOST_LINES = 200


def run_kinecast(*words: str) -> None:
    """Run a command to its end.

    Raises:
        AppError: it has failed; the text is the command's own.
    """
    try:
        done = subprocess.run([*PROGRAM, *words], capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AppError(f"kinecast {words[0]} cannot be run: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        raise AppError(lines[-1].removeprefix("kinecast: ") if lines else f"kinecast {words[0]} has failed")


class RunningCommand:
    """A command that takes a while, with the lines that it prints.

    Args:
        words: Words of the command line.

    Raises:
        AppError: it cannot be started.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.lines: list[str] = []
        """Lines printed so far, at most `MOST_LINES` of them."""
        try:
            self._process = subprocess.Popen(
                [*PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise AppError(f"kinecast {words[0]} cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read, name="kinecast-command", daemon=True)
        self._reader.start()

    @property
    def exit_code(self) -> int | None:
        """Exit code; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End it, as Ctrl-C would."""
        if self.exit_code is None:
            self._process.terminate()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip():
                self.lines = [*self.lines, line.rstrip()][-MOST_LINES:]
