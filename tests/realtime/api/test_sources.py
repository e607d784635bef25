"""Frames read ahead: none of a file is lost, the newest of a camera, and every end is clean."""

from __future__ import annotations

import itertools
import threading

import pytest

from realtime.api.sources import captured_frames
from realtime.errors import SourceError
from realtime.options import RunOptions
from tests.support.fakes import FakeSource, fail_at

OPTIONS = RunOptions(source="fake")


def n_capturing() -> int:
    return sum(thread.name == "capture" for thread in threading.enumerate())


def test_every_frame_of_a_file_comes():
    source = FakeSource(20)
    assert [frame.frame_id for frame in captured_frames(source, OPTIONS)] == list(range(20))
    assert source.n_closed == 1 and n_capturing() == 0


def test_a_slow_reader_gets_the_newest_frame_of_a_camera():
    last_read = [0]
    source = FakeSource(None, is_live=True, fps=500.0, at_frame=lambda frame_id: last_read.append(frame_id))
    found: list[int] = []
    frames = captured_frames(source, OPTIONS)
    for frame in frames:
        found.append(frame.frame_id)
        while last_read[-1] < frame.frame_id + 5:
            threading.Event().wait(0.001)
        if len(found) == 5:
            break
    frames.close()
    assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(found))
    assert source.n_closed == 1 and n_capturing() == 0


def test_the_error_of_a_source_comes_after_its_frames():
    source = FakeSource(20, at_frame=fail_at(3, SourceError("unplugged")))
    found = []
    with pytest.raises(SourceError, match="unplugged"):
        for frame in captured_frames(source, OPTIONS):
            found.append(frame.frame_id)
    assert found == [0, 1, 2]
    assert source.n_closed == 1 and n_capturing() == 0


def test_an_abandoned_file_is_closed_though_its_reader_waits():
    source = FakeSource(1000)
    frames = captured_frames(source, OPTIONS)
    next(frames)
    frames.close()
    assert source.n_closed == 1 and n_capturing() == 0


def test_limits_end_the_frames():
    limited = RunOptions(source="fake", max_frames=4)
    assert len(list(captured_frames(FakeSource(20), limited))) == 4
    limited = RunOptions(source="fake", max_duration_s=0.05)
    assert len(list(captured_frames(FakeSource(20, fps=100.0), limited))) == 5
