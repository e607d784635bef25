"""How sharp a board is in an image: the width of the edges between its squares."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardView

Array = NDArray[np.float64]

REACH = 0.11
"""How far from an edge to look, in squares: the white rim of a ChArUco marker is a little wider."""
N_SAMPLES = 25
MIN_REACH_PX = 2.5


def edge_width_px(image: NDArray[np.uint8], view: BoardView, board: Board) -> float:
    """Width of the transition from black to white, in the direction in which it is wider.

    Motion blurs only the edges that lie across it, so rows and columns are measured apart.

    Args:
        image: BGR or grey image.
        view: Corners of the board in the image.
        board: Board that the image shows.

    Returns:
        About 1.5 for a sharp image; infinite where no two neighbouring corners are seen.
    """
    grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    grid = np.full((board.rows, board.columns, 2), np.nan)
    grid.reshape(-1, 2)[view.ids] = view.uv_px
    profiles = [_profiles(grey, grid), _profiles(grey, grid.transpose(1, 0, 2))]
    if not all(len(samples) for samples, _ in profiles):
        return np.inf
    left, top, width, height = cv2.boundingRect(view.uv_px.astype(np.float32))
    board_part = grey[max(0, top) : top + height, max(0, left) : left + width]
    contrast = float(np.subtract(*np.percentile(board_part, [95.0, 5.0])))
    return max(_width_px(samples, step_px, contrast) for samples, step_px in profiles)


def _profiles(grey: NDArray[np.uint8], grid: Array) -> tuple[Array, Array]:
    """Brightness across the middle of each edge along a row, and the distance of its samples in px.

    Shapes: (n, N_SAMPLES), (n,).
    """
    start, end = grid[:, :-1].reshape(-1, 2), grid[:, 1:].reshape(-1, 2)
    # The other direction of the board, where the row above or below tells it.
    down = np.full(grid.shape, np.nan)
    down[:-1] = np.diff(grid, axis=0)
    down[-1] = down[-2]
    across = down[:, :-1].reshape(-1, 2)
    known = np.isfinite(start).all(1) & np.isfinite(end).all(1) & np.isfinite(across).all(1)
    middle, across = 0.5 * (start + end)[known], across[known]
    length = np.linalg.norm(across, axis=1)
    reach_px = np.maximum(REACH * length, MIN_REACH_PX)
    places = (
        np.linspace(-1.0, 1.0, N_SAMPLES)[:, None] * (across / length[:, None] * reach_px[:, None])[:, None]
    )
    uv = (middle[:, None] + places).astype(np.float32)
    if not len(uv):
        return np.empty((0, N_SAMPLES)), np.empty(0)
    samples = cv2.remap(grey, uv[..., 0], uv[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(samples, np.float64).reshape(-1, N_SAMPLES), 2.0 * reach_px / (N_SAMPLES - 1)


def _width_px(samples: Array, step_px: Array, contrast: float) -> float:
    # Over three samples: single steps are at the mercy of noise.
    slope = np.abs(samples[:, 3:] - samples[:, :-3]).max(axis=1) / (3.0 * step_px)
    return contrast / max(float(np.median(slope)), 1e-6)
