"""What came of one trial: the values of its row in the table, or why it has none."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from realtime.recording.private_file import write_private

OUTCOME_NAME = "trial.json"
"""File of an outcome; the last that is written, so a folder that has it is complete."""


class TrialStatus(StrEnum):
    """How a trial ended."""

    DONE = "done"
    NOBODY = "nobody"
    """Tracked, but nobody was found; not done again."""
    FAILED = "failed"
    """Not tracked; tried again by the next run."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One trial's row, as `trial.json` holds it."""

    subject: str
    trial: str
    status: TrialStatus
    key: str
    """Hash of everything that the result depends on."""
    reason: str = ""
    """Why nothing was tracked; empty if something was."""
    notes: tuple[str, ...] = ()
    """Warnings, for people."""
    values: dict[str, int | float | str | None] = {}
    """Column -> value."""

    @property
    def is_done(self) -> bool:
        """Whether somebody was tracked."""
        return self.status is TrialStatus.DONE

    @property
    def title(self) -> str:
        """Subject and trial, for people."""
        return f"{self.subject}/{self.trial}"


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write `trial.json`.

    Raises:
        OSError: it cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(outcome), indent=2)
    write_private(folder / OUTCOME_NAME, text + b"\n")


def decode_outcome(data: bytes) -> Outcome | None:
    """An outcome from `trial.json`; None if it is damaged."""
    try:
        return msgspec.json.decode(data, type=Outcome)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
