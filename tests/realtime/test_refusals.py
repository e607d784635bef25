"""Wrong input on the command line: one plain line, exit code 2, and nothing that was there is lost."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from calib.skeleton import default_skeleton_path
from engines.errors import EngineError
from engines.runtimes.openvino_engine import OpenvinoEngine
from realtime import cli
from realtime.commands import session
from realtime.errors import RecordingError
from realtime.recording.recorder import Recorder
from tests.support import swinging
from tests.support.mp4 import write_video

BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><OpenSimDocument>&c;</OpenSimDocument>'
CAMERA = {"width_px": 64, "height_px": 48, "fx": 60.0, "fy": 60.0, "cx": 32.0, "cy": 24.0}
RAGGED = (
    "reference\nversion=1\nnRows=2\nnColumns=2\ninDegrees=yes\nendheader\n"
    "time\tknee_angle_r\n0\t1\n0.1\t1\t2\n"
)
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with one good video and much that is bad."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_video(tmp_path / "clip.mp4", 30)
    video = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(video[: len(video) // 2])  # the index is at the end
    (tmp_path / "letter.mp4").write_text("not a video")
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "overlay.mp4").write_bytes(video)
    (tmp_path / "ragged.mot").write_text(RAGGED)
    (tmp_path / "good.mot").write_text(RAGGED.replace("\t2\n", "\n"))
    (tmp_path / "nan.json").write_text(json.dumps(CAMERA | {"fx": float("nan")}))
    (tmp_path / "size.json").write_text(json.dumps(CAMERA | {"width_px": 640}))
    (tmp_path / "list.json").write_text("[1, 2]")
    write_skeletons(tmp_path)
    return tmp_path


def write_skeletons(folder: Path) -> None:
    """kinecast's own skeleton, spoilt in several ways."""
    text = default_skeleton_path().read_text()
    femur = "<socket_parent>/bodyset/pelvis</socket_parent>"
    assert text.count(femur) >= 2
    (folder / "bomb.osim").write_text(BOMB)
    (folder / "cut.osim").write_text(text[: len(text) // 2])
    (folder / "cycle.osim").write_text(text.replace(femur, femur.replace("pelvis", "calcn_r"), 1))
    (folder / "missing.osim").write_text(text.replace("/bodyset/tibia_l", "/bodyset/tibia_x"))
    (folder / "joint.osim").write_text(text.replace("CustomJoint", "RubberJoint"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    assert cli.main(words) == 2
    complaint = capsys.readouterr().err
    assert re.fullmatch(rf"kinecast.*{said}.*\n", complaint), complaint
    assert contents(folder) == before


SOURCES = [
    (["live", "--no-window", "--source", "empty"], "empty: no images in this folder"),
    (["replay", "empty", "--out", "out"], "empty: no images in this folder"),
    (["replay", "letter.mp4", "--out", "out"], r"letter\.mp4: not a video"),
    (["replay", "cut.mp4", "--out", "out"], r"cut\.mp4: not a video that can be read: .*cut short"),
    (["replay", "gone.mp4", "--out", "out"], "'gone.mp4': no such file or folder"),
    (["evaluate", "--video", "letter.mp4", "--reference", "good.mot"], r"letter\.mp4: not a video"),
]
SKELETONS = [
    ("bomb.osim", r"bomb\.osim: not readable XML .*without document type or entities"),
    ("cut.osim", r"cut\.osim: not readable XML"),
    ("cycle.osim", r"cycle\.osim: the joints of body .* lead back to it"),
    ("missing.osim", "is '/bodyset/tibia_x'; accepted"),
    ("joint.osim", "<RubberJoint .*unknown joint; accepted: WeldJoint"),
    ("empty", "empty: cannot be read"),
]
OPTIONS = [
    (["--person", "middle"], r"'middle'; accepted: largest, left, right, or a number from 1 to 4"),
    (["--people", "5"], "cannot track 5 people; accepted: 1 to 4"),
    (["--people", "0"], "'0' is not a whole number from 1"),
    (["--people", "2", "--estimator", "direct"], "leave out --people"),
    (["--people", "2", "--height", "1.8"], "measures of one person; leave them out with --people"),
    (["--region", "1,2"], "--region: '1,2' is not left,top,width,height"),
    (["--region", "a,b,c,d"], "'a,b,c,d' is not left,top,width,height"),
    (["--region=0,0,2,2"], "search region 0,0,2,2 is not inside the image"),
    (["--region=nan,0,1,1"], "search region nan,0,1,1"),
    (["--estimator", "magic"], "invalid choice: 'magic' .*landmarks"),
    (["--height", "tall"], "'tall' is not a stature from 0.5 to 2.5 m"),
    (["--height", "175"], "'175' is not a stature .*such as 1.75"),
    (["--fov", "nan"], "field of view nan"),
    (["--camera-file", "clip.mp4"], r"clip\.mp4: not a camera calibration .*accepted: JSON"),
    (["--camera-file", "list.json"], r"list\.json: not a camera calibration"),
    (["--camera-file", "nan.json"], r"nan\.json: .*fx nan.*accepted: finite"),
    (["--camera-file", "size.json"], r"calibrated at 640x48, but the source gives 64x48"),
    (["--camera-file", "gone.json"], r"gone\.json: cannot be read \(No such file"),
    (["--frames", "0"], "'0' is not a whole number from 1"),
]


@pytest.mark.parametrize(("words", "said"), SOURCES)
def test_sources_that_are_none(folder: Path, words: list[str], said: str, capsys) -> None:
    refused(folder, words, said, capsys)


@pytest.mark.parametrize(("name", "said"), SKELETONS)
def test_skeletons_that_are_broken_or_hostile(folder: Path, name: str, said: str, capsys) -> None:
    refused(folder, ["replay", "clip.mp4", "--out", "out", "--skeleton", name], said, capsys)


@pytest.mark.parametrize(("words", "said"), OPTIONS)
def test_options_with_impossible_values(folder: Path, words: list[str], said: str, capsys) -> None:
    refused(folder, ["replay", "clip.mp4", "--out", "out", *words], said, capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reference", "ragged.mot"], r"ragged\.mot:9: 3 columns; accepted: 2"),
        (["--reference", "letter.mp4"], r"letter\.mp4:1: the file ends without endheader"),
        (["--reference", "gone.mot"], r"gone\.mot: cannot be read"),
        (["--reference", "good.mot", "--json", "gone/result.json"], r"result\.json: cannot be written"),
    ],
)
def test_references_and_results_of_an_evaluation(folder: Path, words: list[str], said: str, capsys) -> None:
    refused(folder, ["evaluate", "--video", "clip.mp4", *words], said, capsys)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "make_estimator", swinging.build)
    # A busy machine compiles for longer; the note would join the refusal.
    monkeypatch.setattr(session, "NOTE_AFTER_S", 600.0)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--out", "out", "--show", "knee_angle_r,knee"],
            "no coordinate 'knee' to show; .* has: pelvis_tilt",
        ),
        (["--out", "clip.mp4"], r"clip\.mp4: cannot record here \(File exists\)"),
        (["--out", "clip.mp4/out"], r"clip\.mp4/out: cannot record here \(Not a directory\)"),
        (["--out", "foreign"], r"foreign holds overlay\.mp4 but no recording; choose another folder"),
        (["--out", "out", "--publish", "tcp://127.0.0.1:80000"], "is not a stream address; accepted"),
    ],
)
def test_outputs_that_cannot_be(folder: Path, words: list[str], said: str, capsys) -> None:
    refused(folder, ["replay", "clip.mp4", *words], said, capsys)


@pytest.fixture
def recording(folder: Path, no_network: None, capsys: pytest.CaptureFixture[str]) -> Path:
    assert cli.main(["replay", "clip.mp4", "--out", "out"]) == 0
    capsys.readouterr()
    return folder / "out"


def test_a_replay_never_replaces_what_it_reads(folder: Path, recording: Path, capsys) -> None:
    refused(folder, ["replay", "out/overlay.mp4", "--out", "out"], "overlay.mp4 would be replaced", capsys)
    refused(folder, ["replay", "out/overlay.mp4", "--out", "empty/../out"], "would be replaced", capsys)


def test_a_port_in_use_costs_no_earlier_recording(folder: Path, recording: Path, capsys) -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        address = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
        words = ["replay", "clip.mp4", "--out", "out", "--replace", "--publish", address]
        refused(folder, words, f"{address} is in use", capsys)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write anywhere, so be somebody else."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    yield
    if is_root:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file modes are POSIX")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    skeleton = swinging.load_skeleton()
    tmp_path.chmod(0o555)
    request.getfixturevalue("unprivileged")
    for folder in (tmp_path, tmp_path / "below"):
        with pytest.raises(RecordingError, match=r"cannot record here \(Permission denied\)"):
            Recorder(folder, skeleton)


def test_what_is_no_network_is_refused_without_noise(folder: Path, capfd) -> None:
    (folder / "letter.tflite").write_text("not a network")
    for name in ("letter.mp4", "letter.tflite"):
        with pytest.raises(EngineError, match=rf"{name}: not a network .*accepted: \.onnx, \.tflite, \.xml"):
            OpenvinoEngine(folder / name)
    assert capfd.readouterr().err == ""
