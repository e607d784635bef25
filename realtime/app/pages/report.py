"""The report of a recording."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import run, ui

from realtime.app.command import run_kinecast
from realtime.app.layout import page_frame, say
from realtime.app.options import AppError
from realtime.app.recordings import find_recording
from realtime.app.state import AppState


def add_report_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/reports/{name}")
    def report_page(name: str, person: int = 1) -> None:
        with page_frame(name, "/recordings"):
            try:
                folder = find_recording(state.recordings, name)
            except AppError as error:
                ui.label(str(error))
                return
            waiting = ui.row().classes("items-center")
            with waiting:
                ui.spinner()
                ui.label("Making the report ...")
            content = ui.element("div").classes("kc-stack")

            async def show() -> None:
                try:
                    await run.io_bound(run_kinecast, "report", str(folder))
                except AppError as error:
                    say(str(error), is_error=True)
                    waiting.clear()
                    return
                waiting.delete()
                with content:
                    _show(name, person)

            ui.timer(0.0, show, once=True)


def _show(name: str, person: int) -> None:
    """The page, at the part of a further person if one is named."""
    part = f"#person-{person}" if person > 1 else ""
    address = f"/media/recordings/{quote(name)}/report.html{part}"
    with ui.element("div").classes("kc-row"):
        replay = f"/recordings/{quote(name)}{f'?person={person}' if person > 1 else ''}"
        ui.button("Replay", on_click=lambda: ui.navigate.to(replay)).props("outline no-caps")
        ui.button("Open alone", icon="open_in_new", on_click=lambda: ui.navigate.to(address, new_tab=True))
    frame = ui.element("iframe").props(f'src="{address}" title="Report" data-report').classes("kc-report")
    frame.props('sandbox="allow-popups allow-same-origin"')
