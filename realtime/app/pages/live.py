"""The live page: image, curves, feedback, neutral pose, recording."""

from __future__ import annotations

from typing import Protocol

from nicegui import run, ui
from nicegui.events import GenericEventArguments, KeyEventArguments

from realtime.app.layout import page_frame, say, until_shown
from realtime.app.options import AppError
from realtime.app.pages.live_curves import CurvesCard
from realtime.app.pages.live_feedback import FeedbackCard
from realtime.app.pages.live_neutral import NeutralCard
from realtime.app.pages.live_people import LivePeople
from realtime.app.state import AppState
from realtime.app.tracker import Phase
from realtime.errors import RealtimeError
from realtime.sample import Status

TICK_S = 0.1
EVENT = "event"
"""Name of an event that was marked without a number."""
STATUS_WORDS = {
    "tracking": "Tracking",
    "unsure": "Unsure: the skeleton does not fit the image",
    "warm_up": "Measuring body size: keep head and feet in view",
    "lost": "Nobody in view",
}


POINT_OF_IMAGE = """(click) => {
    const { target, offsetX, offsetY } = click, { naturalWidth, naturalHeight } = target;
    const scale = Math.min(target.clientWidth / naturalWidth, target.clientHeight / naturalHeight);
    emit((offsetX - target.clientWidth / 2) / (scale * naturalWidth) + 0.5,
         (offsetY - target.clientHeight / 2) / (scale * naturalHeight) + 0.5);
}"""
"""Script that tells where the image was clicked, from 0 to 1; beside it there is nothing."""


class LivePart(Protocol):
    """A part of the page that follows the tracker."""

    def tick(self) -> None:
        """Bring it up to date."""


def add_live_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/live")
    def live_page() -> None:
        with page_frame("Live", "/live", is_dense=True), ui.element("div").classes("kc-live"):
            with ui.element("div").classes("kc-stack"):
                image = ImageCard(state)
                buttons = ButtonsCard(state)
            with ui.element("div").classes("kc-stack"):
                parts: list[LivePart] = [
                    image,
                    buttons,
                    LivePeople(state),
                    NeutralCard(state),
                    FeedbackCard(state),
                    CurvesCard(state),
                ]
        ui.keyboard(on_key=buttons.press)

        async def tick() -> None:
            for part in parts:
                part.tick()
            await until_shown()

        ui.timer(TICK_S, tick)


class ImageCard:
    """The image, or what there is to say instead."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._shown: object = None
        with ui.element("div").classes("kc-image"):
            self._image = ui.element("img").props('alt="Live image with the skeleton"')
            self._image.on("click", self._choose, js_handler=POINT_OF_IMAGE)
            self._over = ui.element("div").classes("kc-over")
        self._line = ui.label().classes("kc-quiet").props("data-status")
        self.tick()

    def tick(self) -> None:
        """Follow the tracker."""
        tracker = self._state.tracker
        phase, n_runs = tracker.phase, tracker.n_runs
        shown = (phase, n_runs, tuple(tracker.messages()) if phase is not Phase.RUNNING else ())
        if shown != self._shown:
            self._shown = shown
            self._over.clear()
            self._over.set_visibility(phase is not Phase.RUNNING)
            self._image.set_visibility(phase is Phase.RUNNING)
            if phase is Phase.RUNNING:
                self._image.props(f'src="/media/live.mjpg?run={n_runs}"')
            else:
                self._image.props(remove="src")
                with self._over:
                    self._explain(phase)
        self._line.set_text(self._status())

    async def _choose(self, event: GenericEventArguments) -> None:
        """Track whoever was clicked, where several people are in view."""
        x, y = (float(share) for share in event.args)
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            return
        try:
            await run.io_bound(self._state.choose_at, x, y)
        except RealtimeError as error:
            say(str(error), is_error=True)

    def _status(self) -> str:
        state, sample = self._state.tracker.state, self._state.feed.newest
        if state is None:
            return ""
        words = [STATUS_WORDS.get(sample.status.value, "")] if sample is not None else ["Waiting for images"]
        if len(state.people) > 1:
            is_lost = sample is not None and sample.status is Status.LOST
            words[0] = f"Person {self._state.feed.person}: {'not in view' if is_lost else words[0]}"
        if sample is not None and sample.message.others:
            words.append(f"{sample.message.others} more in view")
        if state.fps is not None and state.latency_ms is not None:
            words.append(f"{state.fps:.0f} frames/s, {state.latency_ms:.0f} ms behind")
        if self._state.feed.n_missed:
            words.append(f"{self._state.feed.n_missed} samples lost on the way")
        if state.note:
            words.append(state.note)
        return " - ".join(words)

    def _explain(self, phase: Phase) -> None:
        """Say what is the matter, and offer what to do."""
        tracker = self._state.tracker
        if phase is Phase.OFF:
            ui.label("Nothing is being tracked yet")
            ui.button("Choose a camera", on_click=lambda: ui.navigate.to("/"))
            return
        if phase in (Phase.STARTING, Phase.SILENT):
            ui.spinner(size="2.5rem", color="white")
            ui.label("Starting ..." if phase is Phase.STARTING else "The tracker does not answer")
            _show_messages(tracker.messages(3))
            ui.button("Stop", on_click=lambda: run.io_bound(tracker.stop)).props("flat dense color=white")
            return
        if tracker.exit_code == 0 or tracker.is_told_to_end:
            ui.label(f"The tracker has ended: {tracker.source} is over, or was stopped")
        else:
            ui.label("The tracker has stopped unexpectedly. What was recorded is kept.")
            _show_messages(tracker.messages(5))
        with ui.element("div").classes("kc-row"):
            ui.button("Start again", icon="replay", on_click=self._restart).props("data-restart")
            ui.button("Choose another camera", on_click=lambda: ui.navigate.to("/")).props("flat color=white")
            ui.button("Recordings", on_click=lambda: ui.navigate.to("/recordings")).props("flat color=white")

    def _restart(self) -> None:
        try:
            self._state.tracker.restart()
        except AppError as error:
            say(str(error), is_error=True)


class ButtonsCard:
    """What can be ordered: record, neutral pose, stop."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        with ui.element("div").classes("kc-card kc-stack"):
            with ui.element("div").classes("kc-row"):
                self._record = ui.button("Record", icon="fiber_manual_record", on_click=self._toggle)
                self._record.props('color=negative no-caps data-record title="Key: R"')
                self._label = ui.input("Name (optional)").props("outlined dense data-label")
                self._label.style("flex: 1; min-width: 8rem")
                self._line = ui.element("div").classes("kc-recording")
                with self._line:
                    self._dot = ui.element("span").classes("kc-dot")
                    self._text = ui.label().props("data-recording")
                self._mark = ui.button("Mark", icon="flag", on_click=lambda: self._set_mark(EVENT))
                self._mark.props('outline no-caps data-mark title="Keys: E, 1 to 9"')
                self._neutral = ui.button("Neutral", icon="accessibility", on_click=self._relearn)
                self._neutral.props('outline no-caps data-neutral title="Learn the person again; key: N"')
                self._stop = ui.button("Stop", icon="stop", on_click=lambda: run.io_bound(state.tracker.stop))
                self._stop.props("outline no-caps color=grey-8 data-stop")
        self.tick()

    def tick(self) -> None:
        """Follow the tracker."""
        running = self._state.tracker.state
        is_running = running is not None and self._state.tracker.phase is Phase.RUNNING
        for button in (self._record, self._mark, self._neutral):
            button.set_enabled(is_running)
        self._stop.set_enabled(self._state.tracker.is_on)
        folder = running.recording if running is not None else ""
        self._record.set_text("End" if folder else "Record")
        self._record.props(f"icon={'stop_circle' if folder else 'fiber_manual_record'}")
        self._label.set_visibility(not folder and not (running is not None and running.finishing))
        failure, n_finishing = (running.failure, running.finishing) if running is not None else ("", 0)
        words = ""
        if running is not None and folder:
            minutes, seconds = divmod(int(running.recorded_s), 60)
            words = f"{minutes}:{seconds:02d}"
        elif n_finishing:
            words = "Finishing the files"
        self._text.set_text(failure or words)
        self._line.set_visibility(bool(failure or words))
        self._dot.set_visibility(bool(folder))

    async def press(self, event: KeyEventArguments) -> None:
        """Obey a key."""
        if not event.action.keydown or event.action.repeat:
            return
        if event.key == "r" and self._record.enabled:
            await self._toggle()
        elif event.key == "n" and self._neutral.enabled:
            await self._relearn()
        elif event.key == "e" and self._mark.enabled:
            await self._set_mark(EVENT)
        elif event.key.number and self._mark.enabled:
            await self._set_mark(str(event.key.number))

    async def _toggle(self) -> None:
        running = self._state.tracker.state
        try:
            if running is not None and running.recording:
                await run.io_bound(self._state.end_recording)
            else:
                await run.io_bound(self._state.begin_recording, self._label.value or "")
                self._state.feed.restart_counts()
        except RealtimeError as error:
            say(str(error), is_error=True)

    async def _set_mark(self, event: str) -> None:
        try:
            await run.io_bound(self._state.mark, event)
        except RealtimeError as error:
            say(str(error), is_error=True)

    async def _relearn(self) -> None:
        try:
            await run.io_bound(self._state.relearn)
        except RealtimeError as error:
            say(str(error), is_error=True)


def _show_messages(lines: list[str]) -> None:
    if lines:
        with ui.element("pre"):
            ui.label("\n".join(lines)).style("white-space: pre-wrap")
