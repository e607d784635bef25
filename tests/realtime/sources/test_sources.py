"""Videos, images and drawn people as sources; what is wrong with them is said."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.errors import SourceError
from realtime.sources.cameras import CameraSource, StreamSource
from realtime.sources.files import PictureSource, VideoSource
from realtime.sources.parse import parse_source, read_frames
from realtime.sources.synthetic import SyntheticSource
from tests.support.mp4 import (
    picture,
    picture_number,
    rotate_clockwise,
    set_durations,
    time_scale,
    write_video,
)


def stamps_ms(frames) -> list[float]:
    return [(frame.t_capture_ns - frames[0].t_capture_ns) * 1e-6 for frame in frames]


def test_what_a_user_types_becomes_the_right_source(tmp_path: Path):
    video = write_video(tmp_path / "clip.mp4", 2)
    cv2.imwrite(str(tmp_path / "one.png"), picture(0))
    expected = {
        "0": CameraSource,
        "12": CameraSource,
        "synthetic": SyntheticSource,
        str(video): VideoSource,
        str(tmp_path): PictureSource,
        str(tmp_path / "one.png"): PictureSource,
        "rtsp://user:secret@10.0.0.2/stream": StreamSource,
        "http://10.0.0.2:8080/video": StreamSource,
        "https://example.org/walk.MP4?download=1": VideoSource,
    }
    assert {text: type(parse_source(text)) for text in expected} == expected


@pytest.mark.parametrize(
    "text", ["", "  ", "nowhere.mp4", "~nobody-of-this-name/x", "ftp://host/a.mp4", "a\0b", "x" * 5000]
)
def test_what_is_no_source_is_refused(text: str):
    with pytest.raises(SourceError, match=r"accepted|a source is"):
        parse_source(text)


@given(st.text(max_size=40))
def test_any_text_is_a_source_or_is_refused(text: str):
    try:
        source = parse_source(text)
    except SourceError as error:
        assert "\n" not in str(error)
    else:
        assert source.description


def test_a_video_gives_its_frames_in_order_with_their_presentation_times(tmp_path: Path):
    source = VideoSource(str(write_video(tmp_path / "clip.mp4", 20, fps=25.0)))
    frames = list(read_frames(source))
    assert [picture_number(frame.image) for frame in frames] == list(range(20))
    assert [frame.frame_id for frame in frames] == list(range(20))
    np.testing.assert_allclose(stamps_ms(frames), np.arange(20) * 40.0, atol=1e-3)
    assert (source.width_px, source.height_px, source.fps, source.n_frames) == (64, 48, 25.0, 20)
    assert source.note == ""


def test_frames_are_blue_green_red_not_mirrored_and_read_only(tmp_path: Path):
    frame = next(iter(read_frames(VideoSource(str(write_video(tmp_path / "clip.mp4", 1))))))
    blue, green, red = frame.image[8, 8]
    assert blue > 200 and green < 60 and red < 60
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 0


def test_stamps_differ_by_the_same_amounts_whenever_a_video_is_read(tmp_path: Path):
    source = VideoSource(str(write_video(tmp_path / "clip.mp4", 10, fps=29.97)))
    first, second = list(read_frames(source)), list(read_frames(source))
    assert stamps_ms(first) == stamps_ms(second)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_a_variable_frame_rate_is_followed(tmp_path: Path):
    path = write_video(tmp_path / "phone.mp4", 6)
    ticks = [time_scale(path) * share // 60 for share in (4, 1, 1, 2, 3, 1)]
    set_durations(path, ticks)
    frames = list(read_frames(VideoSource(str(path))))
    expected_ms = np.concatenate([[0.0], np.cumsum(ticks[:-1])]) * 1e3 / time_scale(path)
    np.testing.assert_allclose(stamps_ms(frames), expected_ms, atol=0.1)


def test_frames_without_time_stamps_go_on_at_the_nominal_rate(tmp_path: Path):
    path = write_video(tmp_path / "broken.mp4", 5, fps=50.0)
    set_durations(path, [time_scale(path) // 50, 0, 0, 0, 0])
    source = VideoSource(str(path))
    frames = list(read_frames(source))
    assert len(frames) == 5
    assert all(later > earlier for earlier, later in pairwise(stamps_ms(frames)))


def test_rotation_in_the_metadata_is_applied(tmp_path: Path):
    path = write_video(tmp_path / "phone.mp4", 2)
    rotate_clockwise(path)
    source = VideoSource(str(path))
    frame = next(iter(read_frames(source)))
    assert (source.width_px, source.height_px) == (48, 64) == frame.image.shape[1::-1]
    assert frame.image[8, -8, 0] > 200, "the corner that was at the top left is at the top right"
    assert frame.image[-8, 8, 0] < 100


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("clip.avi", "MJPG", "{n} frames could be read of 40"),
        ("clip.mkv", "mp4v", "{s:.2f} s could be read of 1.33 s"),  # it states no number of frames
    ],
)
def test_a_truncated_video_gives_what_is_left_and_says_so(tmp_path: Path, name: str, codec: str, said: str):
    path = write_video(tmp_path / name, 40, codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = VideoSource(str(path))
    numbers = [picture_number(frame.image) for frame in read_frames(source)]
    assert 2 < len(numbers) < 38
    assert numbers == list(range(len(numbers)))
    assert said.format(n=len(numbers), s=len(numbers) / 30.0) in source.note


@pytest.mark.parametrize("name", ["trial:1.mp4", "file:a.mp4", "concat:a|b.mp4", "a%02d.mp4", "-i.mp4"])
def test_a_relative_name_is_no_protocol(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    write_video(tmp_path / "plain.mp4", 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    source = parse_source(name)
    assert [picture_number(frame.image) for frame in read_frames(source)] == [0, 1, 2]
    assert source.description == name


@pytest.mark.parametrize("host", ["", "localhost"])
def test_the_url_of_a_file_is_its_path(tmp_path: Path, host: str):
    path = write_video(tmp_path / "ä walk #1?.mp4", 3)
    frames = list(read_frames(parse_source(f"file://{host}{quote(str(path))}")))
    assert [picture_number(frame.image) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file://elsewhere/walk.mp4", "another computer"),
        ("file:///nowhere.mp4", "no such file"),
        ("http://[10.0.0.2/walk.mp4", "not a URL"),
    ],
)
def test_a_url_of_nothing_here_is_refused(text: str, said: str):
    with pytest.raises(SourceError, match=said):
        parse_source(text)


def write_junk(folder: Path, case: str) -> Path:
    path = folder / "video.mp4"
    if case == "without index":
        write_video(path, 20)
        path.write_bytes(path.read_bytes()[:-900])
    elif case == "text":
        path.write_text("this is not a video\n" * 100)
    else:
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("case", "said"), [("without index", "cut short"), ("text", "not a video"), ("nothing", "is empty")]
)
def test_what_is_not_a_video_is_refused(tmp_path: Path, case: str, said: str):
    with pytest.raises(SourceError, match=said):
        VideoSource(str(write_junk(tmp_path, case))).open()


def test_opencv_and_ffmpeg_do_not_write_to_the_console(tmp_path: Path):
    code = "import sys; from realtime.sources.parse import parse_source; parse_source(sys.argv[1]).open()"
    for source in (str(write_junk(tmp_path, "without index")), "9999"):
        result = subprocess.run(
            [sys.executable, "-c", code, source], capture_output=True, text=True, check=False
        )
        said, last = result.stderr.splitlines(), result.stderr.splitlines()[-1]
        assert said[0].startswith("Traceback") and last.startswith("realtime.errors.SourceError"), said


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_any_bytes_are_a_video_or_are_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "fuzz.mp4"
    path.write_bytes(data)
    source = VideoSource(str(path))
    try:
        source.open()
    except SourceError:
        pass
    finally:
        source.close()


def test_pictures_come_in_the_order_people_expect(tmp_path: Path):
    for name, k in (("frame_10.png", 2), ("frame_2.png", 1), ("frame_1.jpg", 0)):
        cv2.imwrite(str(tmp_path / name), picture(k))
    (tmp_path / "notes.txt").write_text("ignored")
    frames = list(read_frames(PictureSource(tmp_path, fps=10.0)))
    assert [picture_number(frame.image) for frame in frames] == [0, 1, 2]
    assert stamps_ms(frames) == [0.0, 100.0, 200.0]


def test_grey_pictures_become_colour(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "grey.png"), picture(3)[..., 0])
    (frame,) = read_frames(PictureSource(tmp_path))
    assert frame.image.shape == (48, 64, 3)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no images in this folder; accepted: \.png"):
        PictureSource(tmp_path).open()


def test_an_unreadable_picture_is_named_after_those_before_it_were_given(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "1.png"), picture(0))
    (tmp_path / "2.png").write_bytes(b"\x89PNG but no more")
    frames = read_frames(PictureSource(tmp_path))
    assert next(frames).frame_id == 0
    with pytest.raises(SourceError, match=r"2\.png: not an image"):
        next(frames)


def test_pictures_of_two_sizes_are_refused(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "1.png"), picture(0))
    cv2.imwrite(str(tmp_path / "2.png"), picture(1, (32, 32)))
    with pytest.raises(SourceError, match="frame 1 is 32x32, the first was 64x48"):
        list(read_frames(PictureSource(tmp_path)))


def test_an_interrupted_source_ends_and_can_be_opened_again(tmp_path: Path):
    source = VideoSource(str(write_video(tmp_path / "clip.mp4", 5)))
    source.open()
    assert source.read() is not None
    source.interrupt()
    assert source.read() is None
    source.close()
    assert len(list(read_frames(source))) == 5


def test_the_synthetic_person_is_the_same_every_time():
    first, second = (list(read_frames(SyntheticSource(n_frames=40))) for _ in range(2))
    assert len(first) == 40
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    assert stamps_ms(first) == stamps_ms(second)


def test_the_synthetic_person_moves_and_stays_in_the_picture():
    frames = list(read_frames(SyntheticSource(n_frames=360)))
    empty_room = frames[0].image[:, :1]
    for frame in frames[::20]:
        person = np.abs(frame.image.astype(int) - empty_room).max(-1) > 12
        rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
        assert rows[0] > 10 and rows[-1] < frame.image.shape[0] - 10
        assert columns[0] > 10 and columns[-1] < frame.image.shape[1] - 10
        assert rows[-1] - rows[0] > 300
    assert all(not np.array_equal(a.image, b.image) for a, b in pairwise(frames))
