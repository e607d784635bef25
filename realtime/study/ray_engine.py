"""Has the tasks of a study done by Ray, on this machine or on a cluster."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2

from engines.cluster import Demands, Lost, Tasks, connected
from realtime.study.outcome import Outcome, TrialStatus
from realtime.study.place import is_url
from realtime.study.tasks import Task, kinecast_version
from realtime.study.work import Track, TrialInterrupted, do_task


class RayEngine:
    """Does tasks in the workers of a cluster, each with everything it needs from shared storage.

    Args:
        track: Tracks a video; a function of a module.
        address: Address of a cluster; None starts Ray on this machine.
        workers: Tasks at a time on this machine, without an address.
        demands: What a task needs of a machine.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, track: Track, *, address: str | None, workers: int, demands: Demands) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(connected(address, demands, workers))
        self._tasks: Tasks[Task, Outcome] = Tasks(_Worker(track, kinecast_version(), demands.cpus), demands)

    def submit(self, task: Task) -> None:
        """Have a task done at some time."""
        self._tasks.submit(task)

    def next(self) -> tuple[Task, Outcome] | None:
        """A task that is done; one whose worker died at every try has failed."""
        found = self._tasks.next()
        if found is None:
            return None
        task, outcome = found
        if isinstance(outcome, Lost):
            return task, task.outcome(TrialStatus.FAILED, reason=outcome.reason)
        return task, outcome

    def close(self) -> None:
        """Stop the workers; what they are at is dropped."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class _Worker:
    """What a worker process calls."""

    track: Track
    version: str
    cpus: float

    def __call__(self, task: Task) -> Outcome:
        """Do one task, unless this machine would do it otherwise."""
        here = kinecast_version()
        if here != self.version:
            reason = f"a machine has kinecast {here} instead of {self.version}; install the same on all"
            return task.outcome(TrialStatus.FAILED, reason=reason)
        if not is_url(task.out) and not Path(task.out).is_dir():
            reason = "a machine does not see the results' folder; --out must be on storage that all share"
            return task.outcome(TrialStatus.FAILED, reason=reason)
        # Ray limits other libraries by OMP_NUM_THREADS. More threads than cores wait for each other.
        cv2.setNumThreads(max(1, round(self.cpus)))
        try:
            return do_task(task, self.track)
        except TrialInterrupted:  # this machine is being shut down: let another try
            os._exit(1)
