"""The first page: what to track."""

from __future__ import annotations

from nicegui import run, ui

from realtime.app.layout import page_frame, say
from realtime.app.options import AppError
from realtime.app.pages.people import people_select
from realtime.app.state import DEMO_SOURCE, AppState


def add_camera_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/")
    def camera_page() -> None:
        with page_frame("Choose what to track", "/"):
            if state.tracker.is_on:
                _show_running(state)
                return
            with ui.element("div").classes("kc-stack"):
                _show_person(state)
                cameras = ui.element("div").classes("kc-grid")
                with cameras:
                    ui.label("Looking for cameras ...").classes("kc-quiet")
                _show_others(state)

            async def look() -> None:
                found = await run.io_bound(_cameras)
                cameras.clear()
                with cameras:
                    _show_cameras(state, found or [])

            ui.timer(0.0, look, once=True)


def start(state: AppState, source: str) -> None:
    """Start the tracker, and go to the live page."""
    try:
        state.start_tracker(source)
    except AppError as error:
        say(str(error), is_error=True)
        return
    ui.navigate.to("/live")


def _cameras() -> list[tuple[int, str]]:
    from realtime.sources.cameras import list_cameras

    return list_cameras()


def _show_running(state: AppState) -> None:
    """A tracker runs: another choice would need it to end first."""
    with ui.element("div").classes("kc-card kc-stack"):
        ui.label(f"Tracking {state.tracker.source}").classes("kc-heading")
        ui.label("To choose something else, stop the tracker on the live page.").classes("kc-quiet")
        with ui.element("div").classes("kc-row"):
            ui.button("Live page", icon="accessibility_new", on_click=lambda: ui.navigate.to("/live"))


def _show_cameras(state: AppState, cameras: list[tuple[int, str]]) -> None:
    if not cameras:
        with ui.element("div").classes("kc-card kc-stack kc-all"):
            ui.label("No camera found").classes("kc-heading")
            ui.label(
                "Plug one in and reload this page, or choose a video below. "
                "What works on this computer is told by: kinecast doctor"
            ).classes("kc-quiet")
        return
    for index, name in cameras:
        with ui.element("div").classes("kc-card kc-stack").mark(f"camera-{index}"):
            ui.element("img").props(
                f'src="/media/cameras/{index}.jpg" alt="Image of camera {index}"'
            ).classes("kc-thumbnail")
            ui.label(name).classes("kc-heading")
            ui.button(
                "Start", icon="play_arrow", on_click=lambda _, index=index: start(state, str(index))
            ).props(f'data-start="{index}"')


def _show_person(state: AppState) -> None:
    """The stature, without which lengths are guessed, and how many people are tracked."""

    def change(event: object) -> None:
        try:
            state.change(height_m=None if not height.value else float(height.value) / 100.0)
        except AppError:
            say("a stature is from 50 to 250 cm", is_error=True)

    def show_use() -> None:
        is_one = state.settings.n_people == 1
        height.set_enabled(is_one)
        note.set_text(
            "The stature makes lengths and distances right. Left empty, they are estimated."
            if is_one
            else "Of several people, sizes are estimated. Each has curves, files and a part of the report."
        )

    with ui.element("div").classes("kc-card kc-row"):
        shown = None if state.settings.height_m is None else round(100.0 * state.settings.height_m, 1)
        height = ui.number("Stature of the person (cm)", value=shown, min=50, max=250, step=1)
        height.props("outlined dense clearable debounce=400").style("width: 14rem").on_value_change(change)
        people_select(state, show_use)
        note = ui.label().classes("kc-quiet")
        show_use()


def _show_others(state: AppState) -> None:
    with ui.element("div").classes("kc-card kc-stack"):
        ui.label("Or a video, or a network camera").classes("kc-heading")
        with ui.element("div").classes("kc-row"):
            typed = ui.input("Path of a video, or rtsp://...").props("outlined dense data-source")
            typed.style("flex: 1; min-width: 14rem")
            typed.on("keydown.enter", lambda: _start_typed(state, typed.value))
            ui.button("Start", icon="play_arrow", on_click=lambda: _start_typed(state, typed.value)).props(
                "data-start=typed"
            )
        with ui.element("div").classes("kc-row"):
            ui.label("To try it without a camera:").classes("kc-quiet")
            for source, name in ((DEMO_SOURCE, "a walking person"), ("synthetic", "a drawn person")):
                ui.button(name, on_click=lambda _, source=source: start(state, source)).props(
                    f"outline dense no-caps data-start={source}"
                )


def _start_typed(state: AppState, text: str | None) -> None:
    if text and text.strip():
        start(state, text.strip())
    else:
        say("type the path of a video or the address of a camera first", is_error=True)
