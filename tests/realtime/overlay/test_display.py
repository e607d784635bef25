"""The window, and the reasons for which there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.overlay import window as display
from tests.support.screens import virtual_screen

ROOT = Path(__file__).parents[3]


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_a_computer_without_screen_is_recognised(no_screen: None):
    assert "no screen here" in display.display_problem()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_a_screen_that_cannot_be_reached_does_not_end_the_process(no_screen, monkeypatch, capfd):
    monkeypatch.setenv("DISPLAY", ":4711")
    assert "cannot be reached" in display.display_problem()
    assert capfd.readouterr().err == ""


class FakeGui:
    """Stands in for OpenCV's windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.titles: list[str] = []
        self.key = -1
        self.visible = 1.0
        for name in ("namedWindow", "resizeWindow", "imshow", "destroyAllWindows"):
            monkeypatch.setattr(cv2, name, lambda *_, name=name: self.calls.append(name))
        self.mouse: Callable[..., None] = lambda *_: None
        monkeypatch.setattr(cv2, "setMouseCallback", lambda _, mouse: setattr(self, "mouse", mouse))
        monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: self.titles.append(title))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)
        monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: (0, 0, 6, 4))


PICTURE = np.zeros((4, 6, 3), dtype=np.uint8)


def test_the_window_is_opened_filled_and_closed_once(monkeypatch: pytest.MonkeyPatch):
    gui, window = FakeGui(monkeypatch), display.Window()
    assert window.is_open()
    window.close()
    assert gui.calls == []
    window.open(6, 4)
    window.show(PICTURE)
    window.close()
    window.close()
    assert gui.calls == ["namedWindow", "resizeWindow", "imshow", "imshow", "destroyAllWindows"]


@pytest.mark.parametrize(
    ("key", "visible", "is_open"), [(-1, 1.0, True), (113, 1.0, False), (27, 1.0, False), (-1, 0.0, False)]
)
def test_q_esc_and_the_close_button_end_it(monkeypatch, key: int, visible: float, is_open: bool):
    gui, window = FakeGui(monkeypatch), display.Window()
    window.open(6, 4)
    gui.key, gui.visible = key, visible
    assert window.is_open() is is_open


def test_other_keys_are_given_once_each(monkeypatch):
    gui, window = FakeGui(monkeypatch), display.Window()
    window.open(6, 4)
    assert window.take_key() == ""
    for key, letter in ((ord("n"), "n"), (ord("S"), "s")):
        gui.key = key
        assert window.is_open()
        gui.key = -1
        assert window.is_open()
        assert (window.take_key(), window.take_key()) == (letter, "")


def test_a_click_is_given_once_as_a_point_of_the_image(monkeypatch):
    gui, window = FakeGui(monkeypatch), display.Window()
    window.open(60, 40)
    window.show(np.zeros((40, 20, 3), np.uint8))  # in the middle, black beside it
    assert window.take_click() is None
    gui.mouse(cv2.EVENT_MOUSEMOVE, 3, 4, 0, None)
    assert window.take_click() is None
    for x_px, expected in ((30, (0.5, 0.25)), (25, (0.25, 0.25)), (5, None), (59, None)):
        gui.mouse(cv2.EVENT_LBUTTONDOWN, x_px, 10, 0, None)
        assert window.take_click() == expected
        assert window.take_click() is None


def test_a_note_is_told_in_the_title_while_it_holds(monkeypatch: pytest.MonkeyPatch):
    gui, window = FakeGui(monkeypatch), display.Window()
    window.open(6, 4)
    for note in ("", "camera 0 is gone", "camera 0 is gone", ""):
        window.set_note(note)
    assert gui.titles == [f"{display.TITLE} - camera 0 is gone", display.TITLE]


_ON_A_SCREEN = """
import os, time
import cv2, numpy as np
from realtime.overlay.window import TITLE, Window
from tests.support.screens import screenshot

def until(condition, what):
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, what
        assert window.is_open()

def shows(expected):
    height, width = expected.shape[:2]
    seen = screenshot(os.environ)
    return (seen[:height, :width] == expected).all() and not seen[height:].any() and not seen[:, width:].any()

window, rng = Window(), np.random.default_rng(0)
window.open(1280, 720)
image = rng.integers(0, 255, (720, 1280, 3), np.uint8)
window.show(image)
until(lambda: shows(image), "each pixel as it was drawn, and nothing beside it")

cv2.resizeWindow(TITLE, 360, 640)
smaller = np.zeros((640, 360, 3), np.uint8)
smaller[219:421] = cv2.resize(image, (360, 202), interpolation=cv2.INTER_AREA)
until(lambda: shows(smaller), "the image shrunk by averaging, in the middle")
assert window.size_px == (360, 640)
drawn = rng.integers(0, 255, (640, 360, 3), np.uint8)
window.show(drawn)
until(lambda: shows(drawn), "what is drawn at the window's size, as it was drawn")
window.close()
"""


def test_the_window_shows_what_is_drawn_pixel_by_pixel():
    with virtual_screen() as environment:
        environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-c", _ON_A_SCREEN]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240.0)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("size_px", "opened"), [((640, 480), (640, 480)), ((1080, 1920), (405, 720))])
def test_the_window_fits_on_the_screen(monkeypatch, size_px: tuple[int, int], opened: tuple[int, int]):
    FakeGui(monkeypatch)
    window = display.Window()
    window.open(*size_px)
    assert window.size_px == opened
