"""How a run ends by Ctrl-C and other signals: once, and with its files finished."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Ending:
    """Handles the signals of a run.

    The first raises KeyboardInterrupt. Later ones are ignored while files are finished, but a third Ctrl-C
    gives up. A closed terminal sends SIGHUP several times, so that only Ctrl-C counts.

    Args:
        recording: Folder of the recording; None without one.
    """

    def __init__(self, recording: Path | None = None) -> None:
        self._recording = recording
        self._is_finishing = False
        self._is_warned = False
        self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]

    def finish(self) -> None:
        """Begin to finish files: from now on, a signal no longer ends the run."""
        self._is_finishing = True

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: the run is to end, or the user gives up its files.
        """
        if number != signal.SIGINT and number != signal.SIGTERM:
            self._leave_terminal()
        if not self._is_finishing:
            self._is_finishing = True
            raise KeyboardInterrupt
        if number != signal.SIGINT:
            return
        if not self._is_warned:
            self._is_warned = True
            _say("finishing; once more to give up")
            return
        if self._recording is not None:
            _say(f"given up; finish the recording with: kinecast recover {self._recording}")
        raise KeyboardInterrupt

    def _leave_terminal(self) -> None:
        """Write nowhere from now on, because writing to a closed terminal fails."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in self._terminals:
            os.dup2(nowhere, fd)
        os.close(nowhere)


@contextmanager
def ended_by_signals(recording: Path | None = None) -> Iterator[Ending]:
    """Let Ctrl-C, SIGTERM of service managers and SIGHUP of a closed terminal end the run.

    Args:
        recording: Folder of the recording; None without one.
    """
    ending = Ending(recording)
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # as of nohup
    for number in handled:
        signal.signal(number, ending.handle)
    try:
        yield ending
    finally:
        for number in handled:
            signal.signal(number, before[number] or signal.SIG_DFL)


def _say(text: str) -> None:
    """Write at once: in a signal handler, Python's own streams may be in use."""
    with suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\nkinecast: {text}\n".encode())
