"""The calibration page: guidance for the commands that measure camera, floor and person."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from nicegui import run, ui

from realtime.app.assistants import ASSISTANTS, Assistant, words_of
from realtime.app.command import run_kinecast
from realtime.app.layout import page_frame, say
from realtime.app.options import AppError, make_folder
from realtime.app.state import AppState

TICK_S = 0.3
BOARD_NAME = "kinecast-board.pdf"
DEFAULT_SQUARE_MM = 28.0


def add_calibration_page(state: AppState) -> None:
    """Declare the page."""

    @ui.page("/calibration")
    def calibration_page() -> None:
        with page_frame("Calibration", "/calibration"), ui.element("div").classes("kc-stack"):
            ui.label(
                "Without any, a level camera and a typical person are assumed. Each step makes angles and "
                "positions more accurate; results are used when the tracker is started next."
            ).classes("kc-quiet")
            progress = _Progress(state)
            with ui.element("div").classes("kc-grid kc-wide"):
                for assistant in ASSISTANTS:
                    _show(state, assistant)
        ui.timer(TICK_S, progress.tick)


class _Progress:
    """What the command that runs says, and what its result is good for."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._shown: object = None
        self._card = ui.element("div").classes("kc-card kc-stack").props("data-progress")
        self.tick()

    def tick(self) -> None:
        """Follow the command."""
        running = self._state.calibration
        shown = (
            None
            if running is None
            else (running.command, len(running.command.lines), running.command.exit_code)
        )
        self._card.set_visibility(running is not None)
        if shown == self._shown or running is None:
            return
        self._shown = shown
        code, lines = running.command.exit_code, running.command.lines
        self._card.clear()
        with self._card:
            with ui.element("div").classes("kc-row"):
                if code is None:
                    ui.spinner()
                ui.label(running.assistant.title).classes("kc-heading")
                ui.label({None: "is running", 0: "is done"}.get(code, "has failed")).classes("kc-quiet")
            if lines:
                ui.label(lines[-1]).style("font-size: 1.15rem")
                ui.label("\n".join(lines[-14:-1])).classes("kc-quiet").style("white-space: pre-wrap")
            with ui.element("div").classes("kc-row"):
                if code is None:
                    ui.button("Stop", on_click=running.command.stop).props("outline no-caps")
                elif code == 0:
                    ui.button("Use it", on_click=self._use).props("no-caps data-use")

    def _use(self) -> None:
        running = self._state.calibration
        if running is None:
            return
        try:
            self._state.change(**{running.assistant.setting: str(running.out)})
        except AppError as error:
            say(str(error), is_error=True)
            return
        say("It is used from the next start on; see Settings.")


def _show(state: AppState, assistant: Assistant) -> None:
    with ui.element("div").classes("kc-card kc-stack").props(f"data-assistant={assistant.key}"):
        ui.label(assistant.title).classes("kc-heading")
        with ui.element("ol").classes("kc-steps"):
            for step in assistant.steps:
                with ui.element("li"):
                    ui.label(step)
        with ui.element("div").classes("kc-row"):
            source = ui.input("Camera", value="0").props("outlined dense data-camera").style("width: 7rem")
            height = square = None
            if assistant.needs_height:
                known = None if state.settings.height_m is None else round(100.0 * state.settings.height_m, 1)
                height = ui.number("Stature (cm)", value=known).props("outlined dense").style("width: 8rem")
            if assistant.needs_square:
                square = ui.number("Square (mm)", value=DEFAULT_SQUARE_MM).props("outlined dense")
                square.style("width: 8rem")
        with ui.element("div").classes("kc-row"):
            begin = ui.button("Start", icon="play_arrow").props("no-caps data-begin")
            begin.on_click(
                lambda: _start(
                    state,
                    assistant,
                    source.value,
                    None if height is None else height.value,
                    None if square is None else square.value,
                )
            )
            if assistant.needs_square:
                ui.button("Board to print", icon="print", on_click=_download_board).props(
                    "outline no-caps data-board"
                )


def _start(
    state: AppState,
    assistant: Assistant,
    source: str | None,
    height_cm: float | None,
    square_mm: float | None,
) -> None:
    try:
        folder = make_folder(state.options.folder / "calibrations")
        out = folder / f"{assistant.key}_{time.strftime('%Y-%m-%d_%H-%M-%S')}.json"
        words = words_of(
            assistant,
            source or "",
            out,
            height_cm=height_cm,
            square_mm=square_mm,
            camera_path=state.settings.camera_path,
        )
        state.begin_calibration(assistant, out, words)
    except AppError as error:
        say(str(error), is_error=True)


async def _download_board() -> None:
    try:
        content = await run.io_bound(board)
    except AppError as error:
        say(str(error), is_error=True)
        return
    ui.download.content(content or b"", BOARD_NAME)


def board() -> bytes:
    """The board as PDF.

    Raises:
        AppError: it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="kinecast-") as place:
        path = Path(place) / BOARD_NAME
        run_kinecast("calibrate", "board", "--out", str(path))
        return path.read_bytes()
