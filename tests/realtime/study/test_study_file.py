"""Study files: what they say, and what is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import StudyError
from realtime.study.study_file import read_study
from realtime.study.study_text import quoted

GOOD = """
heading = 90
region = [0.0, 0.5, 1.0, 0.5]

[[subject]]
name = "anna"
height_m = 1.7
sex = "female"
static = "static.mp4"

[[subject.trial]]
name = "walk"
video = "walk.mp4"
reference = "walk.mot"
offset_s = "auto"

[[subject.trial]]
name = "both"
videos = ["a.mp4", "s3://bucket/b.mp4"]
cameras = "rig.toml"
offsets_s = [0.0, 0.35]
"""


def study_of(folder: Path, text: str) -> Path:
    for name in ("walk.mot", "rig.toml"):
        (folder / name).touch()
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_everything_is_read(tmp_path: Path) -> None:
    study = read_study(study_of(tmp_path, GOOD))
    (anna,) = study.subjects
    walk, both = anna.trials
    assert (study.heading, study.search_region) == ("90.0", (0.0, 0.5, 1.0, 0.5))
    assert (anna.name, anna.height_m, anna.sex, anna.static) == (
        "anna", 1.7, "female", str(tmp_path / "static.mp4"),
    )  # fmt: skip
    assert walk.videos == (str(tmp_path / "walk.mp4"),) and walk.offset_s == "auto"
    assert walk.reference == (tmp_path / "walk.mot").resolve()
    assert both.videos == (str(tmp_path / "a.mp4"), "s3://bucket/b.mp4")
    assert both.cameras == (tmp_path / "rig.toml").resolve() and both.offsets_s == (0.0, 0.35)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1.7", "170", "170 looks like centimetres: write 1.70"),
        ("1.7", "17", "height_m is 17; accepted: metres from 0.5 to 2.5"),
        ("1.7", '"tall"', "height_m"),
        ('"anna"', '"../anna"', "cannot be that of a folder"),
        ('"walk"', '"person"', "but not person"),
        ('"both"', '"Walk"', "two trials are called 'walk' and 'Walk'"),
        ("heading = 90", "heading = 900", "heading 900"),
        ("heading = 90", "headnig = 90", "do you mean heading?"),
        ('"walk.mot"', '"walking.mot"', "reference 'walking.mot' does not exist"),
        ('cameras = "rig.toml"', "", "2 videos; several need cameras"),
        ('video = "walk.mp4"', "", "accepted: video, or videos together with cameras"),
        ('sex = "female"', 'sex = "f"', "Invalid enum value 'f'"),
        ("height_m = 1.7", "", "only with the stature: add height_m"),
        ("0.35]", "nan]", "offsets are seconds"),
        ("heading = 90", "heading =", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyError) as refusal:
        read_study(study_of(tmp_path, GOOD.replace(old, new, 1)))
    assert said in str(refusal.value) and "study.toml" in str(refusal.value)


def test_two_people_of_one_name_are_refused(tmp_path: Path) -> None:
    twin = '[[subject]]\nname = "ANNA"\ntrial = [{ name = "a", video = "a.mp4" }]\n'
    with pytest.raises(StudyError, match="two subjects are called 'anna' and 'ANNA'"):
        read_study(study_of(tmp_path, GOOD + twin))


@given(st.binary(max_size=200))
def test_noise_is_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "study.toml"
    path.write_bytes(noise)
    with pytest.raises(StudyError):
        read_study(path)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_any_text_survives_a_study_file(text: str) -> None:
    assert tomllib.loads(f"name = {quoted(text)}")["name"] == text
