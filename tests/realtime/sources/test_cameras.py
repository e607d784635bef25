"""Cameras and network streams, with a VideoCapture that can be unplugged."""

from __future__ import annotations

import logging
import threading
import time

import cv2
import numpy as np
import pytest

from realtime.errors import SourceError
from realtime.sources import cameras
from realtime.sources.cameras import CameraSource, StreamSource


class World:
    """The hardware that the patched VideoCapture sees."""

    def __init__(self) -> None:
        self.is_plugged = True
        self.size_px = (640, 480)
        self.grabs_left = 10**9
        self.opened: list[tuple[object, ...]] = []
        self.properties: list[tuple[int, float]] = []
        self.n_released = 0
        self.grab_ns = self.retrieve_ns = 0

    def capture(self, *arguments: object) -> FakeCapture:
        self.opened.append(arguments)
        return FakeCapture(self)


class FakeCapture:
    def __init__(self, world: World) -> None:
        self.world = world

    def isOpened(self) -> bool:
        return self.world.is_plugged

    def set(self, name: int, value: float) -> bool:
        self.world.properties.append((name, value))
        return True

    def get(self, name: int) -> float:
        return 30.0 if name == cv2.CAP_PROP_FPS else 0.0

    def grab(self) -> bool:
        self.world.grabs_left -= 1
        if self.world.grabs_left < 0:
            self.world.is_plugged = False
        self.world.grab_ns = time.perf_counter_ns()
        return self.world.is_plugged

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self.world.retrieve_ns = time.perf_counter_ns()
        return True, np.zeros((*self.world.size_px[::-1], 3), dtype=np.uint8)

    def read(self) -> tuple[bool, np.ndarray | None]:
        return self.retrieve() if self.grab() else (False, None)

    def release(self) -> None:
        self.world.n_released += 1


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(cv2, "VideoCapture", world.capture)
    monkeypatch.setattr(cameras, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(cameras, "SETTLE_S", 0.05)
    monkeypatch.setattr(cameras, "list_cameras", lambda: [])
    return world


def test_the_stamp_lies_between_grab_and_retrieve(world: World):
    source = CameraSource(0)
    source.open()
    frame = source.read()
    assert frame is not None
    assert world.grab_ns <= frame.t_capture_ns <= world.retrieve_ns


def test_the_size_is_that_of_the_pictures_not_what_was_asked(world: World):
    world.size_px = (320, 240)
    source = CameraSource(0, size_px=(1280, 720))
    source.open()
    assert (source.width_px, source.height_px) == (320, 240)


@pytest.mark.parametrize(("size_px", "is_compressed"), [((640, 480), False), ((1280, 720), True)])
def test_compressed_pictures_are_asked_for_only_where_raw_ones_do_not_fit(
    world: World, size_px: tuple[int, int], is_compressed: bool
):
    CameraSource(0, size_px=size_px).open()
    asked = (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    assert (asked in world.properties) == is_compressed
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in world.properties


def test_no_camera_says_what_was_tried_and_what_to_do(world: World):
    world.is_plugged = False
    with pytest.raises(
        SourceError, match=r"camera 3 cannot be opened \(tried .*ANY; cameras found: none\)"
    ) as caught:
        CameraSource(3).open()
    assert "kinecast replay VIDEO --out DIR" in str(caught.value)
    assert world.n_released == len(world.opened)


def test_a_camera_without_pictures_says_so(world: World):
    world.grabs_left = 0
    with pytest.raises(SourceError, match="opens but gives no image"):
        CameraSource(0).open()


def test_another_camera_is_proposed(world: World, monkeypatch: pytest.MonkeyPatch):
    world.is_plugged = False
    monkeypatch.setattr(cameras, "list_cameras", lambda: [(2, "Integrated Camera")])
    with pytest.raises(SourceError, match=r"2 \(Integrated Camera\)\); try --source 2"):
        CameraSource(0).open()


def test_an_unplugged_camera_is_reported_and_found_again(world: World, caplog: pytest.LogCaptureFixture):
    source = CameraSource(0)
    source.open()
    assert source.read().frame_id == 0
    world.grabs_left = 0
    frames = []
    with caplog.at_level(logging.WARNING):
        reader = threading.Thread(target=lambda: frames.append(source.read()))
        reader.start()
        while not source.note:
            time.sleep(0.001)
        assert source.note == "camera 0 is gone, trying again"
        world.grabs_left, world.is_plugged = 10**9, True
        reader.join(20.0)
    assert frames[0].frame_id == 1
    assert source.note == ""
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "camera 0 gives no more images; trying to reconnect"
    assert said[1].startswith("camera 0 is back after ")


def test_reconnecting_can_be_interrupted(world: World):
    source = CameraSource(0)
    source.open()
    world.grabs_left = 0
    frames = []
    reader = threading.Thread(target=lambda: frames.append(source.read()))
    reader.start()
    while not source.note:
        time.sleep(0.001)
    source.interrupt()
    reader.join(20.0)
    assert frames == [None]


def test_a_camera_that_comes_back_with_another_size_is_refused(world: World):
    source = CameraSource(0)
    source.open()
    world.size_px = (320, 240)
    with pytest.raises(SourceError, match="came back with images of 320x240, it gave 640x480"):
        source.read()


def test_a_stream_hides_its_password_when_it_cannot_be_reached(world: World):
    world.is_plugged = False
    with pytest.raises(SourceError, match=r"rtsp://host/live: no images") as caught:
        StreamSource("rtsp://me:secret@host/live").open()
    assert "secret" not in str(caught.value)
    assert world.opened[0][0] == "rtsp://me:secret@host/live"
