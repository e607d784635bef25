"""Several people in the app: how many are tracked, whose curves are shown, whose files are exported."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.app.options import AppOptions, Settings, load_settings
from realtime.app.state import AppState
from realtime.report.data import read_recording
from tests.support.browser import Page, browser_page
from tests.support.environment import import_or_skip
from tests.support.running_app import RunningApp, running_app

SIZES_PX = ((1280, 720), (390, 844))
PRESSED = "document.querySelector('[data-people] [aria-pressed=true]')?.innerText.trim()"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def page(app: RunningApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as page:
        page.resize(*SIZES_PX[0])
        yield page


def visit(page: Page, url: str) -> None:
    """Load a page of the app, and wait until it reacts."""
    page.visit(url)
    page.wait_for("!!window.socket?.connected && !!window.did_handshake")


def choose(page: Page, number: int) -> None:
    """Press a person's button until it stays pressed: a slow browser may connect anew, and lose a click."""
    click = f"document.querySelector('[data-person=\"{number}\"]')?.click()"
    page.wait_for(f"({click}, {PRESSED} == 'Person {number}')")


def check_width(page: Page) -> None:
    """Nothing is wider than a phone or a screen."""
    for size_px in reversed(SIZES_PX):
        page.resize(*size_px)
        assert page.evaluate("document.documentElement.scrollWidth") <= size_px[0]


def test_the_number_of_people_is_chosen_before_the_start(app: RunningApp, page: Page) -> None:
    visit(page, app.url)
    page.wait_for("!!document.querySelector('[data-n-people]')")
    page.evaluate("document.querySelector('[data-n-people]').closest('.q-field').click()")
    page.wait_for("document.querySelectorAll('.q-menu .q-item').length == 4")
    page.evaluate("document.querySelectorAll('.q-menu .q-item')[1].click()")
    page.wait_for("document.body.innerText.includes('Of several people, sizes are estimated')")
    assert load_settings(app.state / "kinecast" / "app").n_people == 2
    check_width(page)


def test_live_curves_are_of_the_person_who_is_chosen(app: RunningApp, page: Page) -> None:
    page.click("[data-start=synthetic]")
    page.wait_for("document.querySelectorAll('[data-person]').length == 2")
    assert page.evaluate(PRESSED) == "Person 1"
    page.wait_for("document.querySelector('[data-status]').innerText.startsWith('Person 1: ')")
    choose(page, 2)
    page.wait_for("document.querySelector('[data-status]').innerText.startsWith('Person 2: Tracking')")
    page.wait_for("/[0-9] to /.test(document.querySelector('[data-ranges]').innerText)")
    check_width(page)


def test_everybody_is_recorded_and_replayed(app: RunningApp, page: Page, tmp_path: Path) -> None:
    page.click("[data-record]")
    page.wait_for("/0:0[2-9]/.test(document.querySelector('[data-recording]').innerText)")
    page.click("[data-record]")
    page.wait_for("document.querySelector('[data-record]').innerText.trim().endsWith('Record')")
    page.wait_for("!document.querySelector('[data-recording]').innerText.includes('Finishing')")
    page.click("[data-stop]")
    (folder,) = app.recordings.iterdir()
    visit(page, f"{app.url}/recordings")
    page.wait_for("document.querySelector('[data-entry]')?.innerText.includes('2 people')")
    page.click("[data-replay]")
    page.wait_for("document.querySelectorAll('[data-person]').length == 2")
    shown = "document.querySelector('[data-values] td:nth-child(2)').innerText"
    for number, part in ((1, folder), (2, folder / "person_2")):
        choose(page, number)
        recording = read_recording(part)
        knee_deg = recording.values[0, recording.names.index("knee_angle_r")]
        page.wait_for(f"Math.abs(parseFloat({shown}) - {knee_deg:.2f}) < 0.06")
    check_width(page)
    page.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.evaluate("document.querySelector('[data-kind]').closest('.q-field').click()")
    page.wait_for("document.querySelectorAll('.q-menu .q-item').length == 6")
    page.evaluate("document.querySelectorAll('.q-menu .q-item')[2].click()")
    page.click("[data-export]")
    out = tmp_path / f"{folder.name}_person_2.csv"
    deadline_s = time.monotonic() + 180.0
    while not out.exists():
        assert time.monotonic() < deadline_s, "it was not downloaded"
        time.sleep(0.05)
    rows = list(csv.DictReader(out.open()))
    exported = np.array([float(row["knee_angle_r"]) for row in rows])
    np.testing.assert_allclose(
        exported, recording.values[:, recording.names.index("knee_angle_r")], atol=1e-3
    )


def test_the_report_opens_at_the_person(app: RunningApp, page: Page) -> None:
    page.click("[data-report]")
    page.wait_for("location.search == '?person=2'")
    document = "document.querySelector('iframe[data-report]')?.contentDocument"
    page.wait_for(f"!!{document}?.getElementById('person-2')", 120.0)
    top = f"{document}.getElementById('person-2').getBoundingClientRect().top"
    page.wait_for(f"Math.abs({top}) < 60")
    assert page.evaluate(f"{document}.getElementById('person-1') != null")
    assert not page.complaints()


def test_a_stature_is_of_one_person(tmp_path: Path) -> None:
    state = AppState.__new__(AppState)
    state.options = AppOptions(recordings=tmp_path, folder=tmp_path)
    state.settings = Settings(height_m=1.8, n_people=3)
    assert state.tracker_words("0") == ["--people", "3"]
    state.settings = Settings(height_m=1.8)
    assert state.tracker_words("0") == ["--height", "1.8"]
