"""What a command may replace: the output of an earlier `replay`, if asked, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calib.skeleton import load_skeleton
from realtime import cli
from realtime.commands import session
from realtime.errors import RecordingError
from realtime.recording.folder import FILE_NAMES
from realtime.recording.recorder import Recorder
from realtime.recording.summary import REPORT_NAME
from tests.support import swinging
from tests.support.mp4 import write_video
from tests.support.poses import random_sample

NAMES = (*FILE_NAMES, REPORT_NAME)
LIVE = ["live", "--source", "synthetic", "--no-window", "--no-publish", "--frames", "4", "--record-video"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", 5)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def replay(source: Path, out: Path, *words: str) -> int:
    return cli.main(["replay", str(source), "--out", str(out), *words])


def record_live(out: Path) -> None:
    assert cli.main([*LIVE, "--out", str(out)]) == 0


def record_heard(out: Path) -> None:
    """As `kinecast record` does: without session.json."""
    with Recorder(out, load_skeleton()) as recorder:
        recorder.write(random_sample(recorder._skeleton, 0, t_capture_ns=0), np.zeros((32, 32, 3), np.uint8))


def live_without_session(out: Path) -> None:
    record_live(out)
    (out / "session.json").unlink()


def live_that_was_killed(out: Path) -> None:
    record_live(out)
    for name in ("angles.mot", "markers.trc", "report.json"):
        (out / name).unlink()


def replay_and_a_video(out: Path) -> None:
    """Somebody keeps a video under a recording's name beside the output of `replay`."""
    assert replay(write_video(out.parent / "other.mp4", 3), out) == 0
    (out / "video.mkv").write_bytes(b"mine")


@pytest.mark.parametrize("words", [[], ["--replace"]])
@pytest.mark.parametrize(
    "make", [record_live, record_heard, live_without_session, live_that_was_killed, replay_and_a_video]
)
def test_what_a_user_recorded_always_stays(
    make: Callable[[Path], None], words: list[str], clip: Path, tmp_path: Path, capsys
):
    out = tmp_path / "out"
    make(out)
    before = contents(out)
    capsys.readouterr()
    assert replay(clip, out, *words) == 2
    assert "choose another folder" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(out)
    assert replay(clip, tmp_path / "link", *words) == 2
    assert contents(out) == before


@pytest.mark.parametrize("words", [[], ["--replace"]])
@pytest.mark.parametrize("name", NAMES)
def test_files_of_others_stay(name: str, words: list[str], clip: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("somebody else's")
    assert replay(clip, out, *words) == 2
    assert f"holds {name}" in capsys.readouterr().err
    assert contents(out) == {name: b"somebody else's"}


@pytest.mark.parametrize("name", NAMES)
def test_links_are_not_written_through(name: str, clip: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "elsewhere")
    assert replay(clip, out, "--replace") == 2
    assert not (tmp_path / "elsewhere").exists()


def test_output_of_replay_is_replaced_if_asked(clip: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert replay(clip, out) == 0
    (out / "notes.txt").write_text("somebody else's")
    (out / "video.mp4").write_text("somebody else's")
    os.link(out / "angles.csv", tmp_path / "kept.csv")
    before = contents(out)
    capsys.readouterr()
    assert replay(clip, out) == 2
    assert "--replace" in capsys.readouterr().err
    assert contents(out) == before
    assert replay(clip, out, "--replace", "--frames", "3") == 0
    after = contents(out)
    assert after.keys() == before.keys() and after["angles.csv"].count(b"\n") == 4
    assert after["notes.txt"] == after["video.mp4"] == b"somebody else's"
    assert (tmp_path / "kept.csv").read_bytes() == before["angles.csv"]


def test_output_of_replay_is_kept_until_the_first_sample(tmp_path: Path, clip: Path):
    out = tmp_path / "out"
    assert replay(clip, out) == 0
    before = contents(out)
    with Recorder(out, load_skeleton(), replace=True):
        pass
    assert contents(out) == before


def test_a_recording_begun_meanwhile_stays(tmp_path: Path):
    out, skeleton = tmp_path / "out", load_skeleton()
    late = Recorder(out, skeleton, replace=True)
    record_live(out)
    before = contents(out)
    with pytest.raises(RecordingError, match="choose another folder"):
        late.write(random_sample(skeleton, 0, t_capture_ns=0))
    late.close()
    assert contents(out) == before


def test_other_commands_replace_no_recording(tmp_path: Path, capsys):
    out = tmp_path / "out"
    record_live(out)
    before = contents(out)
    capsys.readouterr()
    commands = [
        [*LIVE, "--out", str(out)],
        ["replay", str(out), "--retrack", "--out", str(out), "--replace"],
        ["report", str(out), "--out", str(out / "angles.csv")],
        ["replay", str(out), "--retrack", "--out", str(tmp_path / "x"), "--trace", str(out / "report.json")],
        ["bench", "stream", "--json", str(out / "report.json")],
    ]
    for words in commands:
        assert cli.main(words) == 2, words
        assert contents(out) == before


def test_a_report_replaces_only_reports(tmp_path: Path, capsys):
    record_live(tmp_path / "out")
    page = tmp_path / "out" / "report.html"
    page.write_text("somebody else's")
    assert cli.main(["report", str(tmp_path / "out")]) == 2
    assert "not a report of kinecast" in capsys.readouterr().err
    assert page.read_text() == "somebody else's"
    page.unlink()
    for _ in range(2):
        assert cli.main(["report", str(tmp_path / "out")]) == 0
