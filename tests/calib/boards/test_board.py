import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.boards.board import Board, BoardFinder, BoardKind, board_pose
from calib.boards.board_print import PNG_DPI, draw_sheet, lay_out, save_sheet
from calib.camera import Intrinsics
from calib.errors import BoardError
from tests.support.boards import BoardScene, brown, facing

K = Intrinsics(640, 480, 560.0, 563.0, 313.0, 246.0, (-0.2, 0.05, 0.0005, -0.0005, 0.0))
CHECKERBOARD = Board(BoardKind.CHECKERBOARD, 5, 8, 0.028)
CHARUCO = Board(BoardKind.CHARUCO, 5, 8, 0.028)
BOARDS = {"checkerboard": CHECKERBOARD, "charuco": CHARUCO}


@pytest.fixture(scope="module", params=BOARDS)
def scene(request: pytest.FixtureRequest) -> tuple[Board, BoardScene]:
    board = BOARDS[request.param]
    return board, BoardScene(board, K)


def true_px(board: Board, T_cam_board: np.ndarray) -> np.ndarray:
    p = board.corners_m @ T_cam_board[:3, :3].T + T_cam_board[:3, 3]
    return brown(p[:, :2] / p[:, 2:], K.distortion) * (K.fx, K.fy) + (K.cx, K.cy)


@pytest.mark.parametrize("roll_deg", [0.0, 90.0, 180.0, -60.0])
@pytest.mark.parametrize("thorough", [True, False])
def test_each_corner_is_where_it_was_drawn_however_the_board_is_held(
    scene: tuple[Board, BoardScene], roll_deg: float, thorough: bool
):
    board, drawn = scene
    T = facing(board, (0.02, -0.01, 0.5), (15.0, -20.0, roll_deg))
    view = BoardFinder(board, thorough=thorough).find(drawn.draw(T))
    assert view is not None
    # A marker is missed now and then, a checkerboard is found whole or not at all.
    assert len(view.ids) >= (board.n_corners if board is CHECKERBOARD else 0.85 * board.n_corners)
    error_px = np.linalg.norm(view.uv_px - true_px(board, T)[view.ids], axis=1)
    assert error_px.max() < 0.35


def test_the_place_of_a_board_is_found(scene: tuple[Board, BoardScene]):
    board, drawn = scene
    T = facing(board, (0.04, 0.02, 0.6), (-25.0, 15.0, 100.0))
    view = BoardFinder(board).find(drawn.draw(T))
    assert view is not None
    T_found, rms_px = board_pose(view, board, K)
    assert rms_px < 0.25
    np.testing.assert_allclose(T_found[:3, 3], T[:3, 3], atol=2e-3)
    turn = T_found[:3, :3].T @ T[:3, :3]
    assert math.degrees(math.acos(min(1.0, (np.trace(turn) - 1) / 2))) < 0.5


def test_a_part_of_a_charuco_board_is_enough():
    drawn = BoardScene(CHARUCO, K)
    T = facing(CHARUCO, (0.25, 0.05, 0.45), (10.0, 10.0, 5.0))
    view = BoardFinder(CHARUCO).find(drawn.draw(T))
    assert view is not None
    assert 8 <= len(view.ids) < CHARUCO.n_corners
    assert np.linalg.norm(view.uv_px - true_px(CHARUCO, T)[view.ids], axis=1).max() < 0.5


def test_no_board_is_seen_where_there_is_none(scene: tuple[Board, BoardScene]):
    board, _ = scene
    rng = np.random.default_rng(0)
    for picture in (
        np.full((480, 640, 3), 128, np.uint8),
        rng.integers(0, 255, (480, 640, 3), dtype=np.uint8),
        cv2.resize(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), (640, 480)),
    ):
        assert BoardFinder(board).find(picture) is None


@pytest.mark.parametrize("board", [Board(BoardKind.CHECKERBOARD, 6, 8, 0.028), CHARUCO])
def test_another_board_is_not_taken_for_this_one(board: Board):
    picture = BoardScene(CHECKERBOARD, K).draw(facing(CHECKERBOARD, (0.0, 0.0, 0.5)))
    assert BoardFinder(board).find(picture) is None


def test_grey_and_colour_pictures_give_the_same():
    picture = BoardScene(CHECKERBOARD, K).draw(facing(CHECKERBOARD, (0.0, 0.0, 0.5)))
    finder = BoardFinder(CHECKERBOARD, thorough=False)
    colour, grey = finder.find(picture), finder.find(np.ascontiguousarray(picture[..., 0]))
    assert colour is not None and grey is not None
    np.testing.assert_allclose(colour.uv_px, grey.uv_px, atol=1e-3)


def test_boards_that_look_the_same_upside_down_are_known():
    assert Board(BoardKind.CHECKERBOARD, 6, 8, 0.03).is_ambiguous
    assert not CHECKERBOARD.is_ambiguous
    assert not Board(BoardKind.CHARUCO, 6, 8, 0.03).is_ambiguous


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": 2}, "2x8 inner corners"),
        ({"rows": 99}, "5x99 inner corners"),
        ({"square_m": 28.0}, r"28.0 m; accepted: 0.003 to 1.0 m, as measured"),
        ({"square_m": math.nan}, "squares of nan"),
        ({"marker_m": 0.03}, "markers of 0.03 m in squares of 0.028"),
        ({"dictionary": "9X9_1"}, "no dictionary 9X9_1; accepted: 4X4_50"),
        ({"columns": 30, "rows": 30}, "need 480 markers, 4X4_250 has 250; take a larger dictionary"),
    ],
)
def test_boards_that_cannot_be_are_refused(change: dict, said: str):
    fields = {"kind": BoardKind.CHARUCO, "columns": 5, "rows": 8, "square_m": 0.028} | change
    with pytest.raises(BoardError, match=said):
        Board(**fields)


def spacing_mm(picture: np.ndarray, dpi: float) -> np.ndarray:
    """What OpenCV measures on a print: distances of neighbouring corners along rows and columns."""
    is_found, corners = cv2.findChessboardCornersSB(picture, (CHECKERBOARD.columns, CHECKERBOARD.rows))
    assert is_found
    grid = corners.reshape(CHECKERBOARD.rows, CHECKERBOARD.columns, 2) * (25.4 / dpi)
    steps = [np.linalg.norm(np.diff(grid, axis=axis), axis=-1) for axis in (0, 1)]
    return np.concatenate([step.ravel() for step in steps])


def test_the_pdf_prints_at_true_scale(tmp_path: Path):
    pdfium = pytest.importorskip("pypdfium2", reason="renders the PDF")
    path = tmp_path / "board.pdf"
    save_sheet(lay_out(CHECKERBOARD, "a4"), path)
    page = pdfium.PdfDocument(path)[0]
    assert page.get_size() == pytest.approx((210.0 / 25.4 * 72.0, 297.0 / 25.4 * 72.0), abs=0.1)
    picture = np.ascontiguousarray(page.render(scale=200.0 / 72.0).to_numpy()[..., 0])
    np.testing.assert_allclose(spacing_mm(picture, 200.0), 28.0, atol=0.06)
    assert "Print at 100 %: the line is 100 mm" in page.get_textpage().get_text_range()


def test_the_png_says_how_large_its_pixels_are(tmp_path: Path):
    path = tmp_path / "board.png"
    save_sheet(lay_out(CHECKERBOARD, "letter"), path)
    data = path.read_bytes()
    at = data.index(b"pHYs")
    assert int.from_bytes(data[at + 4 : at + 8]) == pytest.approx(PNG_DPI / 0.0254, abs=1)
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (round(279.4 / 25.4 * PNG_DPI), round(215.9 / 25.4 * PNG_DPI))
    smaller = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(spacing_mm(smaller, PNG_DPI / 4), 28.0, atol=0.06)


def test_the_svg_is_in_millimetres(tmp_path: Path):
    path = tmp_path / "board.svg"
    save_sheet(lay_out(CHECKERBOARD, "fit"), path)
    root = ElementTree.parse(path).getroot()
    width, height = float(root.attrib["width"][:-2]), float(root.attrib["height"][:-2])
    assert root.attrib["viewBox"] == f"0 0 {width:g} {height:g}"
    picture = np.full((round(height * 8), round(width * 8)), 255, np.uint8)
    outline = next(e for e in root if e.tag.endswith("path")).attrib["d"]
    for x, y, w, h in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", outline):
        left, top, right, bottom = (
            round(8 * v) for v in (float(x), float(y), float(x) + float(w), float(y) + float(h))
        )
        picture[top:bottom, left:right] = 0
    np.testing.assert_allclose(spacing_mm(picture, 8 * 25.4), 28.0, atol=0.08)


def test_printed_markers_are_those_that_opencv_draws():
    sheet = lay_out(CHARUCO, "fit")
    printed = draw_sheet(sheet, 254)
    left, top = (round(10 * mm) for mm in sheet.black_mm[0][:2])
    width, height = (round(1e4 * side) for side in CHARUCO.size_m)
    theirs = CHARUCO.charuco().generateImage((width, height), marginSize=0)
    ours = printed[top : top + height, left : left + width]
    # The same up to OpenCV's rounding of marker edges.
    assert (np.abs(ours.astype(int) - theirs) > 128).mean() < 0.01


def test_a_board_is_turned_to_fit_its_page():
    sheet = lay_out(Board(BoardKind.CHARUCO, 8, 5, 0.03), "a4")
    assert (sheet.width_mm, sheet.height_mm) == (297.0, 210.0)


def test_a_board_that_is_too_large_is_refused_with_what_fits():
    with pytest.raises(
        BoardError, match=r"do not fit on a4; squares of up to --square-m (0\.\d+)"
    ) as refusal:
        lay_out(Board(BoardKind.CHARUCO, 5, 8, 0.06), "a4")
    largest = float(re.findall(r"--square-m ([\d.]+)", str(refusal.value))[0])
    lay_out(Board(BoardKind.CHARUCO, 5, 8, largest), "a4")


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(BoardError, match=r"accepted: \.pdf, \.svg, \.png"):
        save_sheet(lay_out(CHARUCO), tmp_path / "board.docx")
    with pytest.raises(BoardError, match="cannot be written"):
        save_sheet(lay_out(CHARUCO), tmp_path / "nowhere" / "board.pdf")
