"""Whose curves and feedback are shown, where several people are tracked."""

from __future__ import annotations

from realtime.app.pages.people import PersonChoice
from realtime.app.state import AppState
from realtime.sample import Status


class LivePeople:
    """A button for each person that the tracker follows."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._choice = PersonChoice(self._choose)
        self.tick()

    def tick(self) -> None:
        """Follow the tracker."""
        running = self._state.tracker.state
        statuses = () if running is None else running.people
        absent = [number for number, status in enumerate(statuses, 1) if status is Status.LOST]
        self._choice.show(range(1, len(statuses) + 1), self._state.feed.person, absent)

    def _choose(self, number: int) -> None:
        self._state.feed.person = number
        self.tick()
