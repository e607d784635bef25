"""Which views of a board to take, and what to show next: the guidance of a live calibration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board, BoardView
from calib.boards.board_sharpness import edge_width_px
from calib.boards.camera_fit import IntrinsicsFit, fit_intrinsics, tilts
from calib.errors import BoardError

Array = NDArray[np.float64]

CELLS = (6, 4)
"""Columns and rows of the coverage map, for an image that is wider than high."""
COVERED_SHARE = 0.8
GOOD_VIEWS = 12
MOST_VIEWS = 40
GOOD_FOCAL_SPREAD = 0.002
TILTED_DEG = 12.0
STILL_SHARE = 0.006
"""Of the image's longer side: how far the corners of a still board move from one look to the next."""
BLURRED_SHARE = 0.006
"""Of the longer side: width of an edge that is too blurred."""
BLURRED_FLOOR_PX = 3.5
SAME_PLACE_SHARE = 0.06
SAME_TILT_DEG = 8.0

TILT_WORDS = {
    "left": "bring closer the edge that is left in the image",
    "right": "bring closer the edge that is right in the image",
    "top": "bring its upper edge closer",
    "bottom": "bring its lower edge closer",
}


class Verdict(StrEnum):
    """What became of an image; the values are for people."""

    TAKEN = "taken"
    NO_BOARD = "no board in view"
    MOVING = "hold it still"
    BLURRED = "too blurred: more light, or hold it still"
    DUPLICATE = "seen already: move or tilt it"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a calibration is."""

    n_views: int
    covered_share: float
    missing_tilts: tuple[str, ...]
    focal_spread: float | None
    """Standard deviation of the focal length as a share of it; None: not yet known."""


class ViewCollector:
    """Takes the views that teach something new, until there are enough.

    Args:
        board: Board that is shown.
        width_px: Image width.
        height_px: Image height.
        needs_still: Whether the board must rest; recorded video is judged by its sharpness alone.
    """

    def __init__(self, board: Board, width_px: int, height_px: int, *, needs_still: bool = True) -> None:
        self.board = board
        self.views: list[BoardView] = []
        self.fit: IntrinsicsFit | None = None
        """The camera as the views taken so far have it."""
        columns, rows = CELLS if width_px >= height_px else CELLS[::-1]
        self.coverage = np.zeros((rows, columns), dtype=bool)
        """Cells of the image in which corners were seen. Shape: (rows, columns)."""
        self._size_px = np.array([width_px, height_px])
        self._needs_still = needs_still
        self._normals: list[Array] = []
        self._last: BoardView | None = None

    def judge(self, image: NDArray[np.uint8], view: BoardView | None) -> Verdict:
        """Whether an image is worth taking; call it with one image after the other.

        Args:
            image: BGR or grey image.
            view: Corners of the board in the image, None where it was not found.
        """
        last, self._last = self._last, view
        if view is None:
            return Verdict.NO_BOARD
        longer_px = float(self._size_px.max())
        if self._needs_still and not (last and _shift_px(last, view) < STILL_SHARE * longer_px):
            return Verdict.MOVING
        if edge_width_px(image, view, self.board) > max(BLURRED_FLOOR_PX, BLURRED_SHARE * longer_px):
            return Verdict.BLURRED
        return Verdict.DUPLICATE if self._is_known(view) else Verdict.TAKEN

    def add(self, view: BoardView) -> None:
        """Take a view, and measure the camera once they are varied enough."""
        self.views.append(view)
        self._normals.append(tilts([view], self.board)[0])
        shape = self.coverage.shape[::-1]
        cells = np.clip(view.uv_px / self._size_px * shape, 0, np.array(shape) - 1).astype(int)
        self.coverage[cells[:, 1], cells[:, 0]] = True
        if self._is_varied():  # before that it would not be good enough, and it takes a while
            try:
                self.fit = fit_intrinsics(self.views, self.board)
            except BoardError:
                self.fit = None  # the advice says what is missing

    @property
    def progress(self) -> Progress:
        """How far it is."""
        spread = None if self.fit is None else self.fit.focal_sd_px / self.fit.intrinsics.fx
        return Progress(len(self.views), float(self.coverage.mean()), self._missing_tilts(), spread)

    @property
    def is_done(self) -> bool:
        """Whether more views would not help."""
        spread = self.progress.focal_spread
        is_good = self._is_varied() and spread is not None and spread <= GOOD_FOCAL_SPREAD
        return is_good or len(self.views) >= MOST_VIEWS

    @property
    def advice(self) -> str:
        """What to show next, for people."""
        p = self.progress
        if self.is_done:
            return "done"
        if not p.n_views:
            return "show the whole board, as large as half the image, and hold it still"
        # By turns, so that both are done in passing.
        wants_tilt = p.missing_tilts and (p.n_views % 2 == 1 or p.covered_share >= COVERED_SHARE)
        if wants_tilt:
            return f"tilt the board: {TILT_WORDS[p.missing_tilts[0]]}"
        if p.covered_share < COVERED_SHARE:
            return f"move the board to the {self._emptiest()} of the image"
        return "a few more, at other distances and tilts"

    def _is_varied(self) -> bool:
        is_enough = len(self.views) >= GOOD_VIEWS and self.coverage.mean() >= COVERED_SHARE
        return bool(is_enough and not self._missing_tilts())

    def _is_known(self, view: BoardView) -> bool:
        normal = tilts([view], self.board)[0]
        longer_px = float(self._size_px.max())
        for known, known_normal in zip(self.views, self._normals, strict=True):
            is_near = _shift_px(known, view) < SAME_PLACE_SHARE * longer_px
            if is_near and normal @ known_normal > np.cos(np.radians(SAME_TILT_DEG)):
                return True
        return False

    def _missing_tilts(self) -> tuple[str, ...]:
        """Edges of the board that were never turned towards the camera."""
        if not self._normals:
            return tuple(TILT_WORDS)
        limit = np.sin(np.radians(TILTED_DEG))
        x, y = np.array(self._normals)[:, :2].T
        # The normal points away from the camera: with the left edge nearer, it points left.
        seen = {"left": x < -limit, "right": x > limit, "top": y < -limit, "bottom": y > limit}
        return tuple(edge for edge, views in seen.items() if not views.any())

    def _emptiest(self) -> str:
        """The part of the image with the most cells in which no corner was seen."""
        rows, columns = self.coverage.shape
        empty = {
            f"{v} {h}".strip(): (~self.coverage[rs, cs]).mean()
            for v, rs in (("top", slice(0, rows // 2)), ("bottom", slice(rows // 2, rows)))
            for h, cs in (
                ("left", slice(0, columns // 3)),
                ("", slice(columns // 3, columns - columns // 3)),
                ("right", slice(columns - columns // 3, columns)),
            )
        }
        return max(empty, key=lambda part: empty[part])


def _shift_px(a: BoardView, b: BoardView) -> float:
    """How far the corners that both show have moved in the mean; infinite without any."""
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    if not len(in_a):
        return np.inf
    return float(np.linalg.norm(a.uv_px[in_a] - b.uv_px[in_b], axis=1).mean())
