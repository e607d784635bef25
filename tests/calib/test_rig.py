"""Rigs of cameras: kinecast's file, those of other programs, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.boards.two_cameras import save_pair
from calib.camera import CameraCalibration, Intrinsics
from calib.errors import CameraError
from calib.rig import Rig, make_rig, save_rig
from calib.rig_file import load_rig

LENS = Intrinsics(720, 1280, 913.0, 914.0, 366.0, 638.0, (0.1, -0.2, 0.001, -0.002, 0.05))
POINTS_M = np.random.default_rng(3).uniform(-0.8, 0.8, (30, 3))


def camera(name: str, x_m: float, intrinsics: Intrinsics = LENS) -> CameraCalibration:
    """A camera that looks at ground's origin from 3 m away, upright."""
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0])
    T[:3, 3] = [x_m, 1.0, 3.0]
    return CameraCalibration(intrinsics, T, 0.3, name, has_floor=True)


def rig() -> Rig:
    return make_rig([camera("left", -0.5), camera("right", 0.5)])


def written(tmp_path: Path, data: object, name: str = "rig.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return path


def opencv_json(**changes: object) -> dict[str, object]:
    """Two cameras as people write them who call cv2.calibrateCamera themselves; world Z is up."""
    one = {
        "camera_matrix": LENS.matrix.tolist(),
        "distortion_coefficients": list(LENS.distortion),
        "R": [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
        "T": [[100.0], [900.0], [3000.0]],
        "image_size": [720, 1280],
    }
    return {"unit": "mm", "up": "+z", "b": one, "a": {**one, "T": [-900.0, 900.0, 3000.0]}, **changes}


def test_a_rig_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_rig(tmp_path / "rig.json", rig(), {"date": "today"})
    found = load_rig(tmp_path / "rig.json")
    assert found.names == ("left", "right")
    for before, after in zip(rig().cameras, found.cameras, strict=True):
        np.testing.assert_array_equal(after.intrinsics.matrix, before.intrinsics.matrix)
        assert after.intrinsics.distortion == before.intrinsics.distortion
        assert after.has_floor and after.rms_px == before.rms_px
        np.testing.assert_array_equal(after.T_ground_cam, before.T_ground_cam)


@pytest.mark.parametrize(
    ("up", "to_ground"),
    [("+y", [0, 1, 2]), ("-y", [0, -1, -2]), ("+z", [0, 2, -1]), ("-z", [0, -2, 1])],
)
def test_cameras_of_opencv_project_as_opencv_does(tmp_path: Path, up: str, to_ground: list[int]) -> None:
    data = opencv_json(up=up)
    found = load_rig(written(tmp_path, data))
    assert found.names == ("b", "a")  # in the order of the file
    for read in found.cameras:
        fields = data[read.name]
        R, t = np.array(fields["R"]), np.ravel(fields["T"])
        expected_px = cv2.projectPoints(
            1e3 * POINTS_M, cv2.Rodrigues(R)[0], t, LENS.matrix, np.array(LENS.distortion)
        )[0][:, 0]
        axes, signs = np.abs(to_ground), np.where(np.arange(3) == 0, 1.0, np.sign(to_ground))
        np.testing.assert_allclose(read.project(POINTS_M[:, axes] * signs), expected_px, atol=1e-6)
        assert np.linalg.det(read.T_ground_cam) == pytest.approx(1.0)


def test_opencap_cameras_project_as_opencv_does(shared_data: Path) -> None:
    path = shared_data / "real" / "squat_arms" / "cameras.json"
    published = json.loads(path.read_text())
    for read in load_rig(path).cameras:
        fields = published[read.name]
        R, t_mm = np.array(fields["rotation"]), np.ravel(fields["translation"])
        K, distortion = np.array(fields["intrinsicMat"]), np.ravel(fields["distortion"])
        expected_px = cv2.projectPoints(1e3 * POINTS_M, cv2.Rodrigues(R)[0], t_mm, K, distortion)[0][:, 0]
        np.testing.assert_allclose(read.project(POINTS_M * [1.0, -1.0, -1.0]), expected_px, atol=1e-6)
        assert (read.intrinsics.width_px, read.intrinsics.height_px) == (720, 1280)
        # Phones on tripods: upright to a few degrees, so up is up.
        assert read.T_ground_cam[1, 1] < -0.99


def test_qualisys_and_pose2sim_put_the_same_cameras_in_the_same_positions(shared_data: Path) -> None:
    folder = shared_data / "real" / "beam_4cam"
    qualisys = load_rig(folder / "Calib.qca.txt")
    pose2sim = load_rig(folder / "Pose2Sim_cameras.toml")
    assert qualisys.names == ("cam01", "cam02", "cam03", "cam04") and len(pose2sim.cameras) == 4
    for a, b in zip(qualisys.cameras, pose2sim.cameras, strict=True):
        np.testing.assert_allclose(a.T_ground_cam, b.T_ground_cam, atol=1e-6)
        np.testing.assert_allclose(a.intrinsics.matrix, b.intrinsics.matrix, atol=1e-6)
        assert 1.0 < a.T_ground_cam[1, 3] < 3.0  # heights of tripods, so Y is up


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unit": "inch"}, "unit 'inch'"),
        ({"up": None}, "up None"),
        ({"a": {**opencv_json()["a"], "R": np.diag([1.0, 1.0, -1.0]).tolist()}}, "rotation of camera a"),
        ({"a": {"camera_matrix": LENS.matrix.tolist()}}, "camera a has no distortion_coefficients"),
        ({"a": {**opencv_json()["a"], "fisheye": True}}, "fisheye"),
        ({"a": {**opencv_json()["a"], "T": [1.0, 2.0]}}, "2 numbers instead of 3"),
        ({"a": opencv_json()["b"]}, "b and a are in the same position"),
        ({"a": 1}, "1 camera in the rig"),
    ],
)
def test_what_is_no_rig_of_opencv_is_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(CameraError, match=said):
        load_rig(written(tmp_path, opencv_json(**changes)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"rig": 2, "cameras": []}, "rig of format 2"),
        ({"rig": 1, "cameras": [{"camera": "a"}]}, "camera 0 of the rig has no name or no T_ground_cam"),
        ({"fx": 600.0}, "no camera with a matrix"),
        ([1, 2], "list instead of an object"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: object, said: str) -> None:
    with pytest.raises(CameraError, match=said):
        load_rig(written(tmp_path, data))


@pytest.mark.parametrize("name", ["rig.toml", "rig.qca.txt", "rig.json"])
@given(text=st.text(max_size=60) | st.sampled_from(["<a><camera serial='1'/></a>", "[cam]\nmatrix = 1", "{"]))
@settings(max_examples=25, deadline=None)
def test_files_that_are_no_rigs_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    path = tmp_path_factory.mktemp("rig") / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CameraError):
        load_rig(path)


def test_images_of_another_size_are_scaled_to_only_if_asked() -> None:
    halves = [(360, 640), (360, 640)]
    with pytest.raises(CameraError, match=r"camera left is calibrated at 720x1280.*--scale-camera"):
        rig().for_sizes(halves)
    scaled = rig().for_sizes(halves, may_scale=True)
    for before, after in zip(rig().cameras, scaled.cameras, strict=True):
        # The centre of pixel (0, 0) of the small image lies between four pixels of the large one.
        np.testing.assert_allclose(2.0 * after.project(POINTS_M) + 0.5, before.project(POINTS_M), atol=1e-6)


def test_images_without_the_padding_of_their_codec_are_accepted(caplog: pytest.LogCaptureFixture) -> None:
    padded = make_rig(
        [
            camera(name, x_m, replace(LENS, width_px=1088, height_px=1920))
            for name, x_m in (("a", 0), ("b", 1))
        ]
    )
    cut = padded.for_sizes([(1080, 1920), (1088, 1920)])
    assert [c.intrinsics.width_px for c in cut.cameras] == [1080, 1088]
    assert "camera a is calibrated at 1088x1920, its source gives 1080x1920; taken for" in caplog.text
    # What is cut off at the far edges moves no other pixel.
    np.testing.assert_array_equal(cut.cameras[0].project(POINTS_M), padded.cameras[0].project(POINTS_M))


def test_sources_in_the_wrong_order_or_number_are_refused() -> None:
    wide = Intrinsics(640, 480, 600.0, 600.0, 320.0, 240.0)
    mixed = make_rig([camera("phone", -0.5), camera("webcam", 0.5, wide)])
    with pytest.raises(CameraError, match=r"camera phone.*another shape.*in the order"):
        mixed.for_sizes([(640, 480), (720, 1280)], may_scale=True)
    with pytest.raises(CameraError, match=r"1 sources for a rig of 2 cameras \(phone, webcam\)"):
        mixed.for_sizes([(720, 1280)])
    assert mixed.only(["webcam", "phone"]).names == ("webcam", "phone")
    with pytest.raises(CameraError, match="no camera 'tablet' in the rig; accepted: phone, webcam"):
        mixed.only(["tablet", "phone"])


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(CameraError, match="camera 'a' is there more than once"):
        make_rig([camera("a", -0.5), camera("a", 0.5)])


def test_a_pair_of_calibrate_two_cameras_is_a_rig(tmp_path: Path) -> None:
    left, right = rig().cameras
    save_pair(tmp_path / "pair.json", left, right)
    found = load_rig(tmp_path / "pair.json")
    assert found.names == ("a", "b")
    for before, after in zip((left, right), found.cameras, strict=True):
        np.testing.assert_array_equal(after.T_ground_cam, before.T_ground_cam)
