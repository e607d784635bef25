"""Videos of non-square pixels are seen as they are shown: circles stay round."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime import cli
from realtime.commands import session
from realtime.sources import cameras
from realtime.sources.cameras import StreamSource
from realtime.sources.files import VideoSource
from realtime.sources.parse import read_frames
from tests.realtime.sources.test_cameras import FakeCapture, World
from tests.support import swinging
from tests.support.mp4 import rotate_clockwise, set_pixel_aspect

RADIUS_PX = 60.0


def film_circle(path: Path, across: int, down: int, shown_px: int = 240) -> Path:
    """A circle of 60 px, stored with pixels of this shape."""
    width_px, height_px = shown_px * down // across, 160
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (width_px, height_px))
    image = np.zeros((height_px, width_px, 3), np.uint8)
    axes = round(16 * RADIUS_PX * down / across), round(16 * RADIUS_PX)
    cv2.ellipse(
        image, (8 * width_px, 8 * height_px), axes, 0.0, 0.0, 360.0, (255,) * 3, -1, cv2.LINE_AA, shift=4
    )
    for _ in range(3):
        writer.write(image)
    writer.release()
    set_pixel_aspect(path, across, down)
    return path


def extent_px(image: np.ndarray) -> tuple[float, float]:
    """Width and height of the circle, by its area along the middle row and column."""
    grey = image[..., 0] / 255.0
    return float(grey[grey.shape[0] // 2].sum()), float(grey[:, grey.shape[1] // 2].sum())


@pytest.mark.parametrize(("across", "down"), [(4, 3), (16, 15), (8, 9), (32, 27), (1, 2), (1, 1)])
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_circle_is_round_whatever_the_shape_of_the_pixels(
    tmp_path: Path, across: int, down: int, is_turned: bool
):
    path = film_circle(tmp_path / "recorder.mp4", across, down)
    if is_turned:
        rotate_clockwise(path)
    source = VideoSource(str(path))
    frame = next(iter(read_frames(source)))
    width_px, height_px = extent_px(frame.image)
    assert width_px == pytest.approx(2 * RADIUS_PX, abs=3) and height_px == pytest.approx(
        2 * RADIUS_PX, abs=3
    )
    assert frame.image.shape[1::-1] == (source.width_px, source.height_px)
    assert sorted(frame.image.shape[:2]) == pytest.approx([160, 240], abs=2)


@pytest.mark.parametrize(("across", "down"), [(783, 784), (1, 60), (0, 0)])
def test_a_rounded_or_damaged_shape_leaves_the_images_alone(tmp_path: Path, across: int, down: int):
    path = film_circle(tmp_path / "clip.mp4", 1, 1)
    set_pixel_aspect(path, across, down)
    source = VideoSource(str(path))
    assert next(iter(read_frames(source))).image.shape == (160, 240, 3)


def test_a_stream_of_non_square_pixels_is_seen_as_it_is_shown(monkeypatch: pytest.MonkeyPatch):
    world = World()
    world.size_px = (704, 576)  # as analogue cameras send it: 12:11 in PAL
    shape = {cv2.CAP_PROP_SAR_NUM: 12.0, cv2.CAP_PROP_SAR_DEN: 11.0}
    monkeypatch.setattr(cv2, "VideoCapture", world.capture)
    monkeypatch.setattr(FakeCapture, "get", lambda self, name: shape.get(name, 0.0))
    monkeypatch.setattr(cameras, "SETTLE_S", 0.05)
    source = StreamSource("rtsp://10.0.0.2/stream")
    source.open()
    frame = source.read()
    assert frame is not None and frame.image.shape == (576, 768, 3)
    assert (source.width_px, source.height_px) == (768, 576)


def test_files_of_a_recording_agree_on_the_square_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(session, "make_estimator", swinging.build)
    video, out = film_circle(tmp_path / "hdv.mp4", 4, 3, shown_px=243), tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        assert cli.main(["replay", str(video), "--out", str(out)]) == 0
    assert "pixels are not square" in caplog.text
    camera = json.loads((out / "camera.json").read_text())
    report = json.loads((out / "report.json").read_text())
    overlay = cv2.VideoCapture(str(out / "overlay.mp4"))
    size_px = overlay.get(cv2.CAP_PROP_FRAME_WIDTH), overlay.get(cv2.CAP_PROP_FRAME_HEIGHT)
    assert camera["fx"] == camera["fy"]
    assert (camera["width_px"], camera["height_px"]) == (report["width_px"], report["height_px"]) == size_px
    assert size_px == (242, 160)
