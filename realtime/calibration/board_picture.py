"""Guidance of a live calibration: the detected board, covered parts of the image, and what to do next."""

from __future__ import annotations

import cv2
import numpy as np

from calib.boards.board import BoardView
from calib.boards.camera_views import Verdict, ViewCollector
from realtime.overlay.fitted import fitted
from realtime.overlay.style import CAUTION, GOOD, INK, MUTED, SHIFT, WHITE, Image, Typeface, blend, fixed

TINT = 0.16
"""Opacity of covered cells."""
TEXT_SHARE = 0.035
"""Text height as a share of the image height."""
LEAST_TEXT_PX = 11.0
"""Smaller text cannot be read."""


def draw_guidance(
    image: Image,
    view: BoardView | None,
    collector: ViewCollector,
    verdict: Verdict,
    typeface: Typeface,
    room_px: tuple[int, int] | None = None,
) -> Image:
    """A new image with the guidance drawn on it.

    Args:
        image: BGR frame; left unchanged. Shape: (height, width, 3).
        view: The board in the frame, if detected.
        collector: Progress of the calibration.
        verdict: Verdict on this frame.
        typeface: Typeface of the text.
        room_px: Width and height of the window, to which the image is scaled before anything is drawn on it;
            None keeps its size.
    """
    shown = image.copy() if room_px is None else fitted(image, room_px).copy()
    _tint_cells(shown, collector)
    if view is not None:
        colour = GOOD if verdict in (Verdict.TAKEN, Verdict.DUPLICATE) else CAUTION
        radius = max(2.0, 0.005 * max(shown.shape[:2]))
        for x, y in fixed(view.uv_px * (shown.shape[1] / image.shape[1])).tolist():
            cv2.circle(shown, (x, y), round(radius * (1 << SHIFT)), INK, -1, cv2.LINE_AA, SHIFT)
            cv2.circle(shown, (x, y), round(0.7 * radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)
    _write(shown, collector, verdict, typeface)
    return shown


def _tint_cells(shown: Image, collector: ViewCollector) -> None:
    rows, columns = collector.coverage.shape
    height, width = shown.shape[:2]
    xs, ys = np.linspace(0, width, columns + 1).astype(int), np.linspace(0, height, rows + 1).astype(int)
    for row, column in zip(*np.nonzero(collector.coverage), strict=True):
        part = shown[ys[row] : ys[row + 1], xs[column] : xs[column + 1]]
        cv2.addWeighted(np.full_like(part, GOOD), TINT, part, 1.0 - TINT, 0.0, dst=part)
    for x in xs[1:-1].tolist():
        cv2.line(shown, (x, 0), (x, height), MUTED, 1)
    for y in ys[1:-1].tolist():
        cv2.line(shown, (0, y), (width, y), MUTED, 1)


def _write(shown: Image, collector: ViewCollector, verdict: Verdict, typeface: Typeface) -> None:
    """Write a band at the bottom: what to do and, below it, the verdict on this frame."""
    height, width = shown.shape[:2]
    advice, progress = collector.advice, collector.progress
    state = f"{progress.n_views} views, {progress.covered_share:.0%} covered; {verdict}"
    size_px = max(TEXT_SHARE * height, LEAST_TEXT_PX)
    widest = max(typeface.width_px(text, size_px, 500) for text in (advice, state))
    size_px *= min(1.0, (width - 1.6 * size_px) / widest)
    band = shown[round(height - 3.2 * size_px) :]
    cv2.addWeighted(np.full_like(band, INK), 0.8, band, 0.2, 0.0, dst=band)
    left = 0.8 * size_px
    typeface.draw(shown, advice, (left, height - 1.9 * size_px), WHITE, size_px, 500)
    colour = blend(GOOD if verdict is Verdict.TAKEN else CAUTION, WHITE, 0.3)
    typeface.draw(shown, state, (left, height - 0.6 * size_px), colour, size_px, 400)
