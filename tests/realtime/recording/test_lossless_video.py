"""Images that are kept without loss: FFmpeg, through OpenCV, gets back every bit, whatever happened."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import RecordingError
from realtime.recording.row_file import RowFile
from realtime.recording.video.huffyuv import canonical_codes, code_lengths
from realtime.recording.video.lossless import LosslessVideo
from realtime.sources.synthetic import draw_person


def pictures_of(path: Path) -> list[np.ndarray]:
    """What an independent reader finds."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = []
    while True:
        decoded, image = capture.read()
        if not decoded:
            return found
        found.append(image)


def write(path: Path, images: list[np.ndarray], rate_hz: float = 30.0) -> None:
    video = LosslessVideo(RowFile(path), images[0], rate_hz)
    for k, image in enumerate(images):
        video.write(image, round(k * 1e9 / rate_hz))
    video.close()
    video.close()


def picture(rng: np.random.Generator, kind: str, shape: tuple[int, int, int]) -> np.ndarray:
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "flat":
        return np.full(shape, rng.integers(256), dtype=np.uint8)
    if kind == "extremes":
        return (255 * rng.integers(0, 2, shape)).astype(np.uint8)
    x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    return np.stack([3 * x + y, x - 2 * y, x * y // 7], axis=2).astype(np.uint8)


kinds = st.sampled_from(["noise", "flat", "extremes", "slope"])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 50), st.lists(kinds, min_size=1, max_size=4), st.integers(0, 9))
def test_every_picture_comes_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, drawn: list[str], seed: int
) -> None:
    """Whatever the first image was, whose colours decide the codes."""
    path = tmp_path_factory.getbasetemp() / "any.mkv"
    rng = np.random.default_rng(seed)
    images = [picture(rng, kind, (height, width, 3)) for kind in drawn]
    write(path, images)
    found = pictures_of(path)
    assert len(found) == len(images)
    assert all(np.array_equal(a, b) for a, b in zip(found, images, strict=True))


def test_pictures_of_cameras_come_back_with_their_times(tmp_path: Path) -> None:
    path, times_s = tmp_path / "video.mkv", [0.0, 0.033, 0.067, 0.5, 0.533]
    noise = np.random.default_rng(0)
    images = []
    for time_s in times_s:
        image = draw_person(time_s).astype(np.int16) + noise.integers(-3, 4, (480, 640, 3))
        images.append(image.clip(0, 255).astype(np.uint8))
    video = LosslessVideo(RowFile(path), images[0], 30.0)
    for image, time_s in zip(images, times_s, strict=True):
        video.write(image, round(time_s * 1e9))
    video.close()
    assert all(np.array_equal(a, b) for a, b in zip(pictures_of(path), images, strict=True))
    capture, found_s = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while capture.grab():
        found_s.append(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3)
    np.testing.assert_allclose(found_s, times_s, atol=1e-6)
    assert path.stat().st_size < 0.8 * sum(image.size for image in images)


def test_slices_and_read_only_pictures_are_taken_as_they_are(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    sliced, locked = wide[::2, 10:40], wide[:20, :30].copy()
    locked.flags.writeable = False
    write(tmp_path / "v.mkv", [sliced, locked])
    found = pictures_of(tmp_path / "v.mkv")
    assert np.array_equal(found[0], sliced) and np.array_equal(found[1], locked)


def test_a_video_that_was_cut_anywhere_plays_up_to_there(tmp_path: Path) -> None:
    path, images = tmp_path / "v.mkv", [draw_person(0.1 * k, (64, 48)) for k in range(6)]
    ends = []
    video = LosslessVideo(RowFile(path), images[0], 30.0)
    for k, image in enumerate(images):
        video.write(image, k * 10**8)
        ends.append(path.stat().st_size)  # each image is in the file when `write` returns
    video.close()
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for cut in [ends[0], ends[2] - 1, ends[2], ends[2] + 1, *rng.integers(ends[0], ends[-1], 20).tolist()]:
        path.write_bytes(whole[:cut])
        n_whole = sum(end <= cut for end in ends)
        found = pictures_of(path)
        assert len(found) >= n_whole
        assert all(np.array_equal(a, b) for a, b in zip(found[:n_whole], images, strict=False))


def test_another_size_is_refused(tmp_path: Path) -> None:
    video = LosslessVideo(RowFile(tmp_path / "v.mkv"), np.zeros((4, 6, 3), np.uint8), 30.0)
    with pytest.raises(RecordingError, match="follows others"):
        video.write(np.zeros((6, 4, 3), np.uint8), 0)
    video.close()


def fibonacci() -> np.ndarray:
    counts = [1.0, 1.0]
    while len(counts) < 256:
        counts.append(counts[-1] + counts[-2])
    return np.array(counts)


@pytest.mark.parametrize("counts", [np.ones(256), fibonacci(), 10.0 ** np.arange(256)[::-1].clip(0, 200)])
def test_codes_are_complete_and_none_is_the_beginning_of_another(counts: np.ndarray) -> None:
    lengths = code_lengths(counts)
    assert 1 <= lengths.min() and lengths.max() <= 31
    assert (0.5 ** lengths.astype(float)).sum() == 1.0
    words = [f"{code:0{n}b}" for code, n in zip(canonical_codes(lengths), lengths, strict=True)]
    ordered = sorted(words)
    assert all(len(word) == n for word, n in zip(words, lengths, strict=True))
    assert not any(b.startswith(a) for a, b in pairwise(ordered))
