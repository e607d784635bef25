"""A new user's path, with the real networks: a video as camera, squats recorded and counted, report, C3D.

It also makes the pictures of realtime/docs/first-steps.md:
`KINECAST_PICTURES=realtime/docs/first-steps pytest -m soak tests/realtime/app/test_new_user.py`.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest

from tests.support.browser import Page, browser_page
from tests.support.environment import import_or_skip
from tests.support.running_app import RunningApp, running_app

SCREEN_PX, PHONE_PX = (1280, 720), (390, 844)
QUALITY = 72
REPETITIONS = "parseInt(document.querySelector('[data-repetitions]')?.innerText)"
IS_IN_BAND = "document.querySelector('[data-feedback]').classList.contains('kc-inside')"


class Camera:
    """Takes a picture of what the browser shows.

    Args:
        page: Page of the browser.
        folder: Folder for the pictures.
    """

    def __init__(self, page: Page, folder: Path) -> None:
        self._page, self._folder, self._size_px = page, folder, (0, 0)
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, size_px: tuple[int, int] = SCREEN_PX) -> None:
        """A picture of the page at a size, which it has from now on."""
        if size_px != self._size_px:
            self.resize(size_px)
        shot = self._page.ask("Page.captureScreenshot", format="jpeg", quality=QUALITY)
        (self._folder / f"{name}.jpg").write_bytes(base64.b64decode(shot["data"]))

    def resize(self, size_px: tuple[int, int]) -> None:
        """Give the page a size, and charts the time to take it."""
        self._page.resize(*size_px)
        self._size_px = size_px
        time.sleep(1.5)


def squat(app: RunningApp, page: Page, camera: Camera) -> None:
    """Choose the video, record, and do four squats."""
    page.visit(app.url)
    page.wait_for("!!document.querySelector('[data-start=typed]') && !!window.did_handshake")
    page.fill("[data-source]", "squats.mp4")
    camera.resize(SCREEN_PX)
    camera.take("1-camera")
    page.click("[data-start=typed]")
    page.wait_for("document.querySelector('[data-status]')?.innerText.includes('Tracking')", 300.0)
    page.fill("[data-label]", "squats")
    page.click("[data-record]")
    page.wait_for(f"{REPETITIONS} >= 2 && {IS_IN_BAND}")
    camera.take("2-live")
    camera.resize(PHONE_PX)
    page.wait_for(f"{REPETITIONS} >= 3 && {IS_IN_BAND}")
    camera.take("3-phone", PHONE_PX)
    page.wait_for(f"{REPETITIONS} >= 4")
    page.click("[data-record]")
    page.wait_for("document.querySelector('[data-record]').innerText.trim().endsWith('Record')")
    page.wait_for("!document.querySelector('[data-recording]').innerText.includes('Finishing')")


@pytest.mark.soak
def test_a_squat_set_is_recorded_counted_reported_and_exported(tmp_path: Path, shared_data: Path) -> None:
    ezc3d = import_or_skip("ezc3d", "pip install 'kinecast[data]'")
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    import_or_skip("av", "pip install 'kinecast[record]'")
    from tests.support.looped import write_looped

    write_looped(
        shared_data / "real/clips/squats_phone/pose_squats.mp4", tmp_path / "squats.mp4", 120.0, 10.0
    )
    with (
        running_app(tmp_path, program="realtime.cli", cwd=tmp_path) as app,
        browser_page(tmp_path / "profile") as page,
    ):
        camera = Camera(page, Path(os.environ.get("KINECAST_PICTURES", tmp_path / "pictures")).absolute())
        squat(app, page, camera)
        page.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.visit(f"{app.url}/recordings")
        page.wait_for("!!document.querySelector('[data-replay]')")
        page.click("[data-replay]")
        page.wait_for("document.querySelector('[data-video]')?.readyState >= 2")
        page.click("[data-play]")
        page.wait_for("parseFloat(document.querySelector('[data-values] td:nth-child(2)').innerText) > 90")
        page.click("[data-play]")
        page.wait_for("document.querySelector('[data-video]').paused")
        camera.resize(SCREEN_PX)
        camera.take("4-replay")
        page.click("[data-export]")
        (folder,) = app.recordings.iterdir()
        exported = tmp_path / f"{folder.name}.c3d"
        while not exported.exists():
            time.sleep(0.1)
        page.visit(f"{app.url}/reports/{folder.name}")
        page.wait_for(
            "document.querySelector('iframe')?.contentDocument?.querySelector('video')?.readyState >= 2",
            120.0,
        )
        page.evaluate(
            "document.querySelector('iframe').contentDocument.querySelector('.film').scrollIntoView()"
        )
        camera.take("5-report")
        page.visit(f"{app.url}/media/recordings/{folder.name}/report.html")
        page.evaluate(
            "[...document.querySelectorAll('h2')].find(h => /epetition/.test(h.innerText)).scrollIntoView()"
        )
        camera.take("6-repetitions")
        text = page.evaluate("document.body.innerText")
    assert "4 repetitions" in text, text
    c3d = ezc3d.c3d(str(exported))
    assert c3d["data"]["points"].shape[1] > 20 and folder.name.endswith("_squats")
    labels = c3d["parameters"]["EVENT"]["LABELS"]["value"]
    assert len(labels) >= 4, labels
