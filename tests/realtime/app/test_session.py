"""A whole session in a real browser: from the choice of a camera to the report."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from realtime.app.options import load_settings
from realtime.control.messages import read_control_file
from realtime.recording.video.mpeg4 import Mpeg4Video
from realtime.report.data import read_recording
from tests.support.browser import Page, browser_page
from tests.support.environment import import_or_skip
from tests.support.running_app import RunningApp, running_app

IMAGE_WIDTH = "document.querySelector('img[alt^=Live]')?.naturalWidth"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def page(app: RunningApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as page:
        page.resize(1280, 720)
        yield page


def visit(page: Page, url: str) -> None:
    """Load a page of the app, and wait until it reacts."""
    page.visit(url)
    page.wait_for("!!window.socket?.connected && !!window.did_handshake")


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something outside the page has happened."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.05)


def fetched_elsewhere(page: Page, app: RunningApp) -> list[str]:
    """Requests that have left the app, and what the browser has refused."""
    own = urlsplit(app.url).netloc
    return [u for u in page.requests() if urlsplit(u).netloc not in ("", own)] + page.complaints()


def test_a_source_is_chosen_and_seen_live(app: RunningApp, page: Page):
    visit(page, app.url)
    page.click("[data-start=synthetic]")
    page.wait_for("location.pathname == '/live'")
    page.wait_for(f"{IMAGE_WIDTH} == 640")
    page.wait_for("document.querySelector('[data-status]').innerText.includes('frames/s')")
    page.wait_for("/^-?[0-9]+°$/.test(document.querySelector('[data-value]').innerText)")
    page.wait_for("document.querySelectorAll('[data-ranges] td').length == 12")
    page.wait_for("/[0-9] to /.test(document.querySelector('[data-ranges]').innerText)")
    page.wait_for("!!document.querySelector('[data-chart] canvas')")
    assert not fetched_elsewhere(page, app)


def test_live_images_keep_coming(app: RunningApp, page: Page):
    remembered = (
        "(() => { const image = document.querySelector('img[alt^=Live]'), canvas = document.createElement("
        "'canvas'); canvas.width = 64; canvas.height = 48; const context = canvas.getContext('2d');"
        "context.drawImage(image, 0, 0, 64, 48); return canvas.toDataURL(); })()"
    )
    first = page.evaluate(remembered)
    page.wait_for(f"{remembered} != {json.dumps(first)}")


def test_a_click_in_the_image_reaches_the_tracker(app: RunningApp, page: Page):
    """The estimator of these tests tells nobody apart, and says so."""
    page.evaluate(
        "(() => { const image = document.querySelector('img[alt^=Live]'), at = image.getBoundingClientRect();"
        "image.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: at.x + at.width / 2, "
        "clientY: at.y + at.height / 2})); })()"
    )
    page.wait_for("document.body.innerText.includes('nobody can be chosen')")


def test_a_recording_goes_on_while_the_page_is_closed(app: RunningApp, page: Page):
    page.evaluate("document.activeElement.blur()")
    page.press("r")
    page.wait_for("/[0-9]:[0-9]{2}/.test(document.querySelector('[data-recording]').innerText)")
    page.press("e")
    page.visit("about:blank")
    time.sleep(1.0)
    visit(page, f"{app.url}/live")
    page.wait_for("document.querySelector('[data-record]').innerText.includes('End')")
    page.click("[data-record]")
    page.wait_for("document.querySelector('[data-record]').innerText.trim().endsWith('Record')")
    page.wait_for("!document.querySelector('[data-recording]').innerText.includes('Finishing')")
    (folder,) = app.recordings.iterdir()
    recording = read_recording(folder)
    assert recording.time_s[-1] > 1.0 and recording.video is not None
    assert not (recording.time_s[1:] - recording.time_s[:-1] > 1.0).any()
    assert (folder / "events.csv").read_text().splitlines()[1].endswith(",event")


def test_a_tracker_that_dies_is_reported_and_starts_again(app: RunningApp, page: Page):
    os.kill(read_control_file(app.control_path).pid, signal.SIGKILL)
    page.wait_for("document.body.innerText.includes('stopped unexpectedly')")
    page.click("[data-restart]")
    page.wait_for(f"{IMAGE_WIDTH} == 640")
    page.wait_for("document.querySelector('[data-status]').innerText.includes('frames/s')")


def test_the_tracker_stops_when_it_is_told_to(app: RunningApp, page: Page):
    page.click("[data-stop]")
    page.wait_for("document.body.innerText.includes('is over, or was stopped')")
    assert not app.control_path.exists()


def test_the_list_tells_what_the_recording_holds(app: RunningApp, page: Page):
    visit(page, f"{app.url}/recordings")
    page.wait_for("document.querySelectorAll('[data-entry]').length == 1")
    (folder,) = app.recordings.iterdir()
    n_samples = json.loads((folder / "report.json").read_text())["frames"]
    assert folder.name in page.text_of("[data-entry]")
    assert f"{n_samples} samples" in page.text_of("[data-entry]")
    assert not fetched_elsewhere(page, app)


def test_a_recording_is_replayed_by_its_slider(app: RunningApp, page: Page):
    page.click("[data-replay]")
    page.wait_for("document.querySelector('[data-video]')?.videoWidth == 640")
    page.wait_for("document.querySelector('[data-clock]').innerText.startsWith('0.0 /')")
    page.click("[data-play]")
    page.wait_for("parseFloat(document.querySelector('[data-clock]').innerText) > 0.5")
    (folder,) = app.recordings.iterdir()
    knee_deg = read_recording(folder).values[-1, read_recording(folder).names.index("knee_angle_r")]
    page.wait_for("document.querySelector('[data-play] i').innerText == 'play_arrow'")  # at the end
    shown = page.text_of("[data-values] tr td:nth-child(2)")
    # The last frame may be one without a person.
    assert shown == "-" if math.isnan(knee_deg) else float(shown) == pytest.approx(knee_deg, abs=0.06)
    assert page.evaluate("document.querySelector('[data-video]').ended")
    page.click("[data-play]")  # once more, from the start
    page.wait_for("document.querySelector('[data-video]').currentTime < 1.0")
    page.click("[data-play]")
    page.wait_for("document.querySelector('[data-video]').paused")
    assert not fetched_elsewhere(page, app)


def test_a_video_that_browsers_do_not_play_is_shown_by_its_images(app: RunningApp, page: Page):
    (folder,) = app.recordings.iterdir()
    old = shutil.copytree(folder, app.recordings / "0_old")
    video = Mpeg4Video(old / "overlay.mp4", 30.0, (64, 48))
    for k in range(30):
        video.write(np.full((48, 64, 3), 8 * k, dtype=np.uint8), k / 30.0)
    video.close()
    visit(page, f"{app.url}/recordings/0_old")
    page.wait_for("document.querySelector('[data-image]')?.naturalWidth == 64")
    page.click("[data-play]")
    page.wait_for("document.querySelector('[data-image]').src.endsWith('t_s=0.00') == false")
    shutil.rmtree(old)
    visit(page, f"{app.url}/recordings/{folder.name}")


def test_a_recording_is_exported_into_the_browsers_folder(app: RunningApp, page: Page, tmp_path: Path):
    ezc3d = import_or_skip("ezc3d", "pip install 'kinecast[data]'")
    page.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.click("[data-export]")
    (folder,) = app.recordings.iterdir()
    out = tmp_path / f"{folder.name}.c3d"
    wait_for(out.exists)
    assert ezc3d.c3d(str(out))["data"]["points"].shape[2] > 20
    assert not [path for path in folder.iterdir() if path.suffix == ".c3d"]
    visit(page, f"{app.url}/recordings")


def test_the_report_is_made_and_shown(app: RunningApp, page: Page):
    page.click("[data-report]")
    page.wait_for("!!document.querySelector('iframe[data-report]')")
    (folder,) = app.recordings.iterdir()
    assert f"Movement of {folder.name}" in (folder / "report.html").read_text("utf-8")
    page.wait_for(
        "document.querySelector('iframe').contentDocument?.querySelector('video')?.videoWidth == 640"
    )
    assert not fetched_elsewhere(page, app)


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
@pytest.mark.parametrize("path", ["/", "/live", "/recordings", "/calibration", "/settings"])
def test_nothing_is_wider_than_the_screen(app: RunningApp, page: Page, path: str, size: tuple[int, int]):
    page.resize(*size)
    visit(page, f"{app.url}{path}")
    page.wait_for("!!document.querySelector('.kc-main .kc-card, .kc-main .kc-image')")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_video_that_is_not_there_is_reported(app: RunningApp, page: Page):
    page.resize(1280, 720)
    visit(page, app.url)
    page.wait_for("!!document.querySelector('[data-start=typed]')")
    page.fill("[data-source]", "/nowhere/squat.mp4")
    page.click("[data-start=typed]")
    page.wait_for("document.body.innerText.includes('no such file or folder')")
    page.wait_for("!!document.querySelector('[data-restart]')")


def test_settings_are_kept_and_used(app: RunningApp, page: Page):
    visit(page, f"{app.url}/settings")
    page.fill("[data-setting=target_high]", "123")
    path = app.state / "kinecast" / "app" / "settings.json"
    wait_for(lambda: path.exists() and load_settings(path.parent).target_high == 123.0)
    visit(page, f"{app.url}/live")
    assert "80 to 123°" in page.text_of("[data-feedback]")


def test_a_calibration_without_a_camera_says_why_it_failed(app: RunningApp, page: Page):
    visit(page, f"{app.url}/calibration")
    page.fill("[data-assistant=camera] [data-camera]", "9999")
    page.click("[data-assistant=camera] [data-begin]")
    page.wait_for("document.querySelector('[data-progress]').innerText.includes('has failed')")
    assert "camera 9999 cannot be opened" in page.text_of("[data-progress]")
    assert not page.evaluate("!!document.querySelector('[data-use]')")


def test_an_interrupted_recording_is_finished_from_the_list(app: RunningApp, page: Page):
    (whole,) = app.recordings.iterdir()
    cut = app.recordings / "0_cut"
    cut.mkdir()
    for name in ("stream.msgpack", "angles.sto", "angles.csv"):
        shutil.copy(whole / name, cut)
    visit(page, f"{app.url}/recordings")
    page.click("[data-finish]")
    page.wait_for("document.querySelectorAll('[data-entry]').length == 2")
    page.wait_for("!document.querySelector('[data-finish]')")
    assert (cut / "angles.mot").read_bytes() == (whole / "angles.mot").read_bytes()


def test_the_app_ends_in_order_with_its_tracker(app: RunningApp, page: Page):
    visit(page, app.url)
    page.click("[data-start=synthetic]")
    page.wait_for(f"{IMAGE_WIDTH} == 640")
    page.click("[data-record]")
    page.wait_for("/0:0[1-9]/.test(document.querySelector('[data-recording]').innerText)")
    app.process.send_signal(signal.SIGTERM)
    assert app.process.wait(90.0) == 0
    assert not app.control_path.exists()
    assert [line.split()[0] for line in app.printed.splitlines()] == ["kinecast", "recordings:"], app.printed
    newest = max(app.recordings.iterdir())
    assert (newest / "angles.mot").exists() and (newest / "report.json").exists()


def test_a_new_app_finds_the_tracker_of_a_killed_one(tmp_path: Path, page: Page):
    with running_app(tmp_path, ends_tracker=False) as first:
        visit(page, first.url)
        page.click("[data-start=synthetic]")
        page.wait_for(f"{IMAGE_WIDTH} == 640")
        pid = read_control_file(first.control_path).pid
        first.process.kill()
        first.process.wait()
    os.kill(pid, 0)
    with running_app(tmp_path, port=first.port) as second:
        visit(page, f"{second.url}/live")
        page.wait_for(f"{IMAGE_WIDTH} == 640")
        assert read_control_file(second.control_path).pid == pid
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(90.0) == 0
    assert not second.control_path.exists()
