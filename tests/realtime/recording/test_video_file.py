"""The overlay video: one to one where the source is steady, on time where it is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calib.skeleton import load_skeleton
from realtime.errors import RecordingError
from realtime.recording.recorder import Recorder
from realtime.recording.video.h264 import H264Video
from realtime.recording.video.mpeg4 import MAX_REPEATED_S, Mpeg4Video
from tests.support.poses import random_sample


def brightness(path: Path) -> list[int]:
    """Mean grey of each frame of a video, rounded to tens."""
    capture = cv2.VideoCapture(str(path))
    values = []
    while True:
        is_read, image = capture.read()
        if not is_read:
            return values
        values.append(round(float(image.mean()) / 10.0) * 10)


def grey(value: int, shape: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    return np.full((*shape, 3), value, np.uint8)


def test_a_steady_source_is_filmed_one_to_one(tmp_path: Path) -> None:
    skeleton = load_skeleton()
    values = [10 * (1 + k % 20) for k in range(60)]
    with Recorder(tmp_path, skeleton, rate_hz=29.97) as recorder:
        for k, value in enumerate(values):
            t_ns = round(k * 1e9 / 29.97)
            recorder.write(random_sample(skeleton, k % 3, t_capture_ns=t_ns), grey(value))
    assert brightness(tmp_path / "overlay.mp4") == values
    capture = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(29.97, abs=0.01)


def test_the_video_keeps_time_with_an_uneven_source(tmp_path: Path) -> None:
    video = Mpeg4Video(tmp_path / "v.mp4", 10.0, (64, 48))
    for time_s, value in [(0.0, 50), (0.11, 100), (0.13, 250), (0.5, 150), (0.58, 200)]:
        video.write(grey(value), time_s)
    video.close()
    assert brightness(tmp_path / "v.mp4") == [50, 100, 100, 100, 100, 150, 200]
    assert (video.repeated, video.left_out) == (3, 1)


def test_a_long_silence_is_cut_short_in_the_video(tmp_path: Path) -> None:
    video = Mpeg4Video(tmp_path / "v.mp4", 10.0, (64, 48))
    for time_s, value in [(0.0, 50), (3600.0, 100), (3600.1, 150)]:
        video.write(grey(value), time_s)
    video.close()
    assert brightness(tmp_path / "v.mp4") == [50] * (1 + round(MAX_REPEATED_S * 10.0)) + [100, 150]


@pytest.mark.parametrize("kind", [Mpeg4Video, H264Video])
@pytest.mark.parametrize("shape", [(49, 65), (48, 65), (49, 64)])
def test_odd_sizes_become_even_and_other_sizes_are_fitted(
    tmp_path: Path, shape: tuple[int, int], kind: type[Mpeg4Video | H264Video]
) -> None:
    video = kind(tmp_path / "v.mp4", 10.0, (shape[1], shape[0]))
    video.write(grey(50, shape), 0.0)
    video.write(grey(100, (96, 128)), 0.1)
    video.close()
    video.close()
    capture = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (64, 48)
    assert brightness(tmp_path / "v.mp4") == [50, 100]


@pytest.mark.parametrize("kind", [Mpeg4Video, H264Video])
@pytest.mark.parametrize("size_px", [(64, 48), (1, 1)])
def test_a_video_that_cannot_be_made_is_refused(
    tmp_path: Path, kind: type[Mpeg4Video | H264Video], size_px: tuple[int, int]
) -> None:
    folder = tmp_path if size_px == (1, 1) else tmp_path / "missing"
    with pytest.raises(RecordingError, match="cannot write a video"):
        kind(folder / "v.mp4", 30.0, size_px)
