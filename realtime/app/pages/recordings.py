"""The list of recordings."""

from __future__ import annotations

import time
from urllib.parse import quote

from nicegui import run, ui

from realtime.app.command import run_kinecast
from realtime.app.layout import page_frame, say
from realtime.app.options import AppError
from realtime.app.recordings import Entry, list_recordings
from realtime.app.state import AppState

MOST_SHOWN = 200


def add_recordings_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/recordings")
    def recordings_page() -> None:
        entries = list_recordings(state.recordings)
        with page_frame("Recordings", "/recordings"), ui.element("div").classes("kc-stack"):
            ui.label(f"In {state.recordings}. Nothing there is ever deleted by kinecast.").classes("kc-quiet")
            if not entries:
                with ui.element("div").classes("kc-card"):
                    ui.label("No recordings yet: start a camera, then press Record on the live page.")
            for entry in entries[:MOST_SHOWN]:
                _show(state, entry)
            if len(entries) > MOST_SHOWN:
                ui.label(f"{len(entries) - MOST_SHOWN} older ones are in the folder.").classes("kc-quiet")


def _show(state: AppState, entry: Entry) -> None:
    running = state.tracker.state
    is_recording = running is not None and running.recording == str(entry.folder)
    address = quote(entry.name)
    with ui.element("div").classes("kc-card kc-item").props("data-entry"):
        with ui.element("div"):
            ui.label(entry.name).classes("kc-item-name")
            ui.label("being recorded now" if is_recording else describe(entry)).classes("kc-quiet")
        if not is_recording:
            with ui.element("div").classes("kc-row"):
                if not entry.is_finished:
                    ui.button("Finish", on_click=lambda: _finish(entry)).props("outline no-caps data-finish")
                ui.button("Replay", on_click=lambda: ui.navigate.to(f"/recordings/{address}")).props(
                    "outline no-caps data-replay"
                )
                ui.button("Report", on_click=lambda: ui.navigate.to(f"/reports/{address}")).props(
                    "outline no-caps data-report"
                )


async def _finish(entry: Entry) -> None:
    """Write the files that an interrupted recording lacks; nothing is replaced that it has."""
    try:
        await run.io_bound(run_kinecast, "recover", str(entry.folder))
    except AppError as error:
        say(str(error), is_error=True)
        return
    ui.navigate.reload()


def describe(entry: Entry) -> str:
    """Facts about a recording in one line."""
    words = [time.strftime("%d %b %Y, %H:%M", time.localtime(entry.modified_s))]
    words.append(f"{entry.n_people} people" if entry.n_people > 1 else "")
    if entry.is_finished:
        words.append(f"{entry.duration_s:.0f} s" if entry.duration_s else "")
        words += [f"{entry.n_samples} samples", entry.source]
    else:
        words.append("interrupted, or its files are still being finished")
    return " - ".join(word for word in words if word)
