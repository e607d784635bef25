import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.boards.board import Board, BoardKind
from calib.boards.two_cameras import load_pair
from calib.camera import Intrinsics
from calib.camera_file import load_camera
from calib.rig_file import load_rig
from realtime.calibration.board_picture import draw_guidance
from realtime.calibration.camera_session import collect_live
from realtime.cli import main
from realtime.overlay.style import Typeface
from realtime.sample import Frame
from tests.support.boards import BoardScene, facing, poses_of_a_session
from tests.support.published_cameras import published_cameras

BOARD = Board(BoardKind.CHARUCO, 5, 8, 0.028)
K = Intrinsics(640, 480, 560.0, 563.0, 311.0, 247.0, (-0.2, 0.06, 0.0, 0.0, 0.0))
OPTIONS = ["--board", "charuco", "--corners", "5x8", "--square-m", "0.028"]


@pytest.fixture(scope="module")
def scene() -> BoardScene:
    return BoardScene(BOARD, K)


@pytest.fixture(scope="module")
def folder(scene: BoardScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of a board, and one without."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, T in enumerate(poses_of_a_session(BOARD, K, 10, seed=5)):
        cv2.imwrite(str(folder / f"{i}.png"), scene.draw(T, noise=2.0, seed=i))
    cv2.imwrite(str(folder / "empty.png"), np.full((480, 640, 3), 90, np.uint8))
    return folder


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command says when it refuses: one line, code 2."""
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_pictures_become_a_camera_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "camera.json"
    assert main(["calibrate", "camera", "--images", str(folder), *OPTIONS, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "10 views, 0 of them left out; 1 images without the board" in said
    fields = json.loads(out.read_text())
    assert fields["fx"] == pytest.approx(K.fx, rel=3e-3)
    assert fields["fy"] == pytest.approx(K.fy, rel=3e-3)
    assert (fields["width_px"], fields["height_px"]) == (640, 480)
    assert fields["rms_px"] < 0.3
    assert len(fields["distortion"]) == 5
    assert fields["board"] == BOARD.as_dict() == {
        "kind": "charuco", "corners": "5x8", "square_m": 0.028, "marker_m": 0.7 * 0.028,
        "dictionary": "4X4_250",
    }  # fmt: skip
    assert [view["picture"] for view in fields["views"]] == [f"{i}.png" for i in range(10)]
    assert all(0.0 < view["rms_px"] < 0.5 for view in fields["views"])
    assert fields["without_board"] == ["empty.png"]
    assert load_camera(out).name == folder.name


def test_the_published_cameras_come_out_of_their_pictures(shared_data: Path, tmp_path: Path):
    """Two of the four; the others' images are looked at in test_camera_fit."""
    root = shared_data / "calibration"
    published = published_cameras(root / "Calib.qca.txt")
    for name in ("cam01", "cam04"):
        out = tmp_path / f"{name}.json"
        words = ["--board", "checkerboard", "--corners", "4x7", "--square-m", "0.06", "--out", str(out)]
        assert main(["calibrate", "camera", "--images", str(root / name), *words]) == 0
        assert load_camera(out).intrinsics.fx == pytest.approx(published[name].fx, rel=0.015)


def test_a_video_becomes_a_camera_file(scene: BoardScene, tmp_path: Path):
    video, out = tmp_path / "board.avi", tmp_path / "camera.json"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 6.0, (640, 480))
    for i, T in enumerate(poses_of_a_session(BOARD, K, 12, seed=6)):
        picture = scene.draw(T, noise=1.0, seed=i)
        writer.write(picture)
        writer.write(cv2.blur(picture, (25, 1)))  # moved on
    writer.release()
    assert main(["calibrate", "camera", "--video", str(video), *OPTIONS, "--out", str(out)]) == 0
    assert load_camera(out).intrinsics.fx == pytest.approx(K.fx, rel=6e-3)
    views = json.loads(out.read_text())["views"]
    assert {int(view["picture"].split()[1]) % 2 for view in views} == {0}  # only the sharp ones


class CameraBeforeBoard:
    """Shows each pose for a few frames, as a person holds a board."""

    description, is_live, n_frames, note = "camera 7", True, None, ""
    width_px, height_px, fps = 640, 480, 30.0

    def __init__(self, scene: BoardScene, poses: list[np.ndarray]) -> None:
        self._pictures = [scene.draw(T, noise=1.0, seed=i) for i, T in enumerate(poses)]
        self._frame_id = 0

    def read(self) -> Frame | None:
        if self._frame_id >= 2 * len(self._pictures):
            return None
        frame = Frame(self._frame_id, 33_000_000 * self._frame_id, self._pictures[self._frame_id // 2])
        self._frame_id += 1
        return frame


def test_a_live_session_guides_takes_and_ends(scene: BoardScene):
    said: list[str] = []
    pictures: list[np.ndarray] = []
    typeface = Typeface()

    def show(image, view, collector, verdict) -> bool:
        pictures.append(draw_guidance(image, view, collector, verdict, typeface))
        assert not np.array_equal(pictures[-1], image)
        return len(pictures) < 11

    source = CameraBeforeBoard(scene, poses_of_a_session(BOARD, K, 8, seed=7))
    session = collect_live(source, BOARD, show=show, say=said.append)
    # Each pose is taken in the second of its two frames, when it is seen to rest; the window closed early.
    assert session.names == [f"frame {i}" for i in (1, 3, 5, 7, 9)]
    assert said[0].startswith("0 views, 0% covered: show the whole board")
    assert any("move the board to the" in line or "tilt the board" in line for line in said[1:])
    assert len(pictures) == 11


def test_guidance_leaves_the_frame_alone_and_marks_the_corners(scene: BoardScene):
    from calib.boards.board import BoardFinder
    from calib.boards.camera_views import Verdict, ViewCollector

    picture = scene.draw(facing(BOARD, (0.0, 0.0, 0.6)))
    before = picture.copy()
    view = BoardFinder(BOARD).find(picture)
    assert view is not None
    drawn = draw_guidance(picture, view, ViewCollector(BOARD, 640, 480), Verdict.TAKEN, Typeface())
    np.testing.assert_array_equal(picture, before)
    for u, v in view.uv_px.round().astype(int):
        assert np.abs(drawn[v, u].astype(int) - picture[v, u]).max() > 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--corners", "6x9"], "no image, at least 5 .* check --board and --corners"),
        (["--corners", "5by8"], "such as 5x8"),
        (["--square-m", "28"], "as measured on the printed board"),
        (["--dictionary", "7X7_9"], "no dictionary 7X7_9"),
        (["--out", "nowhere/camera.json"], "cannot be written"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
):
    given = [*OPTIONS, "--out", str(tmp_path / "camera.json"), *words]
    message = refused(capsys, "calibrate", "camera", "--images", folder, *given)
    assert re.search(said, message)
    assert not (tmp_path / "camera.json").exists()


def test_too_few_pictures_and_mixed_cameras_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    few = tmp_path / "few"
    few.mkdir()
    for name in ("0.png", "1.png"):
        (few / name).write_bytes((folder / name).read_bytes())
    out = ["--out", tmp_path / "camera.json"]
    assert "2 images, at least 5" in refused(capsys, "calibrate", "camera", "--images", few, *OPTIONS, *out)
    cv2.imwrite(str(few / "2.png"), np.zeros((600, 800, 3), np.uint8))
    assert "all frames of a source must have one size" in refused(
        capsys, "calibrate", "camera", "--images", few, *OPTIONS, *out
    )


def camera_file(path: Path, **changes: object) -> Path:
    fields = {"width_px": 640, "height_px": 480, "fx": 560, "fy": 560, "cx": 320, "cy": 240, "rms_px": 0.2}
    path.write_text(json.dumps(fields | changes))
    return path


def test_a_calibration_of_another_size_is_refused_unless_it_may_be_scaled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from realtime.estimators.build import load_camera_for

    larger = camera_file(tmp_path / "larger.json", width_px=1280, height_px=960)
    said = refused(capsys, "live", "--source", "synthetic", "--camera-file", larger, "--no-window")
    assert "calibrated at 1280x960, but the source gives 640x480" in said
    assert "--scale-camera" in said and "kinecast calibrate camera" in said
    wider = camera_file(tmp_path / "wider.json", width_px=1280, height_px=720)
    said = refused(capsys, "live", "--source", "synthetic", "--camera-file", wider, "--no-window")
    assert "--scale-camera" not in said
    scaled = load_camera_for(larger, 640, 480, may_scale=True).intrinsics
    assert (scaled.fx, scaled.width_px) == (280.0, 640)
    said = refused(
        capsys, "live", "--source", "synthetic", "--camera-file", wider, "--no-window", "--scale-camera"
    )
    assert "another shape" in said


def test_a_calibration_of_another_camera_is_refused(tmp_path: Path):
    from calib.errors import CameraError
    from realtime.estimators.build import load_camera_for

    path = camera_file(tmp_path / "camera.json", device="Webcam C1")
    assert load_camera_for(path, 640, 480, "Webcam C1").device == "Webcam C1"
    assert load_camera_for(path, 640, 480).device == "Webcam C1"  # nobody knows
    with pytest.raises(CameraError, match=r"calibrated for Webcam C1, but this is Other; calibrate this one"):
        load_camera_for(path, 640, 480, "Other")


def test_an_assumed_camera_is_said_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["live", "--source", "synthetic", "--no-window", "--no-publish", "--frames", "1", "--offline"]
    assert main(words) in (0, 2)  # 2: the networks are not here
    out = capsys.readouterr().out
    if out:
        assert "camera not calibrated, 60 deg field of view assumed" in out


def test_a_board_is_printed_with_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "board.pdf"
    assert main(["calibrate", "board", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"%PDF-1.4")
    assert "--board charuco --corners 5x8 --square-m 0.028 --out camera.json" in capsys.readouterr().out
    said = refused(capsys, "calibrate", "board", "--out", out, "--square-m", "0.1")
    assert "do not fit on a4" in said


def test_pictures_of_two_cameras_become_a_pair(
    scene: BoardScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    T_a_b = np.eye(4)
    T_a_b[:3, :3] = cv2.Rodrigues(np.array([0.0, -0.5, 0.0]))[0]
    T_a_b[:3, 3] = 0.35, 0.0, 0.08
    for name in "ab":
        (tmp_path / name).mkdir()
        camera_file(tmp_path / f"{name}.json", fx=K.fx, fy=K.fy, cx=K.cx, cy=K.cy, distortion=K.distortion)
    rng = np.random.default_rng(3)
    for i in range(5):
        T = facing(BOARD, (*rng.uniform(-0.03, 0.05, 2), 0.6), (*rng.uniform((-25, -30), (25, 0)), 10.0 * i))
        cv2.imwrite(str(tmp_path / "a" / f"{i}.png"), scene.draw(T, seed=i))
        cv2.imwrite(str(tmp_path / "b" / f"{i}.png"), scene.draw(np.linalg.inv(T_a_b) @ T, seed=i))
    words = ["calibrate", "two-cameras", "--a", tmp_path / "a", "--b", tmp_path / "b"]
    words += ["--camera-a", tmp_path / "a.json", "--camera-b", tmp_path / "b.json"]
    words += ["--out", tmp_path / "pair.json"]
    assert "--square-m M for a board, or --height M" in refused(capsys, *words)
    assert main([str(word) for word in [*words, *OPTIONS]]) == 0
    assert "cameras 0.3" in capsys.readouterr().out
    a, b = load_pair(tmp_path / "pair.json")
    found = np.linalg.inv(a.T_ground_cam) @ b.T_ground_cam
    np.testing.assert_allclose(found[:3, 3], T_a_b[:3, 3], atol=5e-3)
    np.testing.assert_allclose(found[:3, :3], T_a_b[:3, :3], atol=8e-3)
    # The same pictures as a rig.
    words = ["calibrate", "cameras", "--out", tmp_path / "rig.json"]
    for name in "ab":
        words += ["--source", tmp_path / name, "--camera-file", tmp_path / f"{name}.json"]
    assert "2 sources and 1 camera files" in refused(capsys, *words[:-2], *OPTIONS)
    assert main([str(word) for word in [*words, *OPTIONS]]) == 0
    assert "cam1: 0.3" in capsys.readouterr().out
    first, second = load_rig(tmp_path / "rig.json").cameras
    found = np.linalg.inv(first.T_ground_cam) @ second.T_ground_cam
    np.testing.assert_allclose(found[:3, 3], T_a_b[:3, 3], atol=5e-3)
    np.testing.assert_allclose(found[:3, :3], T_a_b[:3, :3], atol=8e-3)


def test_latency_needs_a_screen_and_a_sensible_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("realtime.overlay.window.display_problem", lambda: "no screen here")
    assert "no screen here; the latency measurement needs a window" in refused(capsys, "latency")
    assert "accepted: at least 0.35 s and 8 flashes" in refused(capsys, "latency", "--interval", "0.1")
