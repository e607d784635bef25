"""Intrinsics from views of a board: Zhang's method as OpenCV has it, with bad views and weak sets refused.

Z. Zhang, A flexible new technique for camera calibration, IEEE PAMI 22(11), 2000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from calib.boards.board import Board, BoardView, board_pose, rigid
from calib.camera import Intrinsics
from calib.errors import BoardError

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]

MIN_VIEWS = 5
MIN_TURN_DEG = 15.0
"""Between the two views whose boards are tilted most differently."""
MAX_FOCAL_SPREAD = 0.01
"""Standard deviation of the focal length, as a share of it, above which a calibration is refused."""
OUTLIER_FACTOR = 3.0
"""A view whose error is this many times the median view's is left out..."""
OUTLIER_FLOOR_PX = 0.25
"""...if it also exceeds this, in an image 640 pixels long."""
MAX_REJECTED_SHARE = 0.34
MAX_RMS_PX = 1.0
"""In an image 640 pixels long."""
FOCAL_RANGE = (0.25, 12.0)
"""Of the longer side of the image."""

_ROBUST = cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
# From simple to rich: flags and the number of distortion coefficients they leave free.
LENS_MODELS = (
    (_ROBUST | cv2.CALIB_FIX_K2, 1),
    (_ROBUST, 2),
    (cv2.CALIB_FIX_K3, 4),
    (0, 5),
)

TILT_ADVICE = (
    "take more images in which the board is tilted by 20 to 45 degrees to the left, right, top and bottom"
)


@dataclass(frozen=True, slots=True, eq=False)
class IntrinsicsFit:
    """A camera measured from views of a board."""

    intrinsics: Intrinsics
    rms_px: float
    """Over all corners of the views that were used."""
    view_rms_px: Array
    """NaN where a view was left out. Shape: (n_views,)."""
    rejected: dict[int, str]
    """Views that were left out, and why."""
    focal_sd_px: float
    """Standard deviation of the focal length."""
    centre_sd_px: float
    T_cam_board: Array
    """Where the board was, NaN where a view was left out. Shape: (n_views, 4, 4)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    rms_px: float
    matrix: Array
    distortion: Array
    T_cam_board: list[Array]
    sd: Array
    view_rms_px: Array
    n_parameters: int


def fit_intrinsics(views: Sequence[BoardView], board: Board) -> IntrinsicsFit:
    """Measure a camera.

    Views that do not agree with the others are left out. Of several lens models the simplest that explains
    the images is taken (Bayesian information criterion): coefficients that nothing fixes spoil the rest.

    Args:
        views: Views from one camera at one focus, zoom and image size.
        board: Board that the views show.

    Raises:
        BoardError: too few views, all too similar, of different sizes, or in contradiction; with what to do.
    """
    _require_views(views)
    used = list(range(len(views)))
    rejected: dict[int, str] = {}
    scale = max(views[0].width_px, views[0].height_px) / 640.0
    _require_tilt(views, board)
    while True:
        # Rich enough for any lens, too stiff to bend to a bad view.
        fit = _solve(views, used, board, _ROBUST)
        worst = _worst(fit.view_rms_px, scale)
        if worst is None:
            break
        others_px = float(np.median(np.delete(fit.view_rms_px, worst)))
        rejected[used[worst]] = (
            f"does not fit the others: {fit.view_rms_px[worst]:.2f} px instead of {others_px:.2f} px"
        )
        del used[worst]
        if len(rejected) > MAX_REJECTED_SHARE * len(views) or len(used) < MIN_VIEWS:
            raise BoardError(
                f"{len(rejected)} of {len(views)} views contradict the others; see that the board is flat "
                "and still, that --corners is right, and that autofocus, zoom and stabilisation are off; "
                "then take the images again"
            )
    fit = _best_model(views, used, board)
    _require_sound(fit, views[0], scale)
    return _result(fit, views, used, rejected)


def tilts(views: Sequence[BoardView], board: Board, intrinsics: Intrinsics | None = None) -> Array:
    """Directions in which boards face, in the camera; of a guessed camera if none is given. Shape: (n, 3)."""
    normals = []
    for view in views:
        camera = intrinsics or Intrinsics.from_fov(view.width_px, view.height_px)
        normals.append(board_pose(view, board, camera)[0][:3, 2])
    return np.array(normals).reshape(-1, 3)


def largest_turn_deg(normals: Array) -> float:
    """The largest angle between two directions."""
    cosines = np.clip(normals @ normals.T, -1.0, 1.0)
    return float(np.degrees(np.arccos(cosines.min()))) if len(normals) else 0.0


def _require_views(views: Sequence[BoardView]) -> None:
    if len(views) < MIN_VIEWS:
        raise BoardError(
            f"the board was found in {len(views) or 'no'} image{'s' if len(views) > 1 else ''}, at least "
            f"{MIN_VIEWS} are needed, 15 are better; check --board and --corners, and have the whole board "
            "in view, sharp and evenly lit, at different places and tilts"
        )
    sizes = sorted({(v.width_px, v.height_px) for v in views})
    if len(sizes) > 1:
        named = ", ".join(f"{w}x{h}" for w, h in sizes)
        raise BoardError(
            f"images of different sizes ({named}); calibrate each camera and each image size on its own"
        )


def _require_tilt(views: Sequence[BoardView], board: Board) -> None:
    turn_deg = largest_turn_deg(tilts(views, board))
    if turn_deg < MIN_TURN_DEG:
        raise BoardError(
            f"the board is turned by no more than {turn_deg:.0f} degrees between the {len(views)} views, at "
            f"least {MIN_TURN_DEG:.0f} are needed to tell the focal length from the distance; {TILT_ADVICE}"
        )


def _solve(views: Sequence[BoardView], used: Sequence[int], board: Board, flags: int) -> _Fit:
    points = [views[k].points_m(board).astype(np.float32) for k in used]
    corners = [views[k].uv_px.astype(np.float32)[:, None] for k in used]
    size = (views[0].width_px, views[0].height_px)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-9)
    try:
        rms, matrix, distortion, rvecs, tvecs, sd, _, per_view = cv2.calibrateCameraExtended(
            points, corners, size, _first_guess(points, corners, size), np.zeros(5),
            flags=flags | cv2.CALIB_USE_INTRINSIC_GUESS, criteria=criteria,
        )  # fmt: skip
    except cv2.error as error:
        raise BoardError(f"no camera explains these views of the board; {TILT_ADVICE}") from error
    free = dict(LENS_MODELS)[flags]
    return _Fit(
        rms_px=float(rms),
        matrix=_floats(matrix),
        distortion=_floats(distortion).ravel()[:5],
        T_cam_board=[rigid(rvec, tvec) for rvec, tvec in zip(rvecs, tvecs, strict=True)],
        sd=_floats(sd).ravel()[:4],
        view_rms_px=_floats(per_view).ravel(),
        n_parameters=4 + free + 6 * len(used),
    )


def _floats(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


def _first_guess(points: list[Array32], corners: list[Array32], size: tuple[int, int]) -> Array:
    """Zhang's closed form where it gives anything sensible, else an ordinary field of view."""
    matrix = _floats(cv2.initCameraMatrix2D(points, corners, size, 1.0))
    low, high = (share * max(size) for share in FOCAL_RANGE)
    if np.isfinite(matrix).all() and low < matrix[0, 0] < high:
        return matrix
    return Intrinsics.from_fov(*size).matrix


def _worst(view_rms_px: Array, scale: float) -> int | None:
    """The view to leave out, if any."""
    worst = int(np.argmax(view_rms_px))
    median_px = float(np.median(np.delete(view_rms_px, worst)))
    limit_px = max(OUTLIER_FACTOR * median_px, OUTLIER_FLOOR_PX * scale)
    return worst if not view_rms_px[worst] <= limit_px else None


def _best_model(views: Sequence[BoardView], used: Sequence[int], board: Board) -> _Fit:
    n = 2 * sum(len(views[k].ids) for k in used)

    def criterion(fit: _Fit) -> float:
        # OpenCV's error is per point, of two numbers each.
        return n * math.log(max(fit.rms_px, 1e-9) ** 2 / 2.0) + fit.n_parameters * math.log(n)

    return min((_solve(views, used, board, flags) for flags, _ in LENS_MODELS), key=criterion)


def _require_sound(fit: _Fit, view: BoardView, scale: float) -> None:
    focal_px, longer_px = float(fit.matrix[0, 0]), max(view.width_px, view.height_px)
    cx, cy = float(fit.matrix[0, 2]), float(fit.matrix[1, 2])
    spread = float(fit.sd[:2].max()) / focal_px
    if not spread <= MAX_FOCAL_SPREAD:
        raise BoardError(
            f"the views leave the focal length open by {100.0 * spread:.1f} %, accepted: "
            f"{100.0 * MAX_FOCAL_SPREAD:.0f} %; {TILT_ADVICE}"
        )
    if not fit.rms_px <= MAX_RMS_PX * scale:
        raise BoardError(
            f"corners are {fit.rms_px:.2f} px off, accepted: {MAX_RMS_PX * scale:.2f}; see that the board is "
            "flat, that --corners is right, and hold it still"
        )
    low, high = (share * longer_px for share in FOCAL_RANGE)
    is_centred = 0.2 < cx / view.width_px < 0.8 and 0.2 < cy / view.height_px < 0.8
    if not (low < focal_px < high and is_centred and 0.8 < fit.matrix[1, 1] / focal_px < 1.25):
        raise BoardError(
            f"fx {focal_px:.0f}, fy {fit.matrix[1, 1]:.0f}, cx {cx:.0f}, cy {cy:.0f} are not a camera with "
            f"{view.width_px}x{view.height_px} pixels; {TILT_ADVICE}, and fill the corners of the image too"
        )


def _result(
    fit: _Fit, views: Sequence[BoardView], used: Sequence[int], rejected: dict[int, str]
) -> IntrinsicsFit:
    view_rms_px = np.full(len(views), np.nan)
    T_cam_board = np.full((len(views), 4, 4), np.nan)
    view_rms_px[used] = fit.view_rms_px
    T_cam_board[used] = fit.T_cam_board
    m = fit.matrix
    return IntrinsicsFit(
        intrinsics=Intrinsics(
            views[0].width_px,
            views[0].height_px,
            float(m[0, 0]),
            float(m[1, 1]),
            float(m[0, 2]),
            float(m[1, 2]),
            tuple(float(value) for value in fit.distortion),
        ),
        rms_px=fit.rms_px,
        view_rms_px=view_rms_px,
        rejected=rejected,
        focal_sd_px=float(fit.sd[:2].max()),
        centre_sd_px=float(fit.sd[2:4].max()),
        T_cam_board=T_cam_board,
    )
