"""Events that the user marks: in the stream, in the recording, after a kill, again when tracked again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime import cli, load_recording
from realtime.commands import session
from realtime.commands.live import EVENT_KEYS
from realtime.export.export import ExportOptions, export
from realtime.overlay.neutral_guide import REPEAT_KEY, SKIP_KEY
from realtime.overlay.window import Window
from realtime.recording.events import EVENTS_NAME, recorded_events
from realtime.recording.log import LOG_NAME, StreamLog
from realtime.recording.recorder import Recorder
from realtime.sample import PoseSample
from tests.support import swinging
from tests.support.mp4 import write_video
from tests.support.poses import random_sample

MARKS = {3: ("event",), 8: ('a "name", with commas\nand lines', "2"), 20: ("event",), 26: ("event",)}


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


def samples(skeleton: Skeleton) -> Iterator[PoseSample]:
    for k in range(30):
        sample = random_sample(skeleton, k, t_capture_ns=1_000_000_000 + round(k * 1e9 / 30))
        yield replace(sample, events=MARKS.get(k, ()))


def rows_of(folder: Path) -> list[tuple[float, int, str]]:
    with (folder / EVENTS_NAME).open(newline="") as file:
        return [(float(r["time_s"]), int(r["frame_id"]), r["event"]) for r in csv.DictReader(file)]


def test_every_event_is_on_the_disk_before_the_end(skeleton: Skeleton, tmp_path: Path):
    recorder, expected = Recorder(tmp_path / "rec", skeleton, rate_hz=30.0), []
    for sample in samples(skeleton):
        recorder.write(sample)
        expected += [(pytest.approx(sample.frame_id / 30.0), sample.frame_id, e) for e in sample.events]
        if expected:  # as a kill would leave it
            assert rows_of(tmp_path / "rec") == expected
    logged = [a.events for a, _ in StreamLog(tmp_path / "rec" / LOG_NAME).samples()]
    assert logged == [list(MARKS.get(k, ())) for k in range(30)]
    recorder.close()
    assert recorded_events(tmp_path / "rec") == MARKS
    assert (tmp_path / "rec" / EVENTS_NAME).stat().st_mode & 0o077 == 0


def test_without_events_there_is_no_file(skeleton: Skeleton, tmp_path: Path):
    with Recorder(tmp_path, skeleton) as recorder:
        recorder.write(random_sample(skeleton))
    assert not (tmp_path / EVENTS_NAME).exists()


def test_marks_divide_the_recording(skeleton: Skeleton, tmp_path: Path):
    with Recorder(tmp_path / "rec", skeleton, rate_hz=30.0) as recorder:
        for sample in samples(skeleton):
            recorder.write(sample)
    motion = load_recording(tmp_path / "rec")
    assert [(round(m.time_s * 30), m.label) for m in motion.marks] == [
        (k, label) for k, labels in MARKS.items() for label in labels
    ]
    repeated = motion.cycles()
    assert repeated.movement.divided_by == "marks"
    assert (repeated.repetitions["start_s"] * 30).round().tolist() == [3, 20]
    out = tmp_path / "repetitions.csv"
    export(motion, "csv", out, options=ExportOptions(table="repetition_ranges"))
    table = pandas.read_csv(out)
    rows = table[(table["number"] == 2) & (table["coordinate"] == "knee_angle_r")]
    knee = motion.angles["knee_angle_r"].iloc[20:27]
    assert rows["range"].item() == pytest.approx(knee.max() - knee.min())


def test_keys_mark_and_marks_are_kept_when_tracked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(session, "make_estimator", swinging.build)
    keys = iter([*[""] * 3, "e", "", "2", "x", *[""] * 10_000])
    monkeypatch.setattr(Window, "take_key", lambda _: next(keys))
    video = write_video(tmp_path / "clip.mp4", 60, fps=60.0)
    live, again = tmp_path / "live", tmp_path / "again"
    words = ["live", "--source", str(video), "--no-window", "--no-publish", "--record-video"]
    assert cli.main([*words, "--out", str(live)]) == 0
    marked = rows_of(live)
    assert [event for _, _, event in marked] == ["event", "2"]
    assert EVENTS_NAME in capsys.readouterr().out
    assert cli.main(["replay", str(live), "--retrack", "--out", str(again)]) == 0
    assert rows_of(again) == marked


def test_no_key_has_two_meanings():
    assert not {SKIP_KEY, REPEAT_KEY, "q"} & set(EVENT_KEYS)
