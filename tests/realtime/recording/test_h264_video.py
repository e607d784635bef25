"""Overlay videos in H.264: true times, played by a browser, and whole after a kill and on a full disk."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.recording.video import h264, overlay
from realtime.recording.video.h264 import H264Video
from realtime.recording.video.mpeg4 import Mpeg4Video
from tests.support.browser import Page, browser_page
from tests.support.environment import import_or_skip
from tests.support.kinecast_process import ROOT
from tests.support.mp4 import picture, picture_number

SIZE_PX = (64, 48)
TIMES_S = (0.0, 0.033, 0.067, 0.0671, 0.5, 7.25, 3600.0)


@pytest.fixture(autouse=True)
def with_pyav() -> None:
    import_or_skip("av", "pip install 'kinecast[record]'")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def read(path: Path) -> tuple[list[int], list[float]]:
    """Numbers of the images, and their times in s, as OpenCV finds them."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    numbers, times_s = [], []
    while capture.grab():
        times_s.append(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3)
        numbers.append(picture_number(capture.retrieve()[1]))
    return numbers, times_s


def write(path: Path, times_s: tuple[float, ...]) -> None:
    video = H264Video(path, 30.0, SIZE_PX)
    for k, time_s in enumerate(times_s):
        video.write(picture(k), time_s)
    video.close()


def written_by_a_process(path: Path, n_images: int, end: str, before: str = "") -> str:
    """Have another process write a video and end in some way; what it says."""
    program = f"""
import os, resource
from pathlib import Path
from realtime.errors import RecordingError
from realtime.recording.video.h264 import H264Video
from tests.support.mp4 import picture
{before}
video = H264Video(Path({str(path)!r}), 30.0, {SIZE_PX})
for k in range({n_images}):
    video.write(picture(k), k / 30.0)
{end}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stderr


def test_images_keep_their_own_times(tmp_path: Path):
    write(tmp_path / "v.mp4", TIMES_S)
    numbers, times_s = read(tmp_path / "v.mp4")
    assert numbers == list(range(len(TIMES_S)))
    np.testing.assert_allclose(times_s, TIMES_S, atol=2e-5)


def test_an_image_at_the_time_of_the_one_before_is_left_out(tmp_path: Path):
    write(tmp_path / "v.mp4", (0.0, 0.1, 0.1, 0.05, 0.2))
    assert read(tmp_path / "v.mp4")[0] == [0, 1, 4]


def test_colours_are_the_same_for_readers(tmp_path: Path):
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 220), (15, 118, 110)]
    video = H264Video(tmp_path / "v.mp4", 30.0, SIZE_PX)
    for k, colour in enumerate(colours):
        video.write(np.full((SIZE_PX[1], SIZE_PX[0], 3), colour, np.uint8), k / 30.0)
    video.close()
    capture = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    for colour in colours:
        np.testing.assert_allclose(capture.read()[1].mean((0, 1)), colour, atol=6.0)


def test_a_killed_process_leaves_all_images_but_the_newest(tmp_path: Path):
    path = tmp_path / "v.mp4"
    written_by_a_process(path, 40, "os.kill(os.getpid(), 9)")
    assert read(path)[0] == list(range(39))


def test_a_full_disk_is_reported_and_leaves_what_fitted(tmp_path: Path):
    path = tmp_path / "v.mp4"
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))"
    said = written_by_a_process(path, 200, "", before=limit)
    assert "RecordingError" in said and "cannot write a video of 64x48 (File too large)" in said
    numbers = read(path)[0]
    assert len(numbers) > 10 and numbers == list(range(len(numbers)))


@pytest.mark.parametrize("end", ["video.close()", "os.kill(os.getpid(), 9)"])
def test_a_browser_plays_it_and_jumps_in_it(tmp_path: Path, page: Page, end: str):
    written_by_a_process(tmp_path / "v.mp4", 90, end)
    content = base64.b64encode((tmp_path / "v.mp4").read_bytes()).decode()
    (tmp_path / "page.html").write_text(
        f'<video muted src="data:video/mp4;base64,{content}"></video><canvas width=64 height=48></canvas>'
    )
    page.open(tmp_path / "page.html")
    page.wait_for("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').videoWidth") == SIZE_PX[0]
    for k in (75, 20, 60):
        page.evaluate(f"document.querySelector('video').currentTime = {(k + 0.5) / 30.0}")
        page.wait_for("!document.querySelector('video').seeking")
        assert picture_number(shown(page)) == k
    page.evaluate("document.querySelector('video').play()")
    page.wait_for("document.querySelector('video').ended")


def shown(page: Page) -> np.ndarray:
    """What the page's video shows."""
    url = page.evaluate(
        "(() => { const canvas = document.querySelector('canvas');"
        "canvas.getContext('2d').drawImage(document.querySelector('video'), 0, 0);"
        "return canvas.toDataURL(); })()"
    )
    image = cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.mark.parametrize("has_pyav", [True, False])
def test_without_pyav_the_overlay_is_mpeg_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pyav: bool):
    if not has_pyav:
        monkeypatch.setitem(sys.modules, "av", None)
    h264.can_write_h264.cache_clear()
    try:
        video = overlay.create_overlay_video(tmp_path / "v.mp4", 30.0, SIZE_PX)
    finally:
        h264.can_write_h264.cache_clear()
    assert type(video) is (H264Video if has_pyav else Mpeg4Video)
    video.write(picture(3), 0.0)
    video.close()
    assert read(tmp_path / "v.mp4")[0] == [3]
