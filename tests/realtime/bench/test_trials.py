"""`kinecast evaluate` from the command line, with an estimator whose errors are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from calib.coordinates import SCORED_COORDINATES
from calib.tables.storage import Table, write_mot
from realtime import cli
from realtime.bench import accuracy_page
from realtime.bench.trials import over_people
from realtime.commands import evaluate
from realtime.errors import RealtimeError
from tests.support.mp4 import write_video
from tests.support.scripted import ScriptedEstimator

N_FRAMES, RATE_HZ = 90, 30.0
ERRORS_DEG = {"first": 1.0, "second": 3.0, "third": 8.0}
DOCUMENTED = {
    "estimator", "frames", "lag_s", "mean_mae_deg", "mae_deg", "fps", "latency_ms", "jitter_deg",
    "lost_frames",
}  # fmt: skip


def truth_deg(name: str, time_s: np.ndarray | float) -> np.ndarray | float:
    return (4.0 if name.startswith("pelvis") else 20.0) * np.sin(2.0 * np.pi * np.asarray(time_s))


def error_deg(name: str, size_deg: float) -> float:
    """Of either sign, as a lag would make up for one sign; none in the pelvis."""
    return 0.0 if name.startswith("pelvis") else size_deg * (-1.0) ** len(name)


def write_reference(path: Path, start_s: float = 0.0, duration_s: float = 3.0) -> Path:
    names = [*SCORED_COORDINATES, "pelvis_rotation"]
    time_s = np.arange(0.0, duration_s, 0.01)
    values = np.stack([np.broadcast_to(truth_deg(name, time_s), len(time_s)) for name in names], -1)
    write_mot(path, Table(tuple(names), start_s + time_s, values, True))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: three videos, their references, and an estimator that errs by a constant."""
    monkeypatch.chdir(tmp_path)

    def opener(args):
        def open_estimator(trial, source):
            size_deg = ERRORS_DEG[Path(trial.video).stem]
            return ScriptedEstimator(
                lambda name, t: float(truth_deg(name, t)) + error_deg(name, size_deg),
                warm_up=6,
                lost=(0, 40),
            )

        return open_estimator

    monkeypatch.setattr(evaluate, "estimator_opener", opener)
    for name in ERRORS_DEG:
        write_video(tmp_path / f"{name}.mp4", N_FRAMES, RATE_HZ)
    write_reference(tmp_path / "r.mot")
    return tmp_path


def run_one(folder: Path, *words: str, reference: str = "r.mot") -> dict:
    words = ("evaluate", "--video", "first.mp4", "--reference", reference, "--json", "out.json", *words)
    assert cli.main(words) == 0
    return json.loads((folder / "out.json").read_text())


def test_views_of_one_person_are_one_trial(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both videos are read as one source, side by side, and their estimate is scored as any other."""
    sizes = []

    def opener(args):
        def open_estimator(trial, source):
            sizes.append(source.tiles.sizes_px)
            return ScriptedEstimator(lambda name, t: float(truth_deg(name, t)) + error_deg(name, 2.0))

        return open_estimator

    monkeypatch.setattr(evaluate, "estimator_opener", opener)
    (folder / "rig.json").touch()
    (folder / "trials.toml").write_text(
        '[[trial]]\nname = "both"\nperson = "A"\nvideo = ["first.mp4", "second.mp4"]\n'
        'reference = "r.mot"\ncamera = "rig.json"\n'
    )
    assert cli.main(["evaluate", "--trials", "trials.toml", "--json", "out.json"]) == 0
    (trial,) = json.loads((folder / "out.json").read_text())["trials"]
    assert len(sizes[0]) == 2 and trial["frames"] == N_FRAMES
    # 13 of the 15 scored angles err by 2 degrees, two of the pelvis not at all.
    assert trial["mean_mae_deg"] == pytest.approx(2.0 * 13 / 15, abs=0.1)


def write_trials(folder: Path, people: str = "AAB", more: str = "") -> Path:
    entries = [
        f'[[trial]]\nname = "{name}"\nperson = "{person}"\nvideo = "{name}.mp4"\n'
        f'reference = "r.mot"\n{more}\n'
        for name, person in zip(ERRORS_DEG, people, strict=True)
    ]
    path = folder / "trials.toml"
    path.write_text("".join(entries))
    return path


def refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", *words]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_the_documented_keys_and_what_was_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_one(folder)
    assert result.keys() >= DOCUMENTED
    assert (result["frames"], result["lost_frames"], result["compared_frames"]) == (90, 2, 88)
    assert result["lag_s"] == 0.0 and result["offset_s"] == 0.0
    assert result["mae_deg"]["knee_angle_r"] == pytest.approx(1.0, abs=0.05)
    assert result["mean_bias_removed_deg"] < 0.05
    assert result["known_after_s"] == pytest.approx(6 / RATE_HZ)
    assert result["warnings"] == []
    assert "88 of 90 frames compared" in capsys.readouterr().out


def test_few_frames_are_refused_unless_allowed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The header lets 31 frames overlap, but two of them are lost."""
    write_reference(folder / "short.mot", duration_s=1.0)
    words = ["--video", "first.mp4", "--reference", "short.mot", "--lag-range", "0"]
    refused(words, r"29 frames can be compared, fewer than 30; .*--min-frames 29", capsys)
    assert cli.main(["evaluate", *words, "--min-frames", "29"]) == 0


@pytest.mark.parametrize("start_s", [1700000000.0, 5.0, -2.0])
def test_other_clocks_need_an_offset(
    folder: Path, start_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    write_reference(folder / "clock.mot", start_s)
    result = run_one(folder, "--offset", "auto", reference="clock.mot")
    assert result["offset_s"] == pytest.approx(start_s) and result["compared_frames"] == 88
    assert any("taken for the video's first frame" in warning for warning in result["warnings"])
    assert run_one(folder, f"--offset={start_s}", reference="clock.mot")["lag_s"] == pytest.approx(
        0.0, abs=0.006
    )


def test_a_lag_at_the_edge_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_one(folder, "--offset", "-0.25")
    assert result["lag_s"] == pytest.approx(0.1)
    assert any("+100 ms, is at the edge" in warning for warning in result["warnings"])
    assert "warning: the best lag" in capsys.readouterr().out
    wide = run_one(folder, "--offset", "-0.25", "--lag-range", "0.4")
    assert wide["lag_s"] == pytest.approx(0.25) and wide["warnings"] == []


def test_nothing_is_tracked_for_a_reference_that_cannot_serve(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opener(args):
        def open_estimator(trial, source):
            pytest.fail("tracked before the reference was checked")

        return open_estimator

    monkeypatch.setattr(evaluate, "estimator_opener", opener)
    write_reference(folder / "clock.mot", 1000.0)
    write_reference(folder / "short.mot", duration_s=0.2)
    write_mot(folder / "forces.mot", Table(("fx",), np.array([0.0, 1.0]), np.zeros((2, 1)), True))
    for name, said in (
        ("clock", "--offset auto"),
        ("short", "--min-frames"),
        ("forces", "none of the skeleton"),
    ):
        refused(["--video", "first.mp4", "--reference", f"{name}.mot"], said, capsys)
    refused(["--video", "first.mp4"], "add --reference", capsys)
    for source in ("0", "synthetic", "rtsp://localhost/stream"):
        refused(["--video", source, "--reference", "r.mot"], "not a recorded video", capsys)
    refused(
        ["--trials", str(write_trials(folder)), "--offset", "1"], "--offset cannot go with --trials", capsys
    )
    path = write_trials(folder)
    text = path.read_text()
    path.write_text(text[::-1].replace("r.mot"[::-1], "clock.mot"[::-1], 1)[::-1])  # of the last trial
    refused(["--trials", str(path)], "trial third: .*--offset auto", capsys)
    refused(
        ["--trials", str(write_trials(folder, more='skip = ["knee"]'))],
        "trial first: skip names 'knee'",
        capsys,
    )
    refused(["--video", "first.mp4", "--reference", "r.mot", "--lag-range", "-1"], "from 0 to 10", capsys)
    refused(["--video", "first.mp4", "--reference", "r.mot", "--offset", "nan"], "auto or a number", capsys)


def run_trials(folder: Path, more: str = "") -> dict:
    words = ["evaluate", "--trials", str(write_trials(folder, more=more)), "--json", "trials.json"]
    assert cli.main(words) == 0
    return json.loads((folder / "trials.json").read_text())


def test_people_weigh_alike_however_often_filmed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_trials(folder)
    assert [t["name"] for t in result["trials"]] == list(ERRORS_DEG)
    people = result["over_people"]
    assert (people["people"], people["trials"], people["compared_frames"]) == (2, 3, 3 * 88)
    assert people["mae_deg"]["knee_angle_l"] == pytest.approx(((1.0 + 3.0) / 2.0 + 8.0) / 2.0, abs=0.1)
    assert people["mean_mae_deg"] == pytest.approx(5.0 * 13 / 15, abs=0.1)
    assert "over people" in capsys.readouterr().out


def test_what_is_skipped_is_not_scored(folder: Path) -> None:
    result = run_trials(folder, 'skip = ["knee_angle", "pelvis_tilt", "pelvis_list"]')
    assert (
        not {"knee_angle_r", "knee_angle_l", "pelvis_tilt", "pelvis_list"}
        & result["trials"][0]["mae_deg"].keys()
    )
    assert result["trials"][0]["mean_mae_deg"] == pytest.approx(1.0, abs=0.05)
    assert result["trials"][0]["published_pelvis"]["as_published_deg"] == {}


def test_a_trial_that_fails_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_trials(folder, more="offset_s = 2.5")
    refused(["--trials", str(path)], r"trial first: .*frames can be compared", capsys)


def test_nobody_has_no_means() -> None:
    assert over_people([]).mean_mae_deg is None


def test_the_pages_are_made_from_the_result(folder: Path) -> None:
    run_trials(folder)
    page, readme = folder / "page.md", folder / "readme.md"
    for path in (page, readme):
        path.write_text(f"before\n{accuracy_page.START}\nold\n{accuracy_page.END}\nafter\n")
    words = ["trials.json", "--page", str(page), "--readme", str(readme)]
    accuracy_page.main(words)
    once = (page.read_text(), readme.read_text())
    accuracy_page.main(words)
    assert (page.read_text(), readme.read_text()) == once
    for text in once:
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
        for line in (line for line in text.splitlines() if line.startswith("|")):
            assert line.endswith("|")
    assert "| third (person B) | 6.9 | 0.0 |" in once[1] and "| **mean over 2 people** | **4.3** |" in once[1]
    assert "| knee_angle_r | 1.0 | 3.0 | 8.0 |" in once[0]


def test_pages_without_markers_and_other_files_are_refused(folder: Path) -> None:
    for text in ("", accuracy_page.START, accuracy_page.END + accuracy_page.START, accuracy_page.START * 2):
        with pytest.raises(RealtimeError, match="needs one line"):
            accuracy_page.replace_between_markers(text, "new", Path("p.md"))
    result = run_one(folder)
    for contents in (json.dumps(result), "[", json.dumps({"format": "other"})):
        (folder / "x.json").write_text(contents)
        with pytest.raises(RealtimeError, match="not a result of trials"):
            accuracy_page.read_result(folder / "x.json")


@pytest.mark.parametrize("page", [accuracy_page.PAGE, accuracy_page.README])
def test_the_shipped_pages_have_their_markers(page: Path) -> None:
    text = page.read_text()
    assert accuracy_page.replace_between_markers(text, "new", page) != text
