"""The overlay goes to a virtual camera, with and without a window; without one, a line says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from realtime import cli
from realtime.commands import session
from tests.support import swinging
from tests.support.mp4 import write_video


class FakeCamera:
    """Stands in for the device: keeps what it is sent, as pyvirtualcam checks it."""

    device = "/dev/video7"
    made: list[FakeCamera]

    def __init__(self, width: int, height: int, *, fps: float, fmt: str) -> None:
        self.shape, self.fps, self.fmt = (height, width, 3), fps, fmt
        self.images: list[np.ndarray] = []
        self.is_open = True
        self.made.append(self)

    def send(self, frame: np.ndarray) -> None:
        assert self.is_open and frame.shape == self.shape and frame.dtype == np.uint8
        self.images.append(frame)

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(session, "make_estimator", swinging.build)
    return str(write_video(tmp_path / "clip.mp4", 40, fps=40.0))


def test_every_new_image_goes_to_the_camera(
    video: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    FakeCamera.made = []
    fake = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(BGR="BGR"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", fake)
    assert cli.main(["live", "--source", video, "--no-window", "--no-publish", "--virtual-camera"]) == 0
    (camera,) = FakeCamera.made
    assert camera.shape == (48, 64, 3) and camera.fmt == "BGR" and camera.fps == pytest.approx(40.0)
    assert len(camera.images) > 5 and any(image.any() for image in camera.images) and not camera.is_open
    assert "/dev/video7" in capsys.readouterr().out


def test_without_a_camera_the_way_to_one_is_named(
    video: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    words = ["live", "--source", video, "--no-window", "--no-publish", "--virtual-camera"]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    assert cli.main(words) == 2
    assert "pip install 'kinecast[camera]'" in (said := capsys.readouterr().err) and said.count("\n") == 1

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: no device found")

    fake = SimpleNamespace(Camera=refuse, PixelFormat=SimpleNamespace(BGR="BGR"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", fake)
    assert cli.main(words) == 2
    assert "modprobe v4l2loopback" in (said := capsys.readouterr().err) and said.count("\n") == 1
