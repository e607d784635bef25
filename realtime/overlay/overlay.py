"""The overlay: the video with skeleton, angles and the state of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime.overlay.angles import AnglePanel, choose_rows
from realtime.overlay.arcs import JointArcs
from realtime.overlay.plot import TimePlot
from realtime.overlay.skeleton import SkeletonDrawing
from realtime.overlay.style import ALARM, CAUTION, GOOD, MUTED, WHITE, Colour, Image, Panel, Typeface
from realtime.sample import LiveStats, PoseSample, Status

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

DESIGN_SIZE_PX = (640, 480)
"""Image size for which all lengths are designed; they scale with the actual size."""
MARGIN_PX = 12
PILL_PX = 26

_STATUS: dict[Status, tuple[str, Colour]] = {
    Status.TRACKING: ("Tracking", GOOD),
    Status.WARM_UP: ("Warming up", CAUTION),
    Status.LOST: ("Lost", ALARM),
}
_BANNER = {
    Status.TRACKING: "",
    Status.WARM_UP: "Measuring body size: keep head and feet in view",
    Status.LOST: "Nobody in view",
}


class Overlay:
    """Draws samples over their frames; stores only the curves of the last seconds.

    Args:
        skeleton: Skeleton of the samples.
        camera: Camera that projects the skeleton onto the image.
        coordinates: Names of the coordinates to show, without the side ("knee_angle") for both sides; None
            for the default ones, an empty sequence for none.
        mirror: Whether to mirror the image. Text stays readable, and right stays right.
        markers: Whether to draw the model's markers, too.
        plots: Names of coordinates, as in `coordinates`, to plot over the last seconds; empty for no plot.
        arcs: Whether to draw the shown angles as arcs at their joints.

    Raises:
        SkeletonError: a coordinate is unknown; the text lists the known ones.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        camera: CameraCalibration,
        *,
        coordinates: Sequence[str] | None = None,
        mirror: bool = False,
        markers: bool = False,
        plots: Sequence[str] = (),
        arcs: bool = True,
    ) -> None:
        self._mirror = mirror
        self._markers = markers
        self._typeface = Typeface()
        self._drawing = SkeletonDrawing(skeleton, camera)
        self._is_camera_assumed = camera.is_assumed
        rows = choose_rows(skeleton, coordinates)
        self._angles = AnglePanel(rows, self._typeface)
        shown = [k for row in rows for k in row.coordinates] if arcs else []
        self._arcs = JointArcs(skeleton, camera, shown)
        self._plot = TimePlot(choose_rows(skeleton, plots), self._typeface)
        self._pills: dict[tuple[int, int], Panel] = {}

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new image with everything drawn on it.

        Args:
            image: BGR frame, not mirrored; left unchanged. Shape: (height, width, 3).
            sample: Estimate of this frame.
            stats: Statistics of the run, if known.
        """
        stats = stats or LiveStats()
        shown = np.asarray(cv2.flip(image, 1), dtype=np.uint8) if self._mirror else image.copy()
        height, width = shown.shape[:2]
        unit_px = max(0.4, min(width / DESIGN_SIZE_PX[0], height / DESIGN_SIZE_PX[1]))
        self._angles.remember(sample)
        self._plot.remember(sample)
        self._arcs.draw(shown, sample, unit_px, mirrored=self._mirror)
        self._drawing.draw(shown, sample, unit_px, mirrored=self._mirror, markers=self._markers)
        self._plot.draw(shown, sample, unit_px)
        top_px, spare_px = round((1.8 * MARGIN_PX + PILL_PX) * unit_px), self._plot.height_px(unit_px)
        self._angles.draw(shown, sample, top_px, unit_px, spare_px)
        text, colour = _STATUS[sample.status]
        self._pill(shown, [(text, WHITE)], unit_px, 0.0, top=True, dot=colour)
        counts = _counts(stats)
        if counts and self._is_camera_assumed:
            counts.append(("uncalibrated", MUTED))
        if counts:
            self._pill(shown, counts, unit_px, 1.0, top=True)
        banner = stats.note or _BANNER[sample.status]
        if banner:
            dot = ALARM if stats.note else colour
            self._pill(shown, [(banner, WHITE)], unit_px, 0.5, top=False, dot=dot)
        return shown

    def _pill(
        self,
        image: Image,
        parts: list[tuple[str, Colour]],
        unit_px: float,
        place: float,
        *,
        top: bool,
        dot: Colour | None = None,
    ) -> None:
        """Draw a line of text on a rounded panel; `place` is from 0, left edge, to 1, right edge."""
        size_px, pad_px, gap_px = 13.0 * unit_px, 12.0 * unit_px, 12.0 * unit_px
        widths = [self._typeface.width_px(text, size_px, 500) for text, _ in parts]
        lead_px = 16.0 * unit_px if dot is not None else 0.0
        needed = lead_px + sum(widths) + gap_px * (len(parts) - 1) + 2 * pad_px
        # In steps, so that a changing digit does not need a panel of a new size each time.
        width = round(-(-needed // (8 * unit_px)) * 8 * unit_px)
        height, margin = round(PILL_PX * unit_px), round(MARGIN_PX * unit_px)
        if width > image.shape[1] or height + margin > image.shape[0]:
            return
        room = max(0, image.shape[1] - width - 2 * margin)
        x_px = min(margin + round(place * room), image.shape[1] - width)
        y_px = margin if top else image.shape[0] - margin - height
        if (width, height) not in self._pills:
            self._pills[width, height] = Panel(width, height, height // 2)
        part = self._pills[width, height].lay(image, x_px, y_px)
        x = pad_px + (width - needed) / 2.0
        baseline = 0.5 * height + 0.35 * size_px
        if dot is not None:
            centre = (round((x + 3.0 * unit_px) * 16), round(height * 8))
            cv2.circle(part, centre, round(4.0 * unit_px * 16), dot, -1, cv2.LINE_AA, 4)
            x += lead_px
        for (text, colour), text_width in zip(parts, widths, strict=True):
            self._typeface.draw(part, text, (x, baseline), colour, size_px, 500)
            x += text_width + gap_px


def _counts(stats: LiveStats) -> list[tuple[str, Colour]]:
    """Speed and losses, as far as known."""
    parts: list[tuple[str, Colour]] = []
    if stats.fps is not None and np.isfinite(stats.fps):
        parts.append((f"{stats.fps:.0f} fps", WHITE))
    if stats.latency_ms is not None and np.isfinite(stats.latency_ms):
        parts.append((f"{stats.latency_ms:.0f} ms", WHITE))
    if stats.dropped_frames:
        parts.append((f"{stats.dropped_frames} dropped", MUTED))
    return parts
