"""Folders of other programs, as they are laid out on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.cli import main
from realtime.errors import StudyError
from realtime.study.layouts import find_study
from realtime.study.study_file import read_study

POSE2SIM_CAMERA = """
[{name}]
name = "{name}"
size = [640.0, 480.0]
matrix = [[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0]
rotation = [{turn}, 1.2, 1.2]
translation = [0.0, 0.0, {away}]
fisheye = false
"""


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def opencap_session(folder: Path, subject: str = "s07", height: str = "1.81") -> Path:
    """A session as OpenCap's downloads have it."""
    for camera in ("Cam0", "Cam1"):
        media = f"Videos/{camera}/InputMedia"
        touch(folder, f"{media}/neutral/neutral_sync.mp4", f"{media}/squat1/squat1.mov")
        touch(folder, f"{media}/squat1/squat1_sync.mp4", f"Videos/{camera}/cameraIntrinsicsExtrinsics.pickle")
    touch(folder, "OpenSimData/Kinematics/squat1.mot", "MarkerData/PostAugmentation/squat1.trc")
    (folder / "sessionMetadata.yaml").write_text(
        f"augmentermodel: v0.3\nheight_m: {height}\nmass_kg: 80.0\nopenSimModel: LaiUhlrich2022\n"
        f"subjectID: {subject}\n"
    )
    return folder


def pose2sim_trial(folder: Path, n_cameras: int = 2, height: str = "1.72") -> Path:
    """A trial as Pose2Sim's demo has it."""
    touch(folder, "videos/cam01.mp4", "videos/cam02.mp4", "kinematics/walk.mot")
    (folder / "Config.toml").write_text(f"[project]\nparticipant_height = {height}\nframe_rate = 'auto'\n")
    (folder / "calibration").mkdir()
    cameras = [POSE2SIM_CAMERA.format(name=f"cam0{k}", turn=1.2 + k, away=3.0 + k) for k in range(n_cameras)]
    (folder / "calibration" / "Calib.toml").write_text("".join(cameras))
    return folder


def written(folder: Path, out: Path) -> str:
    """The study file of a folder, read back as it was found."""
    assert main(["study", "init", str(folder), "--out", str(out)]) == 0
    assert read_study(out).subjects == find_study(folder).subjects
    return out.read_text()


def test_plain_folders(tmp_path: Path) -> None:
    touch(
        tmp_path, "s1/static.mp4", "s1/walk.mp4", "s1/walk.mot", "s2/T-pose.avi", "s2/run.MOV", "notes/a.txt"
    )
    touch(tmp_path, "s1/ecstatic_dance.mp4")
    (tmp_path / "people.csv").write_text("subject,height_m,sex\ns1,1.80,male\n")
    text = written(tmp_path, tmp_path / "study.toml")
    s1, s2 = find_study(tmp_path).subjects
    assert (s1.name, s1.height_m, s1.sex) == ("s1", 1.8, "male")
    assert s1.static is not None and s1.static.endswith("static.mp4")
    assert [t.name for t in s1.trials] == ["ecstatic_dance", "walk"]
    assert s1.trials[1].reference == (tmp_path / "s1/walk.mot").resolve()
    assert s2.static is None and {t.name for t in s2.trials} == {"T-pose", "run"}  # no stature, no model
    assert 'video = "s1/walk.mp4"' in text and "# height_m" in text


def test_the_videos_of_one_person(tmp_path: Path) -> None:
    touch(tmp_path / "eva", "neutral.mp4", "jump.mp4")
    (subject,) = find_study(tmp_path / "eva").subjects
    assert subject.name == "eva" and len(subject.trials) == 2


def test_an_opencap_session(tmp_path: Path) -> None:
    text = written(opencap_session(tmp_path / "OpenCapData_1"), tmp_path / "study.toml")
    (subject,) = find_study(tmp_path / "OpenCapData_1").subjects
    assert (subject.name, subject.height_m) == ("s07", 1.81)
    assert subject.static is not None and "neutral_sync" in subject.static
    assert [t.name for t in subject.trials] == ["squat1_Cam0", "squat1_Cam1"]
    assert all("squat1_sync" in t.videos[0] and t.reference is not None for t in subject.trials)
    assert "pickle" not in text


def test_many_opencap_sessions(tmp_path: Path) -> None:
    opencap_session(tmp_path / "a", "s01")
    opencap_session(tmp_path / "b", "s02")
    assert [s.name for s in find_study(tmp_path).subjects] == ["s01", "s02"]
    opencap_session(tmp_path / "c", "S02")
    with pytest.raises(StudyError, match="two subjects are called 's02' and 'S02'"):
        find_study(tmp_path)


def test_a_pose2sim_trial(tmp_path: Path) -> None:
    written(pose2sim_trial(tmp_path / "Trial_1"), tmp_path / "study.toml")
    (subject,) = find_study(tmp_path / "Trial_1").subjects
    (trial,) = subject.trials
    assert subject.height_m == 1.72 and len(trial.videos) == 2
    assert trial.cameras == tmp_path / "Trial_1/calibration/Calib.toml"
    assert trial.reference == tmp_path / "Trial_1/kinematics/walk.mot"


def test_pose2sim_with_another_number_of_cameras(tmp_path: Path) -> None:
    (subject,) = find_study(pose2sim_trial(tmp_path / "Trial_1", 3, height="'auto'")).subjects
    assert [t.name for t in subject.trials] == ["cam01", "cam02"] and subject.height_m is None


@pytest.mark.parametrize("height", ["181", "'tall'"])
def test_wrong_units_of_opencap(tmp_path: Path, height: str) -> None:
    with pytest.raises(StudyError, match=r"sessionMetadata.yaml: height_m is"):
        find_study(opencap_session(tmp_path, height=height))


def test_a_damaged_calibration(tmp_path: Path) -> None:
    trial = pose2sim_trial(tmp_path)
    (trial / "calibration" / "Calib.toml").write_text("[cam01]\nmatrix = 3\n")
    with pytest.raises(StudyError, match=r"Calib\.toml"):
        find_study(trial)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subject,height\ns1,1.8\n", "no column height_m; it has subject, height"),
        ("subject,height_m\ns1,180\n", "180 looks like centimetres"),
        ("subject,height_m\ns1,big\n", r"line 2 \(s1\): height_m is nan"),
        ("subject,height_m\ns1,1.8\nS1,1.7\n", "two subjects are called 's1' and 'S1'"),
        ("subject,height_m\ns9,1.8\n", "no videos of s9; the folders are s1"),
        ("subject,height_m,sex\ns1,1.8,x\n", "sex is 'x'"),
        ("", "no column subject, height_m; it has none"),
    ],
)
def test_a_wrong_table_of_people(tmp_path: Path, text: str, said: str) -> None:
    touch(tmp_path, "s1/a.mp4")
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(StudyError, match=said):
        find_study(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "empty", "strange"])
def test_folders_without_videos(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "strange/a.mp4/b.mp4.txt", "strange/.hidden.mp4")
    with pytest.raises(StudyError, match=r"no such folder|no videos"):
        find_study(tmp_path / name)


def test_a_study_file_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "a.mp4", "study.toml")
    assert main(["study", "init", str(tmp_path), "--out", str(tmp_path / "study.toml")]) == 2
    assert "exists and is kept" in capsys.readouterr().err
