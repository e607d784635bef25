"""The picture of a recording: its video, played by the browser, or single images where browsers cannot."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from nicegui import ui
from nicegui.awaitable_response import AwaitableResponse

from realtime.app.layout import SHOWN_TIMEOUT_S, until_shown
from realtime.recording.video import OVERLAY_NAME


class RecordedPicture(Protocol):
    """Interface to what shows a recording."""

    def show(self, time_s: float) -> None:
        """Show a moment; if it plays, play on from there."""

    def play(self, time_s: float) -> None:
        """Play from a moment on."""

    def pause(self) -> None:
        """Stand still."""

    async def time_s(self) -> float | None:
        """The moment that is shown, infinite after the end; None where the browser does not answer."""


def recorded_picture(folder: Path) -> RecordedPicture:
    """The element for a recording's overlay."""
    from realtime.recording.video.reader import plays_in_browsers

    media = f"/media/recordings/{quote(folder.name)}"
    if plays_in_browsers(folder / OVERLAY_NAME):
        return VideoPicture(f"{media}/{OVERLAY_NAME}")
    return SingleImages(f"{media}/image.jpg")


class VideoPicture:
    """A video element.

    Args:
        address: Address of the video.
    """

    def __init__(self, address: str) -> None:
        self._element = ui.element("video").props(
            f'src="{address}" muted playsinline preload=auto data-video'
        )

    def show(self, time_s: float) -> None:
        """Show a moment; if it plays, play on from there."""
        self._run(f"video.currentTime = {time_s:.3f}")

    def play(self, time_s: float) -> None:
        """Play from a moment on."""
        self._run(f"if (Math.abs(video.currentTime - {time_s:.3f}) > 0.2) video.currentTime = {time_s:.3f}")
        self._run("video.play()")

    def pause(self) -> None:
        """Stand still."""
        self._run("video.pause()")

    async def time_s(self) -> float | None:
        """The moment that is shown, infinite after the end; None where the browser does not answer."""
        try:
            shown_s = await self._run("return video.ended ? -1 : video.currentTime")
        except TimeoutError:
            return None
        return math.inf if shown_s < 0.0 else float(shown_s)

    def _run(self, script: str) -> AwaitableResponse:
        return ui.run_javascript(
            f"const video = getHtmlElement({self._element.id}); {script}", timeout=SHOWN_TIMEOUT_S
        )


class SingleImages:
    """Images of a video that browsers do not play, each fetched for its moment.

    Args:
        address: Address of the images.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._began = 0.0, 0.0
        """Clock and time of the recording when it began to play."""
        self._element = ui.element("img").props('alt="The recording has no image here" data-image')
        self.show(0.0)

    def show(self, time_s: float) -> None:
        """Show a moment; if it plays, play on from there."""
        self._began = time.monotonic(), time_s
        self._fetch(time_s)

    def play(self, time_s: float) -> None:
        """Play from a moment on."""
        self._began = time.monotonic(), time_s

    def pause(self) -> None:
        """Stand still."""

    async def time_s(self) -> float | None:
        """The moment that is shown, once the browser has shown the one before."""
        time_s = self._began[1] + time.monotonic() - self._began[0]
        self._fetch(time_s)
        await until_shown()
        return time_s

    def _fetch(self, time_s: float) -> None:
        self._element.props(f'src="{self._address}?t_s={time_s:.2f}"')
