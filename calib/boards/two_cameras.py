"""Two cameras that look at the same scene: where one stands as seen from the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardView, board_pose, rigid
from calib.camera import CameraCalibration, Intrinsics
from calib.camera_file import camera_as_dict, camera_from_dict, read_json, write_json
from calib.errors import BoardError, CameraError

Array = NDArray[np.float64]

MIN_PAIRS = 3
MIN_COMMON_CORNERS = 6
SAME_TURN_DEG = 3.0
"""Two views of a board agree on the cameras' relation if it differs by less..."""
SAME_PLACE_SHARE = 0.05
"""...and by less than this share of the distance between board and camera."""
MAX_RMS_PX = 2.0
"""In an image 640 pixels long."""


@dataclass(frozen=True, slots=True, eq=False)
class PairFit:
    """How two cameras stand to each other."""

    T_a_b: Array
    """Camera b's coordinates to camera a's, in m. Shape: (4, 4)."""
    rms_px: float
    """Reprojection error of a board's corners in both images, root mean square; of a person's joints, how
    far they miss each other (a deviation that outliers do not touch)."""
    n_used: int
    """Views of the board, or points of the person, that it rests on."""
    n_rejected: int


def place_pair(
    a: CameraCalibration, b: CameraCalibration, fit: PairFit
) -> tuple[CameraCalibration, CameraCalibration]:
    """Both cameras in the ground of camera a."""
    return a, replace(b, T_ground_cam=a.T_ground_cam @ fit.T_a_b)


def save_pair(
    path: Path, a: CameraCalibration, b: CameraCalibration, details: Mapping[str, object] | None = None
) -> None:
    """Write two cameras that are placed in one ground, for `load_pair`.

    Raises:
        CameraError: the file cannot be written.
    """
    T_a_b = np.linalg.inv(a.T_ground_cam) @ b.T_ground_cam
    fields = {"a": camera_as_dict(a), "b": camera_as_dict(b), "T_a_b": T_a_b.tolist()}
    write_json(path, {**fields, **(details or {})})


def load_pair(path: Path) -> tuple[CameraCalibration, CameraCalibration]:
    """Read what `kinecast calibrate two-cameras` wrote.

    Raises:
        CameraError: the file is missing, not JSON, or lacks a field.
    """
    data = read_json(path)
    if not isinstance(data, dict) or "a" not in data or "b" not in data:
        raise CameraError(f"{path}: not a pair of cameras; make one with: kinecast calibrate two-cameras")
    return camera_from_dict(data["a"], path), camera_from_dict(data["b"], path)


def pair_from_boards(
    pairs: Sequence[tuple[BoardView, BoardView]], board: Board, a: Intrinsics, b: Intrinsics
) -> PairFit:
    """Relate two known cameras by a board that both see at the same moments.

    Args:
        pairs: Views of the board from camera a and, at the same moment, from camera b.
        board: Board that the views show.
        a: Intrinsics of the first camera.
        b: Intrinsics of the second camera.

    Raises:
        BoardError: an ambiguous board, too few moments, or moments that contradict each other.
    """
    if board.is_ambiguous:
        raise BoardError(
            f"{board.description}: looks the same upside down, so the two cameras could take different "
            "corners for the first; use a ChArUco board, or one with an odd and an even number of corners"
        )
    common = [shared for shared in (_shared(first, second) for first, second in pairs) if shared is not None]
    if len(common) < MIN_PAIRS:
        raise BoardError(
            f"both cameras saw the board at {len(common)} common moments, at least {MIN_PAIRS} are needed, "
            "10 are better; hold it still where both see it whole"
        )
    relations = np.array(
        [
            board_pose(first, board, a)[0] @ np.linalg.inv(board_pose(second, board, b)[0])
            for first, second in common
        ]
    )
    distances_m = np.array([np.linalg.norm(board_pose(first, board, a)[0][:3, 3]) for first, _ in common])
    agreeing = _largest_agreement(relations, distances_m)
    if len(agreeing) < max(MIN_PAIRS, len(common) / 2):
        raise BoardError(
            f"only {len(agreeing)} of {len(common)} moments agree on how the cameras stand; hold the board "
            "still, see that both recordings show the same moments, and leave the cameras where they are"
        )
    T_a_b, rms_px = _refine([common[k] for k in agreeing], board, a, b)
    scale = max(a.width_px, a.height_px, b.width_px, b.height_px) / 640.0
    if not rms_px <= MAX_RMS_PX * scale:
        raise BoardError(
            f"corners are {rms_px:.2f} px off, accepted: {MAX_RMS_PX * scale:.2f}; see that each camera file "
            "is of its camera, and that the two recordings show the same moments"
        )
    return PairFit(T_a_b, rms_px, len(agreeing), len(pairs) - len(agreeing))


def _shared(first: BoardView, second: BoardView) -> tuple[BoardView, BoardView] | None:
    """Both views with only the corners that both show; None for too few."""
    ids, in_first, in_second = np.intersect1d(first.ids, second.ids, return_indices=True)
    if len(ids) < MIN_COMMON_CORNERS:
        return None
    return (
        replace(first, ids=ids, uv_px=first.uv_px[in_first]),
        replace(second, ids=ids, uv_px=second.uv_px[in_second]),
    )


def _largest_agreement(relations: Array, distances_m: Array) -> list[int]:
    """The moments that agree with the one with which most agree."""
    agreements = []
    for T in relations:
        turns = np.einsum("ij,nij->n", T[:3, :3], relations[:, :3, :3])
        turn_deg = np.degrees(np.arccos(np.clip((turns - 1.0) / 2.0, -1.0, 1.0)))
        apart_m = np.linalg.norm(relations[:, :3, 3] - T[:3, 3], axis=1)
        # A turn of the board's pose moves the other camera by as much of their distance.
        room_m = (SAME_PLACE_SHARE + math.radians(SAME_TURN_DEG)) * distances_m
        agreements.append(np.flatnonzero((turn_deg < SAME_TURN_DEG) & (apart_m < room_m)).tolist())
    return max(agreements, key=len)


def _refine(
    common: Sequence[tuple[BoardView, BoardView]], board: Board, a: Intrinsics, b: Intrinsics
) -> tuple[Array, float]:
    """Least squares over the reprojection errors of all corners in both cameras."""
    corners = [[view.uv_px.astype(np.float32)[:, None] for view in pair] for pair in common]
    rms_px, *_, R, t, _, _ = cv2.stereoCalibrate(
        [first.points_m(board).astype(np.float32) for first, _ in common],
        [first for first, _ in corners],
        [second for _, second in corners],
        a.matrix, _five(a), b.matrix, _five(b), (a.width_px, a.height_px),
        flags=cv2.CALIB_FIX_INTRINSIC,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-9),
    )  # fmt: skip
    T_b_a = rigid(np.asarray(cv2.Rodrigues(np.asarray(R, np.float64))[0], np.float64), t)
    return np.asarray(np.linalg.inv(T_b_a)), float(rms_px)


def _five(k: Intrinsics) -> Array:
    return np.array(k.distortion if k.distortion else (0.0,) * 5)
