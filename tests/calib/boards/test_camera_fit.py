from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.boards.board import Board, BoardFinder, BoardKind, BoardView
from calib.boards.camera_fit import MIN_VIEWS, fit_intrinsics
from calib.camera import Intrinsics
from calib.errors import BoardError
from tests.support.boards import BoardScene, brown, facing, poses_of_a_session
from tests.support.published_cameras import published_cameras

BOARD = Board(BoardKind.CHECKERBOARD, 5, 8, 0.028)
WEBCAM = Intrinsics(640, 480, 560.0, 563.0, 311.0, 247.0, (-0.28, 0.09, 0.0008, -0.0006, 0.0))
PLAIN = Intrinsics(800, 600, 880.0, 880.0, 404.0, 290.0)
WIDE = Intrinsics(640, 480, 420.0, 420.0, 325.0, 236.0, (-0.33, 0.12, 0.0005, 0.0003, -0.018))


def seen(k: Intrinsics, T_cam_board: np.ndarray, noise_px: float = 0.1, seed: int = 0) -> BoardView:
    """Corners as a finder would give them, without drawing the image."""
    p = BOARD.corners_m @ T_cam_board[:3, :3].T + T_cam_board[:3, 3]
    xy = p[:, :2] / p[:, 2:]
    uv_px = (brown(xy, k.distortion) if k.is_distorted else xy) * (k.fx, k.fy) + (k.cx, k.cy)
    uv_px = uv_px + np.random.default_rng(seed).normal(0.0, noise_px, uv_px.shape)
    return BoardView(np.arange(BOARD.n_corners), uv_px, k.width_px, k.height_px)


def session(k: Intrinsics, n: int = 14, seed: int = 1) -> list[BoardView]:
    return [seen(k, T, seed=i) for i, T in enumerate(poses_of_a_session(BOARD, k, n, seed))]


@pytest.mark.parametrize(
    ("kind", "k", "n_views"),
    [
        (BoardKind.CHECKERBOARD, WEBCAM, 14),
        (BoardKind.CHARUCO, WEBCAM, 14),
        (BoardKind.CHARUCO, PLAIN, 14),
        (BoardKind.CHECKERBOARD, WIDE, 20),
    ],
    ids=["webcam, checkerboard", "webcam, charuco", "plain, charuco", "wide, checkerboard"],
)
def test_a_camera_is_measured_from_blurred_and_noisy_pictures(kind: BoardKind, k: Intrinsics, n_views: int):
    board = Board(kind, 5, 8, 0.028)
    scene, finder = BoardScene(board, k), BoardFinder(board)
    places = poses_of_a_session(board, k, n_views, seed=3)
    views = [finder.find(scene.draw(T, blur_px=0.8, noise=3.0, seed=i)) for i, T in enumerate(places)]
    fit = fit_intrinsics([view for view in views if view is not None], board)
    assert fit.intrinsics.fx == pytest.approx(k.fx, rel=3e-3)
    assert fit.intrinsics.fy == pytest.approx(k.fy, rel=3e-3)
    assert np.hypot(fit.intrinsics.cx - k.cx, fit.intrinsics.cy - k.cy) < 2.0
    assert fit.rms_px < 0.3
    assert not fit.rejected
    # The lens, not only its coefficients: where pixels of the image look.
    uv_px = np.concatenate([view.uv_px for view in views if view is not None])
    assert np.abs(fit.intrinsics.project(k.rays(uv_px)) - uv_px).max() < 2.0


def test_published_cameras_are_measured_from_real_pictures(shared_data: Path):
    board = Board(BoardKind.CHECKERBOARD, 4, 7, 0.06)
    finder = BoardFinder(board)
    for name, published in published_cameras(shared_data / "calibration" / "Calib.qca.txt").items():
        pictures = sorted((shared_data / "calibration" / name).glob("*.jpg"))
        views = [finder.find(cv2.imread(str(path))) for path in pictures]
        fit = fit_intrinsics([view for view in views if view is not None], board)
        assert fit.intrinsics.fx == pytest.approx(published.fx, rel=0.015), name
        assert fit.intrinsics.fy == pytest.approx(published.fy, rel=0.015), name
        assert fit.rms_px < 0.3


def test_stated_deviations_are_those_that_repetitions_show():
    fits = [
        fit_intrinsics([seen(PLAIN, T, seed=100 * repetition + i) for i, T in enumerate(places)], BOARD)
        for places in [poses_of_a_session(BOARD, PLAIN, 12, seed=4)]
        for repetition in range(12)
    ]
    scatter_px = np.std([fit.intrinsics.fx for fit in fits])
    assert 0.4 * scatter_px < fits[0].focal_sd_px < 2.5 * scatter_px


def test_boards_are_where_they_were():
    places = poses_of_a_session(BOARD, WEBCAM, 10, seed=2)
    fit = fit_intrinsics([seen(WEBCAM, T) for T in places], BOARD)
    np.testing.assert_allclose(fit.T_cam_board[:, :3, 3], np.array(places)[:, :3, 3], rtol=0.02, atol=3e-3)


def test_nothing_is_said_of_distortion_that_is_not_there():
    fit = fit_intrinsics(session(PLAIN), BOARD)
    # Of the coefficients that the images do not need, none is left.
    assert sum(value != 0.0 for value in fit.intrinsics.distortion) <= 1


@pytest.mark.parametrize("spoiled", [[3], [0, 9]])
def test_views_that_contradict_the_others_are_left_out(spoiled: list[int]):
    views = session(WEBCAM)
    zoomed = Intrinsics(640, 480, 700.0, 700.0, 311.0, 247.0, WEBCAM.distortion)
    for index in spoiled:
        T = poses_of_a_session(BOARD, WEBCAM, 14, 1)[index]
        bent = seen(zoomed, T)
        bent.uv_px[:10] += np.random.default_rng(index).normal(0.0, 4.0, (10, 2))
        views[index] = bent
    fit = fit_intrinsics(views, BOARD)
    assert sorted(fit.rejected) == spoiled
    assert all("does not fit the others" in reason for reason in fit.rejected.values())
    assert np.isnan(fit.view_rms_px[spoiled]).all()
    assert fit.intrinsics.fx == pytest.approx(WEBCAM.fx, rel=3e-3)


def test_pictures_that_contradict_each_other_are_refused():
    views = session(WEBCAM)
    for index in range(0, 14, 2):
        views[index].uv_px[:] += np.random.default_rng(index).normal(0.0, 6.0, (40, 2))
    with pytest.raises(BoardError, match=r"contradict the others|px off"):
        fit_intrinsics(views, BOARD)


def test_too_few_views_are_refused():
    with pytest.raises(BoardError, match=rf"in 3 images, at least {MIN_VIEWS} are needed"):
        fit_intrinsics(session(WEBCAM)[:3], BOARD)
    with pytest.raises(BoardError, match=r"in no image, .*check --board and --corners"):
        fit_intrinsics([], BOARD)


def test_a_board_that_always_faces_the_camera_is_refused():
    rng = np.random.default_rng(0)
    views = [
        seen(WEBCAM, facing(BOARD, (x, y, z), (0.0, 0.0, roll)), seed=i)
        for i, (x, y, z, roll) in enumerate(rng.uniform((-0.1, -0.1, 0.4, -60), (0.1, 0.1, 0.8, 60), (12, 4)))
    ]
    with pytest.raises(
        BoardError, match=r"turned by no more than \d+ degrees between the 12 views.*tilted by 20"
    ):
        fit_intrinsics(views, BOARD)


def test_one_view_again_and_again_is_refused():
    T = facing(BOARD, (0.0, 0.0, 0.5), (30.0, 20.0, 0.0))
    with pytest.raises(BoardError, match="turned by no more than"):
        fit_intrinsics([seen(WEBCAM, T, seed=i) for i in range(12)], BOARD)


def test_views_that_leave_the_focal_length_open_are_refused():
    # Tilted a little, far away and noisy: a longer lens from farther off would look the same.
    rng = np.random.default_rng(0)
    views = [
        seen(WEBCAM, facing(BOARD, (0.0, 0.0, 1.6), (*rng.uniform(-9, 9, 2), 0.0)), noise_px=0.5, seed=i)
        for i in range(6)
    ]
    with pytest.raises(BoardError, match=r"tilted by 20"):
        fit_intrinsics(views, BOARD)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(BoardError, match="different sizes \\(640x480, 800x600\\)"):
        fit_intrinsics(session(WEBCAM) + session(PLAIN), BOARD)
