"""Calibration boards: what they look like, and finding them in images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from calib.camera import Intrinsics
from calib.errors import BoardError

Array = NDArray[np.float64]

CORNERS_RANGE = (3, 40)
SQUARE_RANGE_M = (0.003, 1.0)
MARKER_SHARE = 0.7
"""Side of a ChArUco marker as a share of its square by default."""
DICTIONARIES = tuple(f"{bits}X{bits}_{count}" for bits in (4, 5, 6) for count in (50, 100, 250, 1000))
DEFAULT_DICTIONARY = "4X4_250"
"""The largest bits, so readable from farthest."""
MIN_CORNERS = 8
"""A part of a ChArUco board with fewer corners is not worth keeping: a plane takes 4, and they have noise."""
SEARCH_WIDTH_PX = 960
"""Longer side of the image in which a checkerboard is looked for in a hurry."""
MOST_REFINED_PX = 15
"""Half the side of the window in which a corner is refined."""
FLATTEST_SHARE = 0.02
"""Distortion bends a board by less than this share of its extent; more means that corners were mixed up."""

PERFECT_SHARE = 0.001
"""As flat as an ordinary lens shows a board: nothing else needs to be tried."""


class BoardKind(StrEnum):
    """Which pattern is printed."""

    CHECKERBOARD = "checkerboard"
    CHARUCO = "charuco"


@dataclass(frozen=True, slots=True)
class Board:
    """A flat pattern of known size.

    Its own coordinates start at the first inner corner: X along a row, Y down the rows, Z away from who looks
    at it, so that a camera that faces it squarely has the same directions.

    Raises:
        BoardError: sizes that no board has.
    """

    kind: BoardKind
    columns: int
    """Inner corners in a row."""
    rows: int
    square_m: float
    marker_m: float = math.nan
    """Side of a ChArUco marker; NaN: the usual share of the square."""
    dictionary: str = DEFAULT_DICTIONARY

    def __post_init__(self) -> None:
        low, high = CORNERS_RANGE
        if not (low <= self.columns <= high and low <= self.rows <= high):
            raise BoardError(
                f"{self.columns}x{self.rows} inner corners; accepted: {low} to {high} each way",
                name="corners",
                value=(self.columns, self.rows),
                accepted=CORNERS_RANGE,
            )
        if not SQUARE_RANGE_M[0] <= self.square_m <= SQUARE_RANGE_M[1]:
            raise BoardError(
                f"squares of {self.square_m} m; accepted: {SQUARE_RANGE_M[0]} to {SQUARE_RANGE_M[1]} m, "
                "as measured on the printed board",
                name="square_m",
                value=self.square_m,
                accepted=SQUARE_RANGE_M,
            )
        if self.kind is BoardKind.CHARUCO:
            self._check_markers()

    def _check_markers(self) -> None:
        if math.isnan(self.marker_m):
            object.__setattr__(self, "marker_m", MARKER_SHARE * self.square_m)
        if not 0.3 * self.square_m <= self.marker_m <= 0.9 * self.square_m:
            raise BoardError(
                f"markers of {self.marker_m} m in squares of {self.square_m} m; accepted: 0.3 to 0.9 of them",
                name="marker_m",
                value=self.marker_m,
                accepted=(0.3 * self.square_m, 0.9 * self.square_m),
            )
        if self.dictionary not in DICTIONARIES:
            raise BoardError(
                f"no dictionary {self.dictionary}; accepted: {', '.join(DICTIONARIES)}",
                name="dictionary",
                value=self.dictionary,
                accepted=DICTIONARIES,
            )
        needed, held = (self.columns + 1) * (self.rows + 1) // 2, int(self.dictionary.partition("_")[2])
        if needed > held:
            raise BoardError(
                f"{self.columns}x{self.rows} inner corners need {needed} markers, {self.dictionary} has "
                f"{held}; take a larger dictionary"
            )

    @property
    def n_corners(self) -> int:
        """Inner corners."""
        return self.columns * self.rows

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the printed pattern."""
        return (self.columns + 1) * self.square_m, (self.rows + 1) * self.square_m

    @property
    def corners_m(self) -> Array:
        """Places of the inner corners, row by row. Shape: (n_corners, 3)."""
        x, y = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        places = np.stack([x.ravel(), y.ravel(), np.zeros(self.n_corners)], axis=1).astype(np.float64)
        return np.asarray(places * self.square_m)

    @property
    def is_ambiguous(self) -> bool:
        """Whether it looks the same upside down, so that its corners cannot be told apart."""
        return self.kind is BoardKind.CHECKERBOARD and (self.columns + self.rows) % 2 == 0

    @property
    def description(self) -> str:
        """In a few words, for people."""
        name = "ChArUco board" if self.kind is BoardKind.CHARUCO else "checkerboard"
        return f"{name}, {self.columns}x{self.rows} inner corners, {self.square_m * 1e3:g} mm squares"

    def charuco(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's form of a ChArUco board."""
        return cv2.aruco.CharucoBoard(
            (self.columns + 1, self.rows + 1),
            self.square_m,
            self.marker_m,
            cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{self.dictionary}")),
        )

    def as_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        fields: dict[str, object] = {
            "kind": str(self.kind),
            "corners": f"{self.columns}x{self.rows}",
            "square_m": self.square_m,
        }
        if self.kind is BoardKind.CHARUCO:
            fields |= {"marker_m": self.marker_m, "dictionary": self.dictionary}
        return fields


@dataclass(frozen=True, slots=True, eq=False)
class BoardView:
    """The corners of a board that one image shows."""

    ids: NDArray[np.int64]
    """Which corners, as rows of `Board.corners_m`. Shape: (n,)."""
    uv_px: Array
    """Where. Shape: (n, 2)."""
    width_px: int
    height_px: int

    def points_m(self, board: Board) -> Array:
        """The corners on the board. Shape: (n, 3)."""
        return np.asarray(board.corners_m[self.ids])


class BoardFinder:
    """Looks for one board in one image after another.

    Args:
        board: Board to look for.
        thorough: True takes up to a second for a large image; False is as fast as a live view needs.
    """

    def __init__(self, board: Board, *, thorough: bool = True) -> None:
        self.board = board
        self._thorough = thorough
        self._charuco, self._clear_share = None, 0.25
        if board.kind is BoardKind.CHARUCO:
            parameters = cv2.aruco.CharucoParameters()
            parameters.tryRefineMarkers = True  # markers that were missed are looked for where they must be
            self._charuco = cv2.aruco.CharucoDetector(board.charuco(), parameters)
            # The white rim between a square's edge and its marker.
            self._clear_share = 0.5 * (1.0 - board.marker_m / board.square_m)

    def find(self, image: NDArray[np.uint8]) -> BoardView | None:
        """The board in an image; None if it is not there, or too little of it.

        Args:
            image: BGR or grey image. Shape: (height, width, 3) or (height, width).
        """
        grey = image
        if image.ndim == 3:
            grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        found = self._find_charuco(grey) if self._charuco is not None else self._find_checkerboard(grey)
        if found is None:
            return None
        ids, uv_px = found
        if len(ids) < min(MIN_CORNERS, self.board.n_corners) or not _is_spread(ids, self.board.columns):
            return None
        view = BoardView(ids, uv_px, grey.shape[1], grey.shape[0])
        return view if plane_residual(view, self.board) < FLATTEST_SHARE else None

    def _find_charuco(self, grey: NDArray[np.uint8]) -> tuple[NDArray[np.int64], Array] | None:
        assert self._charuco is not None
        corners, ids, _, _ = self._charuco.detectBoard(grey)
        if ids is None or len(ids) == 0:
            return None
        uv_px, own = np.asarray(corners, dtype=np.float64).reshape(-1, 2), np.asarray(ids, np.int64).ravel()
        return own, self._refined(grey, uv_px, own)

    def _find_checkerboard(self, grey: NDArray[np.uint8]) -> tuple[NDArray[np.int64], Array] | None:
        """Several ways of looking; the one whose corners lie most like a flat board's wins.

        Each of OpenCV's detectors can take a wrong quadrangle for a square at the rim of a steep board.
        """
        ids = np.arange(self.board.n_corners)
        best, best_residual = None, FLATTEST_SHARE
        for corners in self._candidates(grey):
            uv_px = _upright(grey, corners, self.board)
            residual = plane_residual(BoardView(ids, uv_px, grey.shape[1], grey.shape[0]), self.board)
            if residual < best_residual:
                best, best_residual = (ids, uv_px), residual
            if residual < PERFECT_SHARE:
                break
        return best

    def _candidates(self, grey: NDArray[np.uint8]) -> Iterator[Array]:
        size = (self.board.columns, self.board.rows)
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
        scale = 1.0 if self._thorough else min(1.0, SEARCH_WIDTH_PX / max(grey.shape))
        small = grey
        if scale < 1.0:
            small = np.asarray(
                cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        is_found, corners = cv2.findChessboardCorners(
            small, size, flags=flags if self._thorough else flags | cv2.CALIB_CB_FAST_CHECK
        )
        if is_found:
            uv_px = (np.asarray(corners, dtype=np.float64).reshape(-1, 2) + 0.5) / scale - 0.5
            yield self._refined(grey, uv_px)
        if self._thorough:
            for sector_flags in (0, cv2.CALIB_CB_EXHAUSTIVE):
                is_found, corners = cv2.findChessboardCornersSB(
                    grey, size, flags=sector_flags | cv2.CALIB_CB_NORMALIZE_IMAGE
                )
                if is_found:
                    # Its own corners are off by up to 0.2 px towards one side on tilted boards.
                    yield self._refined(grey, np.asarray(corners, np.float64).reshape(-1, 2))

    def _refined(self, grey: NDArray[np.uint8], uv_px: Array, ids: NDArray[np.int64] | None = None) -> Array:
        """Corners to a fraction of a pixel, from as much of the squares' edges as is clear of other edges."""
        ids = np.arange(self.board.n_corners) if ids is None else ids
        half = int(np.clip(self._clear_share * self._spacing_px(uv_px, ids), 2, MOST_REFINED_PX))
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
        start = np.ascontiguousarray(uv_px[:, None], dtype=np.float32)
        refined = cv2.cornerSubPix(grey, start, (half, half), (-1, -1), criteria)
        return np.asarray(refined, dtype=np.float64).reshape(-1, 2)

    def _spacing_px(self, uv_px: Array, ids: NDArray[np.int64]) -> float:
        """Distance of the closest two neighbouring corners."""
        grid = np.full((self.board.rows, self.board.columns, 2), np.nan)
        grid.reshape(-1, 2)[ids] = uv_px
        steps = [np.linalg.norm(np.diff(grid, axis=axis), axis=-1).ravel() for axis in (0, 1)]
        return float(np.nanmin(np.concatenate([*steps, [np.max(np.ptp(uv_px, axis=0)) + 1.0]])))


def plane_residual(view: BoardView, board: Board) -> float:
    """How far the corners are from a flat board's image, as a share of their extent (root mean square)."""
    p = view.points_m(board)[:, :2]
    H, _ = cv2.findHomography(p, view.uv_px)
    if H is None:
        return math.inf
    seen = cv2.perspectiveTransform(p[:, None], H)[:, 0]
    rms_px = float(np.sqrt(np.mean(np.sum((seen - view.uv_px) ** 2, axis=1))))
    return rms_px / max(float(np.max(np.ptp(view.uv_px, axis=0))), 1.0)


def board_pose(view: BoardView, board: Board, intrinsics: Intrinsics) -> tuple[Array, float]:
    """Where the board is, seen by a known camera.

    Returns:
        `T_cam_board`, and the root-mean-square reprojection error in px. Shape of the first: (4, 4).

    Raises:
        BoardError: no pose fits.
    """
    points_m, distortion = view.points_m(board), np.array(intrinsics.distortion)
    is_found, rvec, tvec = cv2.solvePnP(
        points_m, view.uv_px, intrinsics.matrix, distortion, flags=cv2.SOLVEPNP_IPPE
    )
    if not is_found:
        raise BoardError("no place of the board fits its corners; check --corners and the camera file")
    rvec, tvec = cv2.solvePnPRefineLM(points_m, view.uv_px, intrinsics.matrix, distortion, rvec, tvec)
    seen, _ = cv2.projectPoints(points_m, rvec, tvec, intrinsics.matrix, distortion)
    rms_px = float(np.sqrt(np.mean(np.sum((seen[:, 0] - view.uv_px) ** 2, axis=1))))
    return rigid(rvec, tvec), rms_px


def rigid(rvec: ArrayLike, tvec: ArrayLike) -> Array:
    """A transform from OpenCV's rotation vector and translation. Shape: (4, 4)."""
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.asarray(rvec, dtype=np.float64))[0]
    T[:3, 3] = np.asarray(tvec).ravel()
    return T


def _is_spread(ids: NDArray[np.int64], columns: int) -> bool:
    """Corners on one line do not fix a plane."""
    return len(np.unique(ids // columns)) > 1 and len(np.unique(ids % columns)) > 1


def _upright(grey: NDArray[np.uint8], uv_px: Array, board: Board) -> Array:
    """Corners in the board's own order, whichever one the detector began with.

    The first square between inner corners is dark, as on ChArUco boards and in kinecast's prints; that fixes
    the order unless the board is ambiguous.
    """
    grid = uv_px.reshape(board.rows, board.columns, 2)
    along, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    if along[0] * down[1] - along[1] * down[0] < 0.0:
        grid = grid[:, ::-1]
    if not board.is_ambiguous:
        first, last = (grid[rows, columns].mean(axis=(0, 1)) for rows, columns in _END_SQUARES)
        if _brightness(grey, first) > _brightness(grey, last):
            grid = grid[::-1, ::-1]
    return grid.reshape(-1, 2)


_END_SQUARES = ((slice(0, 2), slice(0, 2)), (slice(-2, None), slice(-2, None)))


def _brightness(grey: NDArray[np.uint8], uv_px: Array) -> float:
    return float(cv2.getRectSubPix(grey, (3, 3), (float(uv_px[0]), float(uv_px[1]))).mean())
