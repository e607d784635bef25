"""What becomes of estimated frames: drawn once, recorded, counted; a full disk does not end tracking."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.errors import RecordingError
from realtime.pipeline.pipeline import Pipeline, PipelineOptions
from realtime.pipeline.slot import LatestSlot, SlotPolicy
from realtime.recording.joint_ranges import JointRanges
from realtime.recording.outputs import Outputs
from realtime.recording.summary import format_stats, write_report
from realtime.sample import Frame, LiveStats, PoseSample, Status
from tests.support.fakes import FakeEstimator, FakeSource

SKELETON = SimpleNamespace(
    coordinate_names=("hip_r", "hip_l", "pelvis_tx", "weld"),
    is_rotational=np.array([True, True, False, True]),
    is_locked=np.array([False, False, False, True]),
)


def pair(k: int, q: list[float] | None = None, status: Status = Status.TRACKING) -> tuple[Frame, PoseSample]:
    frame = Frame(k, k * 10**7, np.full((4, 4, 3), k, dtype=np.uint8))
    values = np.array(q if q is not None else [0.1 * k, -0.1 * k, 1.0, 0.0])
    empty = np.zeros((0, 3))
    sample = PoseSample(k, frame.t_capture_ns, status, values, values, np.ones(4), empty, empty, empty, empty)
    return frame, sample


class FakeOverlay:
    def __init__(self) -> None:
        self.drawn: list[int] = []

    def draw(self, image, sample, stats=None):
        self.drawn.append(sample.frame_id)
        return image + 100


class FakePictures:
    def __init__(self, room: int) -> None:
        self.images: list[tuple[int, int]] = []
        self.overlays: list[int] = []
        self._room = room

    def write_image(self, frame_id, t_capture_ns, image) -> None:
        self._check_room()
        self.images.append((frame_id, int(image[0, 0, 0])))

    def write_overlay(self, t_capture_ns, picture) -> None:
        self._check_room()
        self.overlays.append(int(picture[0, 0, 0]))

    def _check_room(self) -> None:
        if len(self.images) + len(self.overlays) >= self._room:
            raise OSError("no space left for images")


class FakeRecorder:
    def __init__(self, room: int = 10**9, picture_room: int = 10**9, *, fails_at_close: bool = False) -> None:
        self.written: list[int] = []
        self.pictures = FakePictures(picture_room)
        self.n_closed = 0
        self._room = room
        self._fails_at_close = fails_at_close

    def write(self, sample) -> None:
        if len(self.written) == self._room:
            raise RecordingError("no space left on device")
        self.written.append(sample.frame_id)

    def close(self) -> None:
        self.n_closed += 1
        if self._fails_at_close:
            raise RecordingError("no space left for angles.mot")


def test_one_drawing_serves_the_recording_and_the_window():
    overlay, recorder, pictures = FakeOverlay(), FakeRecorder(), LatestSlot()
    outputs = Outputs(
        JointRanges(SKELETON), recorder=recorder, recorded=overlay, shown=overlay, pictures=pictures
    )
    for k in range(3):
        outputs.write(*pair(k), LiveStats())
    outputs.close()
    assert overlay.drawn == [0, 1, 2]
    assert recorder.written == [0, 1, 2]
    assert recorder.pictures.overlays == [100, 101, 102] and not recorder.pictures.images
    assert pictures.get()[0, 0, 0] == 102


@pytest.mark.parametrize("keeps_video", [True, False])
def test_the_sources_own_pictures_are_recorded_if_asked(keeps_video: bool):
    recorder = FakeRecorder()
    outputs = Outputs(
        JointRanges(SKELETON), recorder=recorder, recorded=FakeOverlay(), keeps_video=keeps_video
    )
    outputs.write(*pair(7), LiveStats())
    outputs.close()
    assert recorder.pictures.overlays == [107]
    assert recorder.pictures.images == ([(7, 7)] if keeps_video else [])


def test_a_mirrored_window_leaves_the_recording_as_it_is():
    recorded, shown, recorder, pictures = FakeOverlay(), FakeOverlay(), FakeRecorder(), LatestSlot()
    outputs = Outputs(
        JointRanges(SKELETON), recorder=recorder, recorded=recorded, shown=shown, pictures=pictures
    )
    outputs.write(*pair(5), LiveStats())
    outputs.close()
    assert (recorded.drawn, shown.drawn) == ([5], [5])


def test_without_window_and_recording_nothing_is_drawn():
    overlay = FakeOverlay()
    outputs = Outputs(JointRanges(SKELETON), recorded=overlay, shown=overlay)
    outputs.write(*pair(1), LiveStats())
    outputs.close()
    assert overlay.drawn == []


def test_a_full_disk_ends_the_recording_and_not_the_tracking(caplog: pytest.LogCaptureFixture):
    overlay, recorder, pictures = FakeOverlay(), FakeRecorder(room=2), LatestSlot()
    outputs = Outputs(
        JointRanges(SKELETON),
        recorder=recorder,
        recorded=overlay,
        shown=overlay,
        pictures=pictures,
        must_record=False,
    )
    with caplog.at_level(logging.WARNING):
        for k in range(5):
            outputs.write(*pair(k), LiveStats())
        n_closed = recorder.n_closed
        outputs.close()
    assert n_closed == 1
    assert recorder.written == [0, 1]
    assert len(recorder.pictures.overlays) <= 2
    assert recorder.n_closed == 1, "what was recorded is finished at once"
    assert outputs.failure == "no space left on device"
    assert [r.getMessage() for r in caplog.records] == ["no space left on device; tracking goes on"]
    assert pictures.get()[0, 0, 0] == 104


def test_a_full_disk_ends_a_replay():
    recorder = FakeRecorder(room=5)
    outputs = Outputs(JointRanges(SKELETON), recorder=recorder)
    with pytest.raises(RecordingError, match="no space left"):
        Pipeline(
            FakeSource(None), _WithFourCoordinates(), sink=outputs, options=PipelineOptions(SlotPolicy.WAIT)
        ).run()
    assert recorder.written == [0, 1, 2, 3, 4]
    assert recorder.n_closed == 1


@pytest.mark.parametrize("keeps_video", [True, False])
@pytest.mark.parametrize("must_record", [True, False])
def test_pictures_that_fill_the_disk_end_the_recording(
    must_record: bool, keeps_video: bool, caplog: pytest.LogCaptureFixture
):
    recorder = FakeRecorder(picture_room=3)
    outputs = Outputs(
        JointRanges(SKELETON),
        recorder=recorder,
        recorded=FakeOverlay(),
        keeps_video=keeps_video,
        must_record=must_record,
    )
    said = []
    with caplog.at_level(logging.WARNING):
        for k in range(200):
            try:
                outputs.write(*pair(k), LiveStats())
            except RecordingError as error:
                said.append(str(error))
        outputs.close()
    said += [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "no space left for images" in said[0]
    assert len(recorder.pictures.overlays) + len(recorder.pictures.images) == 3
    assert 1 <= len(recorder.written) < 200 and recorder.n_closed == 1


def test_samples_do_not_wait_for_their_pictures():
    may_draw = threading.Event()

    class Slow(FakeOverlay):
        def draw(self, image, sample, stats=None):
            may_draw.wait(60.0)
            return super().draw(image, sample, stats)

    recorder, overlay = FakeRecorder(), Slow()
    outputs = Outputs(
        JointRanges(SKELETON),
        recorder=recorder,
        recorded=overlay,
        keeps_video=True,
        policy=SlotPolicy.LATEST,
        depth=3,
        video_depth=10,
    )
    for k in range(10):
        outputs.write(*pair(k), LiveStats())
    assert recorder.written == list(range(10)) and not overlay.drawn
    while len(recorder.pictures.images) < 10:
        threading.Event().wait(0.01)
    may_draw.set()
    outputs.close()
    assert len(overlay.drawn) + outputs.n_undrawn == 10
    assert overlay.drawn[-3:] == [7, 8, 9] and outputs.n_undrawn >= 6


def test_an_error_in_drawing_is_not_hidden():
    class Broken(FakeOverlay):
        def draw(self, image, sample, stats=None):
            raise ZeroDivisionError("drawing")

    outputs = Outputs(JointRanges(SKELETON), recorder=FakeRecorder(), recorded=Broken())
    with pytest.raises(ZeroDivisionError):
        for k in range(1000):
            outputs.write(*pair(k), LiveStats())
            threading.Event().wait(0.01)
    outputs.close()


def test_a_recording_that_cannot_be_finished_is_said():
    outputs = Outputs(JointRanges(SKELETON), recorder=FakeRecorder(fails_at_close=True))
    outputs.write(*pair(1), LiveStats())
    with pytest.raises(RecordingError, match=r"angles\.mot"):
        outputs.close()


class _WithFourCoordinates(FakeEstimator):
    def step(self, frame: Frame) -> PoseSample:
        return pair(frame.frame_id)[1]


def test_joint_ranges_are_those_of_the_tracked_frames():
    rng = np.random.default_rng(3)
    q = rng.normal(size=(50, 4))
    q[7, 0] = q[9, 1] = np.nan
    ranges = JointRanges(SKELETON)
    for k, row in enumerate(q):
        status = Status.LOST if k % 10 == 0 else Status.TRACKING
        ranges.add(pair(k, list(row), status)[1])
    tracked = np.delete(q, np.arange(0, 50, 10), axis=0)
    found = ranges.as_dict()
    for k, name in enumerate(SKELETON.coordinate_names):
        values = np.degrees(tracked[:, k]) if SKELETON.is_rotational[k] else tracked[:, k]
        expected = [
            np.nanmin(values),
            np.nanmean(values),
            np.nanmax(values),
            np.ptp(values[~np.isnan(values)]),
        ]
        np.testing.assert_allclose(list(found[name].values()), expected, atol=1e-3)


def test_the_table_puts_both_sides_in_one_row_and_leaves_out_what_cannot_move():
    ranges = JointRanges(SKELETON)
    ranges.add(pair(1, [np.radians(10.0), np.radians(-20.0), 1.0, 0.0])[1])
    *_, row = ranges.as_table().splitlines()
    assert row.split() == ["hip", "10.0", "10.0", "10.0", "-20.0", "-20.0", "-20.0"]
    assert "weld" not in ranges.as_table()


def test_a_run_in_which_nobody_was_seen_says_so():
    ranges = JointRanges(SKELETON)
    ranges.add(pair(1, [np.nan] * 4, Status.LOST)[1])
    assert ranges.as_dict() == {}
    assert "nobody was tracked" in ranges.as_table()


def test_the_report_is_strict_json_and_says_what_it_ran_on(tmp_path: Path):
    stats = Pipeline(FakeSource(0), FakeEstimator(), options=PipelineOptions(SlotPolicy.WAIT)).run()
    path = write_report(tmp_path, {"command": "replay"} | stats.as_dict())
    report = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert report["command"] == "replay"
    assert report["versions"]["python"].startswith("3.")
    assert "0 frames in" in format_stats(stats, is_recorded=True)


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match="cannot write the report"):
        write_report(tmp_path / "missing", {})
