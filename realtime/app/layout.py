"""What every page has: the bar with links, the style, and messages to the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nicegui import ui

SHOWN_TIMEOUT_S = 2.0
"""Longest wait for a browser, which may be gone."""
STYLE_PATH = Path(__file__).with_name("style.css")
LINKS = (
    ("/", "videocam", "Camera"),
    ("/live", "accessibility_new", "Live"),
    ("/recordings", "folder_open", "Recordings"),
    ("/calibration", "straighten", "Calibration"),
    ("/settings", "tune", "Settings"),
)
"""Address, icon and name of the pages in the bar."""


@contextmanager
def page_frame(title: str, address: str, *, is_dense: bool = False) -> Iterator[None]:
    """The page around its content.

    Args:
        title: Title of the page.
        address: Address of the link that stands for it.
        is_dense: Whether the title is left to the bar, where there is little room.
    """
    ui.page_title(f"{title} - kinecast")
    ui.colors(primary="#0f766e", positive="#15803d", negative="#b91c1c", warning="#b45309")
    with ui.header().classes("kc-bar"):
        ui.label("kinecast").classes("kc-brand")
        with ui.element("nav").classes("kc-links"):
            for target, icon, name in LINKS:
                link = ui.link(target=target).classes("kc-link")
                if target == address:
                    link.classes("kc-here").props("aria-current=page")
                with link:
                    ui.icon(icon)
                    ui.label(name)
    with ui.element("main").classes("kc-main"):
        heading = ui.label(title).classes("kc-title").props('role="heading" aria-level="1"')
        if is_dense:
            heading.classes("kc-hidden")
        yield


async def until_shown() -> None:
    """Wait until the browser has handled what was sent: a slow one would fall behind more and more."""
    with suppress(TimeoutError):
        await ui.run_javascript("0", timeout=SHOWN_TIMEOUT_S)


def say(text: str, *, is_error: bool = False) -> None:
    """Show a short message."""
    if is_error:
        ui.notify(text, type="negative", multi_line=True, close_button="OK", timeout=8000)
    else:
        ui.notify(text, type="positive")
