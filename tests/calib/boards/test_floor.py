"""Floor from a board and from a person, on cameras whose place is known, and the grid drawn on it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.boards.floor import StandingPerson, floor_from_boards, floor_from_person, place_over_floor
from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.camera_file import load_camera, save_camera
from calib.errors import CameraError, FloorError
from engines.blazepose.tracker import BlazePoseResult
from engines.features.body_proportions import is_upright
from engines.preprocess import Roi
from realtime.calibration.floor_moments import HEIGHT_PER_STATURE, StandingMoments
from realtime.cli import main
from realtime.errors import RealtimeError
from realtime.overlay.floor_grid import FloorDrawing, draw_floor_grid, grid_lines
from realtime.sample import LiveStats, PoseSample

RNG = np.random.default_rng(4)
HEIGHT_M = 1.72


def tilted(pitch_deg: float, roll_deg: float, height_m: float) -> np.ndarray:
    """A level camera, raised, turned about its own axes. Shape: (4, 4)."""
    x, z = np.radians(pitch_deg), np.radians(roll_deg)
    T = T_GROUND_LEVEL_CAM.copy()
    T[:3, :3] = T[:3, :3] @ cv2.Rodrigues(np.array([x, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, 0, z]))[0]
    T[1, 3] = height_m
    return T


def standing(T: np.ndarray, x_m: np.ndarray, noise: float = 0.0, axis_deg: float = 0.0) -> StandingPerson:
    """Somebody who stands upright at places along ground's X; the network sees their axis tilted."""
    ankle_m, shoulder_m = (HEIGHT_PER_STATURE[k] * HEIGHT_M for k in ("ankles", "shoulders"))
    z = RNG.uniform(-0.4, 0.4, len(x_m))
    rays = []
    for height in (ankle_m, shoulder_m):
        p = np.stack([x_m, np.full(len(x_m), height), z], 1) + RNG.normal(0.0, noise, (len(x_m), 3))
        p_cam = (p - T[:3, 3]) @ T[:3, :3]
        rays.append(p_cam / p_cam[:, 2:])
    wrong = cv2.Rodrigues(np.radians([axis_deg, 0.0, 0.0]))[0]
    axis = np.tile(wrong @ T[1, :3], (len(x_m), 1))
    return StandingPerson(rays[0], rays[1], axis, ankle_m, shoulder_m)


@settings(max_examples=60, deadline=None)
@given(st.floats(-60, 40), st.floats(-40, 40), st.floats(0.1, 3.0))
def test_a_place_over_the_floor_keeps_the_vertical_and_is_a_rotation(
    pitch_deg: float, roll_deg: float, height_m: float
) -> None:
    truth = tilted(pitch_deg, roll_deg, height_m)
    T = place_over_floor(truth[1, :3], height_m)
    np.testing.assert_allclose(T[1], truth[1], atol=1e-9)
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1.0)
    # The camera looks along -X, apart from up and down.
    assert T[2, 2] == pytest.approx(0.0, abs=1e-9)
    assert T[0, 2] < 0.0


def test_a_level_camera_gets_the_usual_ground() -> None:
    T = place_over_floor(np.array([0.0, -1.0, 0.0]), 1.0)
    np.testing.assert_allclose(T[:3, :3], T_GROUND_LEVEL_CAM[:3, :3], atol=1e-12)


def board_pose(
    T_ground_cam: np.ndarray, x_m: float, turn_deg: float, upside_down: bool = False
) -> np.ndarray:
    """T_cam_board of a board on the floor, as it may lie."""
    a = np.radians(turn_deg)
    # X and Y of the board lie in the floor; its Z points into it, or out of it.
    R = np.array([[np.cos(a), -np.sin(a), 0.0], [0.0, 0.0, -1.0], [np.sin(a), np.cos(a), 0.0]])
    if upside_down:
        R = R @ np.diag([1.0, -1.0, -1.0])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, [x_m, 0.0, 0.2]
    return np.linalg.inv(T_ground_cam) @ T


@pytest.mark.parametrize("upside_down", [False, True])
def test_the_floor_under_a_board_is_found_exactly(upside_down: bool) -> None:
    truth = tilted(-23.0, 6.0, 1.35)
    poses = np.array([board_pose(truth, -2.0, a, upside_down) for a in (0, 5, 5)])
    fit = floor_from_boards(poses)
    np.testing.assert_allclose(fit.T_ground_cam[1], truth[1], atol=1e-6)
    assert (fit.pitch_deg, fit.roll_deg) == pytest.approx((-23.0, 6.0), abs=1e-6)
    assert floor_from_boards(poses, thickness_m=0.01).height_m == pytest.approx(1.36)


def test_boards_that_say_nothing_are_refused() -> None:
    truth = tilted(-20.0, 0.0, 1.3)
    with pytest.raises(FloorError, match="never seen"):
        floor_from_boards(np.empty((0, 4, 4)))
    with pytest.raises(FloorError, match="edge-on"):
        floor_from_boards(np.array([board_pose(tilted(-1.0, 0.0, 0.1), -2.0, 0.0)]))
    moved = [board_pose(truth, -2.0, 0.0), board_pose(tilted(-35.0, 0.0, 1.3), -2.0, 0.0)]
    with pytest.raises(FloorError, match="moved"):
        floor_from_boards(np.array(moved))
    far = board_pose(tilted(-89.0, 0.0, 30.0), -0.5, 0.0)
    with pytest.raises(FloorError, match="--square-m"):
        floor_from_boards(far[None])


@pytest.mark.parametrize(("pitch_deg", "height_m"), [(-18.0, 1.5), (-5.0, 0.9), (7.0, 0.6), (-25.0, 2.2)])
def test_somebody_who_walks_in_depth_tells_the_floor_by_the_picture(
    pitch_deg: float, height_m: float
) -> None:
    truth = tilted(pitch_deg, 2.0, height_m)
    # The network's word about the axis is wrong by 6 deg all the time, as it may be.
    fit = floor_from_person(standing(truth, -np.linspace(2.0, 6.0, 40), noise=0.01, axis_deg=6.0))
    assert fit.pitch_deg == pytest.approx(pitch_deg, abs=1.5)
    assert fit.roll_deg == pytest.approx(2.0, abs=1.0)
    assert fit.height_m == pytest.approx(height_m, abs=0.08)
    assert fit.pitch_sigma_deg < 1.5


def test_somebody_who_stays_leaves_the_pitch_to_the_axis_and_says_so() -> None:
    truth = tilted(-8.0, 0.0, 1.3)
    fit = floor_from_person(standing(truth, np.full(40, -3.0), noise=0.01))
    assert fit.pitch_deg == pytest.approx(-8.0, abs=2.5)
    moving = floor_from_person(standing(truth, -np.linspace(2.0, 6.0, 40), noise=0.01))
    assert fit.pitch_sigma_deg > 2.0 > 1.5 > moving.pitch_sigma_deg


def test_too_few_moments_are_refused() -> None:
    with pytest.raises(FloorError, match="standing upright"):
        floor_from_person(standing(tilted(0, 0, 1), -np.linspace(2, 4, 5)))


def result(world_m: np.ndarray, uv_px: np.ndarray, trust: float = 1.0) -> BlazePoseResult:
    return BlazePoseResult(
        landmarks_px=np.concatenate([uv_px, np.zeros((33, 1))], 1),
        world_m=world_m,
        visibility=np.full(33, trust),
        presence=np.ones(33),
        score=1.0,
        roi=Roi(320.0, 240.0, 300.0, 0.0),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )


def stick_person(knee_deg: float = 0.0) -> np.ndarray:
    """Landmarks of somebody upright in camera directions, knees bent as asked. Shape: (33, 3)."""
    p = np.zeros((33, 3))
    for side, (shoulder, hip, knee, ankle) in zip((1, -1), ((11, 23, 25, 27), (12, 24, 26, 28)), strict=True):
        a = np.radians(knee_deg)
        p[shoulder], p[hip], p[knee] = [0.18 * side, -0.5, 0], [0.1 * side, 0, 0], [0.1 * side, 0.42, 0]
        p[ankle] = p[knee] + 0.42 * np.array([0.0, np.cos(a), np.sin(a)])
    return p


def test_only_straight_visible_people_count_and_not_too_often() -> None:
    assert is_upright(stick_person())
    assert not is_upright(stick_person(50.0))
    camera = CameraCalibration.assumed(640, 480)
    moments = StandingMoments(camera, HEIGHT_M)
    world = stick_person()
    uv_px = camera.intrinsics.project(world + np.array([0.0, 0.0, 3.0]))
    assert moments.add(0, result(world, uv_px))
    assert not moments.add(int(0.05e9), result(world, uv_px))
    assert not moments.add(int(1e9), result(world, uv_px, trust=0.3))
    assert not moments.add(int(2e9), result(stick_person(60.0), uv_px))
    assert not moments.add(int(3e9), None)
    assert moments.add(int(4e9), result(world, uv_px))
    seen = moments.collected()
    assert len(moments) == len(seen.axis) == 2
    np.testing.assert_allclose(seen.axis[0], [0.0, -1.0, 0.0], atol=1e-9)


def test_a_camera_file_keeps_the_floor_and_refuses_an_impossible_one(tmp_path: Path) -> None:
    camera = CameraCalibration.assumed(640, 480)
    path = tmp_path / "camera.json"
    save_camera(path, camera)
    assert not load_camera(path).has_floor
    placed = replace(camera, T_ground_cam=tilted(-10.0, 3.0, 1.2), has_floor=True)
    save_camera(path, placed)
    loaded = load_camera(path)
    assert loaded.has_floor
    np.testing.assert_array_equal(loaded.T_ground_cam, placed.T_ground_cam)
    for wrong in (tilted(0.0, 0.0, -1.0), np.diag([2.0, 1.0, 1.0, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0])):
        save_camera(path, replace(placed, T_ground_cam=wrong))
        with pytest.raises(CameraError, match="calibrate floor"):
            load_camera(path)


def test_the_grid_lies_on_the_floor_and_is_drawn_where_opencv_projects_it() -> None:
    intrinsics = Intrinsics(640, 480, 500.0, 500.0, 320.0, 240.0, (-0.1, 0.02, 0.0, 0.0, 0.0))
    camera = CameraCalibration(intrinsics, tilted(-25.0, 0.0, 1.4), has_floor=True)
    lines = grid_lines(camera)
    assert all((line[:, 1] == 0.0).all() for line in lines)
    image = np.zeros((480, 640, 3), np.uint8)
    draw_floor_grid(image, camera)
    T = np.linalg.inv(camera.T_ground_cam)
    corner = cv2.projectPoints(
        np.array([[-2.5, 0.0, 0.5]]), cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], intrinsics.matrix,
        np.array(intrinsics.distortion),
    )[0].ravel().round().astype(int)  # fmt: skip
    assert image[corner[1] - 1 : corner[1] + 2, corner[0] - 1 : corner[0] + 2].any()
    # Above the horizon there is no floor.
    assert not image[:5].any()
    assert 0.005 < (image.any(2)).mean() < 0.3


def test_a_floor_that_nobody_measured_is_not_drawn() -> None:
    camera = CameraCalibration.assumed(64, 48)
    with pytest.raises(FloorError, match="kinecast calibrate floor"):
        draw_floor_grid(np.zeros((48, 64, 3), np.uint8), camera)

    class Over:
        def draw(self, image: np.ndarray, sample: PoseSample, stats: LiveStats | None = None) -> np.ndarray:
            return image[:, ::-1]

    with pytest.raises(FloorError):
        FloorDrawing(camera, Over())
    placed = replace(camera, T_ground_cam=tilted(-20.0, 0.0, 1.0), has_floor=True)
    image = np.zeros((48, 64, 3), np.uint8)
    drawn = FloorDrawing(placed, Over()).draw(image, None)  # type: ignore[arg-type]
    assert drawn.any() and not image.any()


def test_the_command_finds_a_board_on_the_floor_and_refuses_what_it_cannot_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, folder = tmp_path / "placed.json", tmp_path / "pictures"
    folder.mkdir()
    k = Intrinsics(1280, 720, 1000.0, 1000.0, 640.0, 360.0)
    truth = CameraCalibration(k, tilted(-40.0, 4.0, 1.1), rms_px=0.2)
    save_camera(tmp_path / "camera.json", truth)
    cv2.imwrite(str(folder / "0.png"), floor_board_picture(truth))
    command = ["calibrate", "floor", "--images", str(folder), "--by", "board", "--board", "checkerboard"]
    command += ["--corners", "6x9", "--square-m", "0.06", "--camera-file", str(tmp_path / "camera.json")]
    command += ["--out", str(out), "--picture", str(tmp_path / "grid.png")]
    assert main(command) == 0, capsys.readouterr().err
    placed = load_camera(out)
    assert placed.has_floor and placed.rms_px == pytest.approx(0.2)
    assert placed.T_ground_cam[1, 3] == pytest.approx(1.1, abs=0.02)
    np.testing.assert_allclose(placed.T_ground_cam[1, :3], truth.T_ground_cam[1, :3], atol=0.01)
    assert cv2.imread(str(tmp_path / "grid.png")).shape == (720, 1280, 3)

    cv2.imwrite(str(folder / "0.png"), np.full((720, 1280, 3), 90, np.uint8))
    assert main(command) == 2
    assert "never seen" in capsys.readouterr().err
    assert main(["calibrate", "floor", "--images", str(folder), "--out", str(out)]) == 2
    assert "--height 1.75" in capsys.readouterr().err
    assert main(["calibrate", "floor", "--images", str(folder), "--height", "3.1", "--out", str(out)]) == 2
    assert "0.5 to 2.5" in capsys.readouterr().err


def floor_board_picture(camera: CameraCalibration) -> np.ndarray:
    """A checkerboard of 6x9 inner corners lying before the camera, drawn by its homography."""
    px, margin = 60, 60
    board = np.full((11 * px + margin, 8 * px + margin, 3), 255, np.uint8)
    rows, columns = np.indices((10 * px, 7 * px))
    squares = ((rows // px + columns // px) % 2 == 0)[..., None]
    board[margin : margin + 10 * px, margin : margin + 7 * px] = np.where(squares, 0, 255)
    corners = np.array([[0, 0], [7, 0], [7, 10], [0, 10]], np.float32)
    p = np.stack([-1.7 + 0.06 * corners[:, 1], np.zeros(4), 0.2 - 0.06 * corners[:, 0]], 1)
    H = cv2.getPerspectiveTransform(
        (margin + px * corners).astype(np.float32), camera.project(p).astype(np.float32)
    )
    size = (camera.intrinsics.width_px, camera.intrinsics.height_px)
    return cv2.warpPerspective(board, H, size, flags=cv2.INTER_AREA, borderValue=(150, 150, 150))


def test_offsets_without_a_subject_are_refused() -> None:
    from realtime.commands.options import add_estimator_options, estimator_options
    from realtime.estimators.build import make_estimator

    parser = argparse.ArgumentParser()
    add_estimator_options(parser)
    args = parser.parse_args(["--apply-offsets"])
    with pytest.raises(RealtimeError, match="--subject"):
        make_estimator(estimator_options(args), CameraCalibration.assumed(64, 48))
