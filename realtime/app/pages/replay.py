"""A recording with a time slider: image, curves, export."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from nicegui import run, ui

from realtime.app.command import run_kinecast
from realtime.app.curve_looks import MOST_CURVES, chart_options, lines_at, looks_of
from realtime.app.layout import page_frame, say
from realtime.app.options import AppError
from realtime.app.pages.people import PersonChoice
from realtime.app.pages.replay_picture import recorded_picture
from realtime.app.recorded import RecordedCurves, read_people
from realtime.app.recordings import find_recording
from realtime.app.state import AppState
from realtime.app.words import title_of
from realtime.errors import RealtimeError

KINDS = {
    "c3d": "C3D",
    "bvh": "BVH",
    "csv": "CSV",
    "xlsx": "Excel",
    "parquet": "Parquet",
    "mot": "OpenSim .mot",
}
STEP_S = 0.02
PLAY_S = 0.1
"""Interval between the images while it plays."""


def add_replay_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/recordings/{name}")
    def replay_page(name: str, person: int = 1) -> None:
        with page_frame(name, "/recordings"):
            try:
                folder = find_recording(state.recordings, name)
            except AppError as error:
                ui.label(str(error))
                return
            content = ui.element("div")
            with content:
                ui.spinner()

            async def show() -> None:
                try:
                    people = await run.io_bound(read_people, folder)
                except RealtimeError as error:
                    content.clear()
                    with content:
                        ui.label(str(error))
                    return
                content.clear()
                if people is not None:
                    with content:
                        Player(state, folder, people, person if person in people else 1)

            ui.timer(0.0, show, once=True)


class Player:
    """Image, slider and curves that follow each other.

    Args:
        state: State of the app.
        folder: Folder of the recording.
        people: Number of each person -> their curves.
        person: Number of the person whose curves are shown at first.
    """

    def __init__(
        self, state: AppState, folder: Path, people: Mapping[int, RecordedCurves], person: int
    ) -> None:
        self._folder, self._people, self._person = folder, people, person
        self._time_s = 0.0
        self._is_playing = False
        self._names = [name for name in state.settings.curves[:MOST_CURVES] if name in self._curves.names]
        with ui.element("div").classes("kc-live"):
            with ui.element("div").classes("kc-stack"):
                with ui.element("div").classes("kc-image"):
                    self._picture = recorded_picture(folder)
                self._show_slider()
            with ui.element("div").classes("kc-stack"):
                self._choice = PersonChoice(self._choose)
                self._choice.show(list(people), person)
                self._card = ui.element("div").classes("kc-card kc-stack")
                self._show_curves()
                self._show_buttons()
        self._timer = ui.timer(PLAY_S, self._play_on, active=False)
        self._go_to(0.0)

    @property
    def _curves(self) -> RecordedCurves:
        """Curves of the person who is shown."""
        return self._people[self._person]

    def _choose(self, person: int) -> None:
        """Show another person's curves at the same moment."""
        self._person = person
        self._choice.show(list(self._people), person)
        self._card.clear()
        self._show_curves()
        self._go_to(self._time_s)

    def _show_slider(self) -> None:
        with ui.element("div").classes("kc-card kc-row").style("flex-wrap: nowrap"):
            self._play = ui.button(icon="play_arrow", on_click=self._toggle)
            self._play.props('round dense aria-label="Play" data-play')
            self._slider = ui.slider(
                min=0.0, max=max(self._curves.duration_s, STEP_S), step=STEP_S, value=0.0
            )
            self._slider.props('aria-label="Time" data-slider').style("flex: 1")
            self._slider.on("update:model-value", lambda event: self._move(event.args), throttle=0.1)
            self._clock = ui.label().props("data-clock").style("min-width: 6.5rem; text-align: right")

    def _show_curves(self) -> None:
        curves = {name: self._curves.curve(name) for name in self._names}
        with self._card:
            options = chart_options(curves, 0.0, max(round(self._curves.duration_s, 2), STEP_S))
            options["series"].append(lines_at("events", self._curves.events))
            self._chart = ui.echart(options).classes("kc-chart").props("data-chart")
            with ui.element("table").classes("kc-ranges").props("data-values"):
                self._cells = {}
                for name, look in looks_of(self._names).items():
                    with ui.element("tr"):
                        with ui.element("td"):
                            ui.label(title_of(name)).style(
                                f"color: {look.colour}; border-bottom: 2px {look.dash}; display: inline-block"
                            )
                        with ui.element("td"):
                            self._cells[name] = ui.label()

    def _show_buttons(self) -> None:
        with ui.element("div").classes("kc-card kc-row"):
            ui.button("Report", icon="description", on_click=self._open_report).props(
                "outline no-caps data-report"
            )
            self._kind = ui.select(KINDS, value="c3d", label="Export as").props("dense outlined data-kind")
            self._kind.style("min-width: 9rem")
            self._export = ui.button("Export", icon="download", on_click=self._download)
            self._export.props("outline no-caps data-export")

    def _go_to(self, time_s: float) -> None:
        """Show the values of a moment; picture and slider are left alone."""
        self._time_s = min(max(time_s, 0.0), self._curves.duration_s)
        self._clock.set_text(f"{self._time_s:.1f} / {self._curves.duration_s:.1f} s")
        for name, cell in self._cells.items():
            value = self._curves.at(name, self._time_s)
            cell.set_text(f"{value:.1f}" if value == value else "-")
        cursor = lines_at("cursor", [(round(self._time_s, 3), "")])
        self._chart.run_chart_method("setOption", {"series": [cursor]})

    def _move(self, time_s: float) -> None:
        self._go_to(time_s)
        self._picture.show(self._time_s)

    def _toggle(self) -> None:
        if self._is_playing:
            self._stop()
            return
        if self._time_s >= self._curves.duration_s - STEP_S:
            self._move(0.0)
        self._is_playing = True
        self._picture.play(self._time_s)
        self._play.props('icon=pause aria-label="Pause"')
        self._timer.activate()

    def _stop(self) -> None:
        self._is_playing = False
        self._picture.pause()
        self._play.props('icon=play_arrow aria-label="Play"')
        self._timer.deactivate()

    async def _play_on(self) -> None:
        time_s = await self._picture.time_s()
        if time_s is None or not self._is_playing:
            return
        self._go_to(time_s)
        self._slider.set_value(self._time_s)
        if time_s >= self._curves.duration_s:
            self._stop()

    def _open_report(self) -> None:
        part = f"?person={self._person}" if self._person > 1 else ""
        ui.navigate.to(f"/reports/{quote(self._folder.name)}{part}")

    async def _download(self) -> None:
        """Export into a temporary folder, and hand the file to the browser: the recording stays as it is."""
        kind, person = str(self._kind.value), self._person
        part = f"_person_{person}" if len(self._people) > 1 else ""
        name = f"{self._folder.name}{part}.{kind}"
        self._export.props("loading")
        try:
            content = await run.io_bound(exported, self._folder, kind, name, person)
        except AppError as error:
            say(str(error), is_error=True)
        else:
            ui.download.content(content or b"", name)
        finally:
            self._export.props(remove="loading")


def exported(folder: Path, kind: str, name: str, person: int) -> bytes:
    """Content of the recording of one person, exported to another kind of file.

    Raises:
        AppError: it cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="kinecast-") as place:
        out = Path(place) / name
        run_kinecast("export", str(folder), "--of-person", f"{person}", "--to", kind, "--out", str(out))
        return out.read_bytes()
