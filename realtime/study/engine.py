"""Engines do the tasks of a study: this one in this process, `realtime.study.ray_engine` on many machines."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from realtime.study.outcome import Outcome
from realtime.study.tasks import Task
from realtime.study.work import Track, do_task


class Engine(Protocol):
    """Does tasks in any order."""

    def submit(self, task: Task) -> None:
        """Have a task done at some time."""

    def next(self) -> tuple[Task, Outcome] | None:
        """A task that is done, and what came of it; waits for it, and gives None when none is left.

        Raises:
            TrialInterrupted: the user ended the study.
            StudyError: the engine is lost.
        """

    def close(self) -> None:
        """Stop the workers."""


class InProcess:
    """Does one task after another in this process.

    Args:
        track: Tracks a video.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Have a task done at some time."""
        self._tasks.append(task)

    def next(self) -> tuple[Task, Outcome] | None:
        """Do the next task."""
        if not self._tasks:
            return None
        task = self._tasks.popleft()
        return task, do_task(task, self._track)

    def close(self) -> None:
        """Nothing runs between tasks."""
