"""The threads around an estimator: order, losses, errors, clean ends."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import SourceError, StreamError
from realtime.pipeline import pipeline
from realtime.pipeline.pipeline import Pipeline, PipelineOptions
from realtime.pipeline.slot import SlotPolicy
from realtime.recording.source import chosen_points
from realtime.sample import Frame, LiveStats, PoseSample
from realtime.sources.parse import read_frames
from tests.support.fakes import FakeEstimator, FakePublisher, FakeSink, FakeSource, fail_at

REPLAY = PipelineOptions(policy=SlotPolicy.WAIT)


class Forgetful(FakeSink):
    """A sink that keeps nothing."""

    def write(self, frame: Frame, sample: PoseSample, stats: LiveStats) -> None:
        pass


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("kinecast-")]
    assert not left


def test_replay_estimates_publishes_and_writes_every_frame_in_order():
    source, estimator, publisher, sink = FakeSource(50), FakeEstimator(), FakePublisher(), FakeSink()
    stats = Pipeline(source, estimator, open_publisher=lambda: publisher, sink=sink, options=REPLAY).run()
    assert [sample.frame_id for sample in publisher.samples] == list(range(50))
    assert [frame.frame_id for frame, _ in sink.pairs] == list(range(50))
    assert all(frame.frame_id == sample.frame_id for frame, sample in sink.pairs)
    assert (stats.frames, stats.captured_frames, stats.dropped_frames, stats.unwritten_frames) == (
        50,
        50,
        0,
        0,
    )
    assert (source.n_closed, publisher.n_closed, sink.n_closed) == (1, 1, 1)
    assert not stats.interrupted


def test_a_slow_estimator_and_a_slow_sink_lose_nothing_in_replay():
    sink = FakeSink(at_frame=lambda k: time.sleep(0.002))
    estimator = FakeEstimator(at_frame=lambda k: time.sleep(0.001))
    stats = Pipeline(FakeSource(40), estimator, sink=sink, options=REPLAY).run()
    assert [frame.frame_id for frame, _ in sink.pairs] == list(range(40))
    assert stats.dropped_frames == 0


@pytest.mark.parametrize("step_s", [0.0, 0.013])
def test_live_and_replay_of_the_same_frames_are_bit_identical(step_s: float):
    """Live drops frames if the estimator is slow; replay of those that it kept must give the same bits."""
    publisher = FakePublisher()
    estimator = FakeEstimator(at_frame=lambda k: time.sleep(step_s))
    live = PipelineOptions(policy=SlotPolicy.LATEST, paced=True)
    Pipeline(FakeSource(40, fps=100.0), estimator, open_publisher=lambda: publisher, options=live).run()
    kept = {sample.frame_id for sample in publisher.samples}
    assert len(kept) > 1  # the first and the last, on however busy a machine

    replay = FakeEstimator()
    frames = [frame for frame in read_frames(FakeSource(40, fps=100.0)) if frame.frame_id in kept]
    replayed = [replay.step(frame) for frame in frames]
    assert replayed[0].t_capture_ns != publisher.samples[0].t_capture_ns
    assert [sample.q.tobytes() for sample in replayed] == [sample.q.tobytes() for sample in publisher.samples]
    assert len({sample.q.tobytes() for sample in replayed}) == len(kept)


def test_a_live_source_drops_what_the_estimator_has_no_time_for():
    publisher = FakePublisher()
    estimator = FakeEstimator(at_frame=lambda k: time.sleep(0.02))
    source = FakeSource(40, is_live=True, fps=400.0)
    stats = Pipeline(source, estimator, open_publisher=lambda: publisher).run()
    ids = [sample.frame_id for sample in publisher.samples]
    assert ids == sorted(set(ids))
    assert ids[-1] == 39, "the newest frame is never the one that is dropped"
    assert stats.dropped_frames == stats.captured_frames - stats.frames > 0


def test_the_publisher_is_opened_used_and_closed_in_one_thread():
    made: list[FakePublisher] = []
    estimator = FakeEstimator()

    def open_publisher() -> FakePublisher:
        made.append(FakePublisher())
        return made[0]

    Pipeline(FakeSource(), estimator, open_publisher=open_publisher, options=REPLAY).run()
    assert made[0].thread_names == {"kinecast-estimate"} == estimator.thread_names


def test_subscribers_hear_from_a_tracker_without_frames(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "WAKE_S", 0.01)
    publisher = FakePublisher()
    source = FakeSource(is_live=True, fps=0.01)
    running = Pipeline(source, FakeEstimator(), open_publisher=lambda: publisher)
    running.start()
    source.note = "camera 0 is gone, trying again"
    deadline_s = time.monotonic() + 20.0
    while time.monotonic() < deadline_s and not any(t and t.note == source.note for t in publisher.ticks):
        time.sleep(0.01)
    running.stop()
    running.join()
    assert publisher.samples == []
    assert publisher.ticks[-1].note == "camera 0 is gone, trying again"


@pytest.mark.parametrize("where", ["source", "estimator", "sink"])
def test_the_first_error_of_a_thread_is_raised_in_main(where: str):
    error = SourceError(f"{where} broke")
    at_frame = fail_at(7, error)
    source = FakeSource(None, at_frame=at_frame) if where == "source" else FakeSource(None)
    estimator = FakeEstimator(at_frame=at_frame) if where == "estimator" else FakeEstimator()
    sink = FakeSink(at_frame=at_frame) if where == "sink" else FakeSink()
    publisher = FakePublisher()
    with pytest.raises(SourceError, match=f"{where} broke") as caught:
        Pipeline(source, estimator, open_publisher=lambda: publisher, sink=sink, options=REPLAY).run()
    assert caught.value is error
    assert (source.n_closed, publisher.n_closed, sink.n_closed) == (1, 1, 1)


def test_what_was_estimated_before_an_error_is_written():
    sink = FakeSink()
    with pytest.raises(SourceError):
        Pipeline(
            FakeSource(at_frame=fail_at(9, SourceError("cut"))), FakeEstimator(), sink=sink, options=REPLAY
        ).run()
    assert [frame.frame_id for frame, _ in sink.pairs] == list(range(9))


def test_a_publisher_that_cannot_bind_stops_the_run_before_a_frame_is_read():
    def open_publisher() -> FakePublisher:
        raise StreamError("port in use")

    source, sink = FakeSource(at_frame=fail_at(0, AssertionError("read"))), FakeSink()
    with pytest.raises(StreamError, match="port in use"):
        Pipeline(source, FakeEstimator(), open_publisher=open_publisher, sink=sink).run()
    assert (source.n_closed, sink.n_closed) == (1, 1)


def test_an_error_in_a_silent_run_ends_it():
    """The estimate thread waits for frames while the capture thread fails."""
    source = FakeSource(is_live=True, at_frame=fail_at(0, SourceError("no signal")))
    with pytest.raises(SourceError, match="no signal"):
        Pipeline(source, FakeEstimator()).run()


def test_ctrl_c_ends_the_run_and_keeps_what_there_is():
    sink = FakeSink()

    def interrupt() -> bool:
        if len(sink.pairs) > 5 and not sink.n_closed:
            raise KeyboardInterrupt
        return True

    stats = Pipeline(FakeSource(None, is_live=True), FakeEstimator(), sink=sink).run(interrupt)
    assert stats.interrupted
    assert stats.frames >= len(sink.pairs) > 5
    assert sink.n_closed == 1


def test_the_main_thread_can_end_the_run():
    ticks = []
    stats = Pipeline(FakeSource(None, is_live=True), FakeEstimator()).run(
        lambda: ticks.append(1) or len(ticks) < 3
    )
    assert not stats.interrupted


@pytest.mark.parametrize(
    "options",
    [
        PipelineOptions(policy=SlotPolicy.WAIT, max_frames=12),
        PipelineOptions(policy=SlotPolicy.WAIT, max_duration_s=0.12),
    ],
)
def test_limits_count_frames_and_the_sources_own_time(options: PipelineOptions):
    sink = FakeSink()
    Pipeline(FakeSource(None, fps=100.0), FakeEstimator(), sink=sink, options=options).run()
    assert [frame.frame_id for frame, _ in sink.pairs] == list(range(12))


def test_a_duration_ends_a_run_without_frames():
    source = FakeSource(None, is_live=True, fps=0.01)
    stats = Pipeline(source, FakeEstimator(), options=PipelineOptions(max_duration_s=0.05)).run()
    assert stats.frames == 0


def test_a_paced_replay_takes_as_long_as_the_recording():
    options = PipelineOptions(policy=SlotPolicy.WAIT, paced=True)
    stats = Pipeline(FakeSource(21, fps=100.0), FakeEstimator(), options=options).run()
    assert stats.elapsed_s >= 0.2
    assert stats.frames == 21


def test_statistics_tell_latency_stages_and_losses():
    estimator = FakeEstimator(at_frame=lambda k: time.sleep(0.003), lost=(3, 4))
    stats = Pipeline(FakeSource(20), estimator, sink=FakeSink(), options=REPLAY).run()
    assert stats.lost_frames == 2
    assert stats.latency.count == 20
    assert stats.latency.p50_ms >= 3.0
    assert stats.latency_from == "hand-over"
    assert set(stats.stages) == {"estimate", "estimate.filter", "publish", "output"}
    assert stats.stages["estimate.filter"].max_ms == pytest.approx(1e-3)
    live = Pipeline(FakeSource(5, is_live=True), FakeEstimator()).run()
    assert live.latency_from == "capture"
    assert "wait" in live.stages
    report = stats.as_dict()
    assert report["latency_ms"].keys() == {"p50", "p95", "p99", "max", "mean"}


def test_a_run_without_frames_has_a_report_too():
    report = Pipeline(FakeSource(0), FakeEstimator(), options=REPLAY).run().as_dict()
    assert report["frames"] == 0
    assert report["fps"] is None
    assert report["latency_ms"] == {}


def test_a_thread_that_hangs_is_reported_not_waited_for(caplog: pytest.LogCaptureFixture):
    release = threading.Event()
    source = FakeSource(None, at_frame=lambda k: release.wait(30.0) if k == 1 else None)
    running = Pipeline(source, FakeEstimator())
    running.start()
    running.stop()
    running.join(timeout_s=0.05)
    assert "kinecast-capture has not stopped" in caplog.text
    release.set()
    running.join()


def test_errors_that_are_not_kinecasts_reach_main_as_they_are():
    with pytest.raises(ZeroDivisionError):
        Pipeline(FakeSource(), FakeEstimator(at_frame=lambda k: 1 // 0), options=REPLAY).run()


def test_the_estimate_of_one_frame_is_what_the_sink_gets():
    publisher, sink = FakePublisher(), FakeSink()
    Pipeline(FakeSource(), FakeEstimator(), open_publisher=lambda: publisher, sink=sink, options=REPLAY).run()
    for sample, (_, written) in zip(publisher.samples, sink.pairs, strict=True):
        assert sample is written
        assert np.isfinite(written.q).all()


def test_a_long_run_keeps_its_memory_flat():
    sizes: list[int] = []
    estimator = FakeEstimator(
        at_frame=lambda k: sizes.append(tracemalloc.get_traced_memory()[0]) if k in (500, 4_000) else None
    )
    tracemalloc.start()
    try:
        stats = Pipeline(FakeSource(4_001), estimator, sink=Forgetful(), options=REPLAY).run()
    finally:
        tracemalloc.stop()
    assert stats.frames == 4_001
    assert sizes[1] - sizes[0] < 30_000, "a sample of 1 kB for each frame would be 3.5 MB"


class Crowded(FakeEstimator):
    """Sees somebody else in every second frame."""

    def step(self, frame: Frame) -> PoseSample:
        return replace(super().step(frame), others=frame.frame_id % 2)


def test_a_note_says_that_somebody_else_is_there():
    pipeline = Pipeline(FakeSource(4), Crowded(), options=REPLAY)
    stats = pipeline.run()
    assert stats.shared_frames == 2 == stats.as_dict()["frames_with_others"]
    note = "2 people in view; a click, or --person, chooses who is tracked; --people N tracks N"
    assert pipeline.live_stats().note == note
    assert not pipeline.choose_at(0.5, 0.5)  # this estimator tells nobody apart


class Relearning(FakeEstimator):
    """Notes before which frames it was told to learn the person once more."""

    def __init__(self) -> None:
        self.relearned_at: list[int] = []
        self._n_seen = 0
        super().__init__()

    def relearn(self) -> None:
        assert threading.current_thread().name == "kinecast-estimate"
        self.relearned_at.append(self._n_seen)

    def step(self, frame: Frame) -> PoseSample:
        self._n_seen = frame.frame_id + 1
        return super().step(frame)


def test_relearning_asked_for_in_one_run_is_repeated_at_the_same_frames_in_the_next():
    live, at_frame = Relearning(), 7
    run: list[Pipeline] = []

    def ask(frame_id: int) -> None:
        if frame_id == at_frame:
            run[0].relearn()  # as the window's thread does

    run.append(Pipeline(FakeSource(20, at_frame=ask), live, options=REPLAY))
    stats = run[0].run()
    assert len(live.relearned_at) == 1
    assert list(stats.relearned_at) == live.relearned_at == stats.as_dict()["relearned_at_frames"]

    again = Relearning()
    options = PipelineOptions(policy=SlotPolicy.WAIT, relearn_at=frozenset(stats.relearned_at))
    Pipeline(FakeSource(20), again, options=options).run()
    assert again.relearned_at == live.relearned_at


class Choosing(FakeEstimator):
    """Notes before which frames somebody was chosen, and where."""

    def __init__(self) -> None:
        self.chosen: list[tuple[int, float, float]] = []
        self._next = 0
        super().__init__()

    def choose_at(self, x: float, y: float) -> None:
        assert threading.current_thread().name == "kinecast-estimate"
        self.chosen.append((self._next, x, y))

    def step(self, frame: Frame) -> PoseSample:
        self._next = frame.frame_id + 1
        return super().step(frame)


def test_who_was_chosen_in_one_run_is_chosen_at_the_same_frame_in_the_next(tmp_path: Path):
    live, run = Choosing(), list[Pipeline]()

    def click(frame_id: int) -> None:
        if frame_id == 7:
            assert run[0].choose_at(0.25, 0.5)  # as the window's thread does

    run.append(Pipeline(FakeSource(20, at_frame=click), live, options=REPLAY))
    stats = run[0].run()
    assert len(live.chosen) == 1 and live.chosen[0][1:] == (0.25, 0.5)
    (tmp_path / "report.json").write_text(json.dumps(stats.as_dict()))
    again = Choosing()
    options = PipelineOptions(policy=SlotPolicy.WAIT, chosen_at=chosen_points(tmp_path))
    Pipeline(FakeSource(20), again, options=options).run()
    assert again.chosen == live.chosen
    assert chosen_points(tmp_path / "none") == {}
