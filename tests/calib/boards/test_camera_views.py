import cv2
import numpy as np
import pytest

from calib.boards.board import Board, BoardFinder, BoardKind, BoardView
from calib.boards.board_sharpness import edge_width_px
from calib.boards.camera_views import MOST_VIEWS, Verdict, ViewCollector
from calib.camera import Intrinsics
from tests.support.boards import BoardScene, facing

K = Intrinsics(640, 480, 560.0, 560.0, 325.0, 236.0)
BOARD = Board(BoardKind.CHARUCO, 5, 8, 0.028)
PLAIN = np.full((480, 640), 128, np.uint8)
"""An image without edges is not blurred; the views below come without images."""


def seen(T_cam_board: np.ndarray, noise_px: float = 0.1, seed: int = 0) -> BoardView | None:
    """The corners inside the image, as a finder would give them; None for too few."""
    uv_px = K.project(BOARD.corners_m @ T_cam_board[:3, :3].T + T_cam_board[:3, 3])
    uv_px = uv_px + np.random.default_rng(seed).normal(0.0, noise_px, uv_px.shape)
    ids = np.flatnonzero(((uv_px > 2) & (uv_px < (637, 477))).all(axis=1))
    return BoardView(ids, uv_px[ids], 640, 480) if len(ids) >= 8 else None


def shown(collector: ViewCollector, view: BoardView | None) -> Verdict:
    """Hold the board still for two looks; take it if it is worth it."""
    collector.judge(PLAIN, view)
    verdict = collector.judge(PLAIN, view)
    if verdict is Verdict.TAKEN:
        assert view is not None
        collector.add(view)
    return verdict


class ObedientPerson:
    """Does what the advice says, and otherwise something else each time."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def follow(self, advice: str) -> np.ndarray:
        u, v = self._rng.uniform((0.35, 0.35), (0.65, 0.65))
        if "move the board" in advice:
            where = advice.split("to the ")[1]
            u = 0.2 if "left" in where else 0.8 if "right" in where else 0.5
            v = 0.25 if "top" in where else 0.75
        turn = self._rng.uniform((-6, -6, -25), (6, 6, 25))
        if advice.startswith("tilt"):
            # Which way brings that edge of the board closer, about X or Y of the camera.
            turn[:2] = {"left in": (0, -28), "right in": (0, 28), "upper": (28, 0), "lower": (-28, 0)}[
                next(word for word in ("left in", "right in", "upper", "lower") if word in advice)
            ]
        if "other distances" in advice:
            turn[:2] = self._rng.uniform(-35, 35, 2)
        depth_m = self._rng.uniform(0.34, 0.6)
        u, v = u + self._rng.uniform(-0.05, 0.05), v + self._rng.uniform(-0.05, 0.05)
        at_m = ((u * 640 - K.cx) / K.fx * depth_m, (v * 480 - K.cy) / K.fy * depth_m, depth_m)
        return facing(BOARD, at_m, tuple(turn))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_follows_the_advice_gets_a_good_calibration(seed: int):
    collector, person = ViewCollector(BOARD, 640, 480), ObedientPerson(seed)
    for attempt in range(90):
        if collector.is_done:
            break
        shown(collector, seen(person.follow(collector.advice), seed=attempt))
    assert collector.is_done and collector.advice == "done"
    assert len(collector.views) < MOST_VIEWS
    assert not collector.progress.missing_tilts
    assert collector.fit is not None
    assert collector.fit.intrinsics.fx == pytest.approx(K.fx, rel=5e-3)


def test_it_does_not_stop_before_the_picture_is_covered():
    collector, rng = ViewCollector(BOARD, 640, 480), np.random.default_rng(0)
    for k in range(25):  # tilted all ways, but always in the middle
        T = facing(BOARD, (*rng.uniform(-0.03, 0.03, 2), 0.7), tuple(rng.uniform(-40, 40, 3)))
        shown(collector, seen(T, seed=k))
    assert not collector.is_done
    assert collector.advice.startswith("move the board to the")


def test_it_does_not_stop_before_the_board_is_tilted():
    collector, rng = ViewCollector(BOARD, 640, 480), np.random.default_rng(0)
    for k in range(60):
        T = facing(BOARD, (*rng.uniform((-0.2, -0.15), (0.2, 0.15)), rng.uniform(0.35, 0.6)), (0.0, 0.0, 0.0))
        if len(collector.views) < MOST_VIEWS - 1:
            shown(collector, seen(T, seed=k))
    assert collector.progress.covered_share > 0.8
    assert not collector.is_done
    assert collector.progress.missing_tilts == ("left", "right", "top", "bottom")
    assert collector.advice.startswith("tilt the board")


def test_a_tilt_is_told_by_the_edge_that_is_closer():
    for turn, edge in (
        ((0, -25, 0), "left"),
        ((0, 25, 0), "right"),
        ((25, 0, 0), "top"),
        ((-25, 0, 0), "bottom"),
    ):
        T = facing(BOARD, (0.0, 0.0, 0.6), turn)
        corners = BOARD.corners_m @ T[:3, :3].T + T[:3, 3]
        edges = {"left": corners[:, 0].argmin(), "right": corners[:, 0].argmax(),
                 "top": corners[:, 1].argmin(), "bottom": corners[:, 1].argmax()}  # fmt: skip
        assert corners[edges[edge], 2] == pytest.approx(corners[:, 2].min(), abs=0.02)
        collector = ViewCollector(BOARD, 640, 480)
        shown(collector, seen(T))
        assert edge not in collector.progress.missing_tilts
        assert len(collector.progress.missing_tilts) == 3


def test_a_moving_board_is_waited_for():
    collector = ViewCollector(BOARD, 640, 480)
    for x in (0.0, 0.02, 0.04):
        assert collector.judge(PLAIN, seen(facing(BOARD, (x, 0.0, 0.5)))) is Verdict.MOVING
    assert collector.judge(PLAIN, seen(facing(BOARD, (0.04, 0.0, 0.5)))) is Verdict.TAKEN


def test_a_recorded_board_may_move():
    collector = ViewCollector(BOARD, 640, 480, needs_still=False)
    assert collector.judge(PLAIN, seen(facing(BOARD, (0.0, 0.0, 0.5)))) is Verdict.TAKEN


def test_what_was_seen_already_is_not_taken_again():
    collector = ViewCollector(BOARD, 640, 480)
    T = facing(BOARD, (0.0, 0.0, 0.5), (0.0, 25.0, 0.0))
    assert shown(collector, seen(T)) is Verdict.TAKEN
    assert shown(collector, seen(T, seed=1)) is Verdict.DUPLICATE
    assert shown(collector, seen(facing(BOARD, (0.0, 0.0, 0.5), (0.0, -25.0, 0.0)))) is Verdict.TAKEN
    assert shown(collector, seen(facing(BOARD, (0.1, 0.0, 0.5), (0.0, 25.0, 0.0)))) is Verdict.TAKEN


def test_no_board_is_said():
    assert ViewCollector(BOARD, 640, 480).judge(PLAIN, None) is Verdict.NO_BOARD


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return BoardScene(BOARD, K).draw(facing(BOARD, (0.0, 0.0, 0.45), (20.0, 10.0, 15.0)), blur_px=0.5)


def test_the_width_of_blurred_edges_is_measured(sharp: np.ndarray):
    view = BoardFinder(BOARD).find(sharp)
    assert view is not None
    for sigma in (1.5, 2.5):
        blurred = cv2.GaussianBlur(sharp, (0, 0), sigma)
        # An edge through a Gaussian has the slope contrast / (sigma sqrt(2 pi)) in its middle.
        expected = np.hypot(sigma, 0.6) * np.sqrt(2 * np.pi)
        assert edge_width_px(blurred, view, BOARD) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("direction", [(1, 15), (15, 1)])
def test_motion_blur_of_either_direction_is_noticed(sharp: np.ndarray, direction: tuple[int, int]):
    view = BoardFinder(BOARD).find(sharp)
    smeared = cv2.blur(sharp, direction)
    assert ViewCollector(BOARD, 640, 480, needs_still=False).judge(sharp, view) is Verdict.TAKEN
    assert ViewCollector(BOARD, 640, 480, needs_still=False).judge(smeared, view) is Verdict.BLURRED


def test_the_map_has_the_shape_of_the_picture():
    assert ViewCollector(BOARD, 640, 480).coverage.shape == (4, 6)
    assert ViewCollector(BOARD, 480, 640).coverage.shape == (6, 4)
