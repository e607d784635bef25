"""Frames of one moment together: by their times, whatever the rates, offsets, drifts and losses."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.errors import SourceError
from realtime.sample import Frame
from realtime.source_names import recorded_name
from realtime.views.source import ViewsSource
from realtime.views.source_set import TOLERANCE_FRAMES
from realtime.views.tiles import Tiles


class Timed:
    """Frames at given times, each filled with its number from 1 on."""

    is_live, note, description, n_frames = False, "", "timed", 1

    def __init__(self, times_s: list[float], fps: float = 30.0, size_px: tuple[int, int] = (4, 2)) -> None:
        self.fps, (self.width_px, self.height_px) = fps, size_px
        self._times_s, self._k = times_s, 0

    def open(self) -> None:
        self._k = 0

    def read(self) -> Frame | None:
        if self._k == len(self._times_s):
            return None
        self._k += 1
        image = np.full((self.height_px, self.width_px, 3), self._k, dtype=np.uint8)
        # Another clock, as every file has its own.
        return Frame(self._k - 1, 5_000_000_000 + round(1e9 * self._times_s[self._k - 1]), image)

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


def moments(*sources: Timed, offsets_s: list[float] | None = None) -> list[tuple[int, ...]]:
    """Which frames of the sources belong together; 0 for a view that is missing."""
    source = ViewsSource(sources, offsets_s)
    source.open()
    found, last_ns = [], -1
    while (frame := source.read()) is not None:
        assert frame.t_capture_ns > last_ns and frame.frame_id == len(found)
        last_ns = frame.t_capture_ns
        images = source.tiles.split(frame.image)
        found.append(tuple(0 if image is None else int(image[0, 0, 0]) for image in images))
    return found


def every(n: int, fps: float, start_s: float = 0.0) -> list[float]:
    return [start_s + k / fps for k in range(n)]


def test_frames_of_equal_rates_go_in_pairs() -> None:
    assert moments(Timed(every(5, 30.0)), Timed(every(5, 30.0))) == [(k, k) for k in range(1, 6)]


def test_half_the_rate_is_there_every_other_moment() -> None:
    found = moments(Timed(every(6, 60.0), 60.0), Timed(every(3, 30.0), 30.0))
    assert found == [(1, 1), (2, 0), (3, 2), (4, 0), (5, 3), (6, 0)]


def test_a_recording_that_began_later_joins_later() -> None:
    found = moments(Timed(every(6, 30.0)), Timed(every(6, 30.0)), offsets_s=[0.0, 2.0 / 30.0])
    assert found == [(1, 0), (2, 0), (3, 1), (4, 2), (5, 3), (6, 4), (0, 5), (0, 6)]


def test_lost_frames_are_missing_and_shift_nothing() -> None:
    times_s = every(6, 30.0)
    found = moments(Timed(times_s), Timed([t for k, t in enumerate(times_s) if k not in (2, 3)]))
    assert found == [(1, 1), (2, 2), (3, 0), (4, 0), (5, 3), (6, 4)]


def test_clocks_that_drift_keep_to_the_nearest_frames() -> None:
    found = moments(Timed(every(200, 30.0)), Timed(every(200, 30.0 * 1.03), 30.9))
    both = [(a, b) for a, b in found if a and b]
    apart_s = [(a - 1) / 30.0 - (b - 1) / 30.9 for a, b in both]
    assert np.abs(apart_s).max() <= TOLERANCE_FRAMES / 30.9 + 1e-9
    # Nothing is lost: every frame of either video belongs to one moment.
    for view in range(2):
        assert [pair[view] for pair in found if pair[view]] == list(range(1, 201))
    assert len(both) > 190


def test_three_views_of_several_sizes_stand_side_by_side() -> None:
    sizes = [(4, 2), (3, 5), (2, 2)]
    source = ViewsSource([Timed(every(2, 30.0), size_px=size) for size in sizes])
    source.open()
    frame = source.read()
    assert frame is not None and frame.image.shape == (5, 9, 3) and not frame.image.flags.writeable
    shapes = [image.shape for image in source.tiles.split(frame.image) if image is not None]
    assert shapes == [(2, 4, 3), (5, 3, 3), (2, 2, 3)]
    assert (source.width_px, source.height_px) == (9, 5)


def test_what_is_joined_is_split_again() -> None:
    rng, tiles = np.random.default_rng(1), Tiles(((4, 2), (3, 5)))
    images = [
        rng.integers(1, 255, (2, 4, 3), dtype=np.uint8),
        rng.integers(1, 255, (5, 3, 3), dtype=np.uint8),
    ]
    for expected, found in zip(images, tiles.split(tiles.join(images)), strict=True):
        np.testing.assert_array_equal(expected, found)
    assert tiles.split(tiles.join([None, images[1]]))[0] is None


def test_too_few_sources_and_wrong_offsets_are_refused() -> None:
    with pytest.raises(SourceError, match="one source for each camera"):
        ViewsSource([Timed([0.0])])
    with pytest.raises(SourceError, match="3 offsets for 2 sources"):
        ViewsSource([Timed([0.0]), Timed([0.0])], [0.0, 0.1, 0.2])
    live = Timed([0.0])
    live.is_live = True
    with pytest.raises(SourceError, match="timed is no video"):
        ViewsSource([Timed([0.0]), live])


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("/home/alice/left.mp4", "/home/alice/right.mp4"), "left.mp4 + right.mp4"),
        (("rtsp://one/live", "rtsp://two/live"), "rtsp://one/live + rtsp://two/live"),
        (("clips/left.mp4", "rtsp://cam/live"), "left.mp4 + rtsp://cam/live"),
    ],
)
def test_recordings_keep_the_names_of_all_sources(names: tuple[str, str], kept: str) -> None:
    sources = [Timed(every(1, 30.0)) for _ in names]
    for source, name in zip(sources, names, strict=True):
        source.description = name
    assert recorded_name(ViewsSource(sources).description) == kept


@pytest.mark.parametrize(("n_short", "noted"), [(12, "short.mp4 ended at 0.4 s; the others go on"), (50, "")])
def test_a_video_that_ends_long_before_the_others_is_named(n_short: int, noted: str) -> None:
    sources = [Timed(every(60, 30.0)), Timed(every(n_short, 30.0))]
    sources[1].description = "clips/short.mp4"
    source = ViewsSource(sources)
    source.open()
    assert source.read() is not None and source.note == ""
    while source.read() is not None:
        pass
    assert source.note == noted
    source.open()
    assert source.note == ""
