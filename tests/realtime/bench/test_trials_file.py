"""Trials files: what is read, and how mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.skeleton import load_skeleton
from realtime.bench.trials_file import FIELDS, Trial, read_trials
from realtime.errors import RealtimeError

GOOD = {
    "name": '"squat"',
    "person": '"A"',
    "video": '"v.mp4"',
    "reference": '"r.mot"',
    "offset_s": "1.5",
    "camera": '"c.json"',
    "height_m": "1.8",
    "skip": '["ankle_angle", "pelvis_tilt"]',
    "standing_s": "[1, 4.0]",
    "capture_rate_hz": "240",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("v.mp4", "r.mot", "c.json"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, *entries: dict[str, str]) -> Path:
    path = folder / "trials.toml"
    path.write_text("".join("[[trial]]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for e in entries))
    return path


def test_all_keys_are_read_and_paths_begin_at_the_file(folder: Path) -> None:
    second = {k: v for k, v in GOOD.items() if k in ("person", "video", "reference")} | {"name": '"walk"'}
    first, other = read_trials(write(folder, GOOD, second | {"offset_s": '"auto"'}))
    assert first == Trial(
        "squat", "A", str(folder / "v.mp4"), folder / "r.mot", 1.5, folder / "c.json", 1.8,
        ("ankle_angle", "pelvis_tilt"), (1.0, 4.0), 240.0,
    )  # fmt: skip
    assert other == Trial("walk", "A", str(folder / "v.mp4"), folder / "r.mot", "auto")


def test_a_trial_may_have_several_videos(folder: Path) -> None:
    views = GOOD | {"video": '["v.mp4", "w.mp4"]', "offsets_s": "[0, 0.35]"}
    (folder / "w.mp4").touch()
    (trial,) = read_trials(write(folder, views))
    assert trial.video == (str(folder / "v.mp4"), str(folder / "w.mp4")) and trial.offsets_s == (0.0, 0.35)
    for change, said in (
        ({"video": '["v.mp4", "gone.mp4"]'}, r"video '.*gone\.mp4' does not exist"),
        ({"video": '["v.mp4"]'}, "`video`"),
        ({"offsets_s": "[1]"}, "1 offsets_s for 2 videos; accepted: one for each"),
        ({"video": '"v.mp4"'}, "offsets_s is for several videos; for one, give offset_s"),
    ):
        with pytest.raises(RealtimeError, match=said):
            read_trials(write(folder, views | change))
    del views["camera"]
    with pytest.raises(RealtimeError, match="several videos need camera, the file of all cameras"):
        read_trials(write(folder, views))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ofset_s": "1"}, r"trial 1 \(squat\): unknown key 'ofset_s' \(do you mean offset_s\?\)"),
        ({"refrence": '"r.mot"'}, r"unknown key 'refrence' \(do you mean reference\?\)"),
        ({"colour": "1"}, r"unknown key 'colour'; accepted: name, person"),
        ({"video": '"gone.mp4"'}, r"video '.*gone\.mp4' does not exist; paths are relative"),
        ({"reference": '"gone.mot"'}, r"reference '.*gone\.mot' does not exist"),
        ({"camera": '"gone.json"'}, r"camera '.*gone\.json' does not exist"),
        ({"video": '"a\\u0000b"'}, "does not exist"),
        ({"height_m": "180"}, r"<= 2\.5 - at `height_m`"),
        ({"height_m": '"tall"'}, "`height_m`"),
        ({"offset_s": '"later"'}, "`offset_s`"),
        ({"offset_s": "nan"}, "offset_s is nan; accepted: a number"),
        ({"standing_s": "[4, 1]"}, r"standing_s is \[4\.0, 1\.0\]; accepted: \[from, to\]"),
        ({"standing_s": "[1]"}, "`standing_s`"),
        ({"skip": '"ankle_angle"'}, "`skip`"),
        ({"name": '""'}, "`name`"),
    ],
)
def test_mistakes_are_named(folder: Path, change: dict[str, str], said: str) -> None:
    with pytest.raises(RealtimeError, match=said):
        read_trials(write(folder, GOOD | change))


@pytest.mark.parametrize("missing", ["name", "person", "video", "reference"])
def test_what_must_be_there(folder: Path, missing: str) -> None:
    with pytest.raises(RealtimeError, match=f"missing required field `{missing}`"):
        read_trials(write(folder, {k: v for k, v in GOOD.items() if k != missing}))


def test_other_files_are_refused(folder: Path) -> None:
    path = folder / "trials.toml"
    with pytest.raises(RealtimeError, match=r"trials\.toml: cannot be read \(No such file"):
        read_trials(path)
    for text, said in (
        ("", "no trials"),
        ("trial = 3", "no trials"),
        ("[trial]\nname = 'a'", "no trials"),
        ("trials = []", r"unknown key 'trials' \(do you mean trial\?\)"),
        ("[[trial]", "not TOML"),
    ):
        path.write_text(text)
        with pytest.raises(RealtimeError, match=said):
            read_trials(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RealtimeError, match="not TOML"):
        read_trials(path)
    with pytest.raises(RealtimeError, match="2 trials are called 'squat'"):
        read_trials(write(folder, GOOD, GOOD))


VALUES = st.sampled_from(
    [
        "1",
        "-1.5",
        "nan",
        "inf",
        '"auto"',
        '"v.mp4"',
        "[]",
        "[1, 2]",
        '["a", 1]',
        "{ a = 1 }",
        "true",
        "1979-05-27",
    ]
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), VALUES))
def test_any_values_are_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, entry: dict
) -> None:
    path = write(tmp_path_factory.mktemp("trials"), GOOD | entry)
    for name in ("v.mp4", "r.mot", "c.json"):
        (path.parent / name).touch()
    try:
        (trial,) = read_trials(path)
    except RealtimeError as error:
        assert "trials.toml: trial 1" in str(error)
    else:
        assert isinstance(trial, Trial)


def test_stems_count_for_both_sides_and_unknown_ones_are_refused() -> None:
    names = load_skeleton().coordinate_names
    trial = Trial("t", "A", "v", Path("r"), skip=("ankle_angle", "knee_angle_r"))
    assert sorted(trial.skipped(names)) == ["ankle_angle_l", "ankle_angle_r", "knee_angle_r"]
    with pytest.raises(RealtimeError, match=r"skip names 'knee_angel', .*do you mean knee_angle"):
        Trial("t", "A", "v", Path("r"), skip=("knee_angel",)).skipped(names)


def test_the_trials_at_hand_are_read(shared_data: Path) -> None:
    trials = read_trials(shared_data / "trials.toml")
    assert len(trials) >= 5 and len({trial.person for trial in trials}) >= 4
