"""The overlay: the video with skeleton, angles and the state of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime.overlay.angles import AnglePanel, choose_rows
from realtime.overlay.arcs import JointArcs
from realtime.overlay.people import PeopleDrawing
from realtime.overlay.plot import TimePlot
from realtime.overlay.skeleton import SkeletonDrawing
from realtime.overlay.style import ALARM, CAUTION, GOOD, MUTED, WHITE, Colour, Image, Panel, Typeface
from realtime.sample import LiveStats, PoseSample, Status

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton

DESIGN_SIZE_PX = (640, 480)
"""Image size for which all lengths are designed; they scale with the actual size."""
LEAST_UNIT_PX, LEAST_TEXT_UNIT_PX = 0.4, 0.9
"""Smallest scale of lines, and of text, which could not be read if it were smaller."""
MARGIN_PX = 12
PILL_PX, TEXT_PX, PAD_PX, GAP_PX = 26, 13.0, 12.0, 12.0
"""Height of a pill, size of its text, space at its ends and between its parts."""

_STATUS: dict[Status, tuple[str, Colour]] = {
    Status.TRACKING: ("Tracking", GOOD),
    Status.UNSURE: ("Unsure", CAUTION),
    Status.WARM_UP: ("Warming up", CAUTION),
    Status.LOST: ("Lost", ALARM),
}
_BANNER = {
    Status.TRACKING: "",
    Status.UNSURE: "The skeleton does not fit the image: its angles may be wrong",
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
        panels: Whether to write status, speed and angles.

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
        panels: bool = True,
    ) -> None:
        self._mirror = mirror
        self._has_panels = panels
        self._markers = markers
        self._typeface = Typeface()
        self._drawing = SkeletonDrawing(skeleton, camera)
        self._people = PeopleDrawing(self._drawing, self._typeface)
        self._is_camera_assumed = camera.is_assumed
        rows = choose_rows(skeleton, coordinates)
        self._angles = AnglePanel(rows, self._typeface)
        n_q = len(skeleton.coordinate_names)
        shown = [k for row in rows for k in row.coordinates if k < n_q] if arcs else []
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
        scale = min(width / DESIGN_SIZE_PX[0], height / DESIGN_SIZE_PX[1])
        unit_px, text_px = max(LEAST_UNIT_PX, scale), max(LEAST_TEXT_UNIT_PX, scale)
        self._angles.remember(sample)
        self._plot.remember(sample)
        # Smoothed poses would trail whoever moves; the numbers are the published ones.
        on_image = sample.on_image()
        self._arcs.draw(shown, on_image, unit_px, mirrored=self._mirror)
        draw = self._people.draw if sample.further_people else self._drawing.draw
        draw(shown, on_image, unit_px, mirrored=self._mirror, markers=self._markers)
        self._plot.draw(shown, sample, text_px)
        if not self._has_panels:
            return shown
        top_px = self._draw_head(shown, sample, stats, text_px)
        self._angles.draw(shown, sample, top_px, text_px, self._plot.height_px(text_px))
        banner = stats.note or _BANNER[sample.status]
        if banner:
            dot = ALARM if stats.note else _STATUS[sample.status][1]
            margin_px, height_px = round(MARGIN_PX * text_px), round(PILL_PX * text_px)
            y_px = height - margin_px - height_px
            self._pill(shown, [(banner, WHITE)], text_px, 0.5, y_px=y_px, dot=dot)
        return shown

    def _draw_head(self, shown: Image, sample: PoseSample, stats: LiveStats, unit_px: float) -> int:
        """Draw the status and, beside it or below it, speed and losses; returns the next line's top."""
        y_px, line_px = round(MARGIN_PX * unit_px), round((0.8 * MARGIN_PX + PILL_PX) * unit_px)
        text, colour = _STATUS[sample.status]
        end_px = self._pill(shown, [(text, WHITE)], unit_px, 0.0, y_px=y_px, dot=colour)
        counts = _counts(stats)
        if counts and self._is_camera_assumed:
            counts.append(("uncalibrated", MUTED))
        if not counts:
            return y_px + line_px
        is_beside = end_px + self._pill_px(counts, unit_px)[1] + 2 * y_px <= shown.shape[1]
        if not is_beside:
            y_px += line_px
        self._pill(shown, counts, unit_px, 1.0 if is_beside else 0.0, y_px=y_px)
        return y_px + line_px

    def _pill_px(
        self, parts: list[tuple[str, Colour]], unit_px: float, lead_px: float = 0.0
    ) -> tuple[float, int]:
        """Widths that a pill's text needs and that the pill has."""
        widths = [self._typeface.width_px(text, TEXT_PX * unit_px, 500) for text, _ in parts]
        needed = lead_px + sum(widths) + GAP_PX * unit_px * (len(parts) - 1) + 2 * PAD_PX * unit_px
        # In steps, so that a changing digit does not need a panel of a new size each time.
        return needed, round(-(-needed // (8 * unit_px)) * 8 * unit_px)

    def _pill(
        self,
        image: Image,
        parts: list[tuple[str, Colour]],
        unit_px: float,
        place: float,
        *,
        y_px: int,
        dot: Colour | None = None,
    ) -> int:
        """Draw a line of text on a rounded panel; nothing if it does not fit.

        Args:
            image: Image to draw on. Shape: (height, width, 3).
            parts: Texts and their colours.
            unit_px: Size of a design pixel.
            place: Position from 0, left edge, to 1, right edge.
            y_px: Upper edge.
            dot: Colour of a dot before the text; None for no dot.

        Returns:
            Right edge of the panel.
        """
        lead_px = 16.0 * unit_px if dot is not None else 0.0
        needed, width = self._pill_px(parts, unit_px, lead_px)
        height, margin = round(PILL_PX * unit_px), round(MARGIN_PX * unit_px)
        if width > image.shape[1] or y_px < 0 or height + y_px > image.shape[0]:
            return 0
        room = max(0, image.shape[1] - width - 2 * margin)
        x_px = min(margin + round(place * room), image.shape[1] - width)
        if (width, height) not in self._pills:
            self._pills[width, height] = Panel(width, height, height // 2)
        part = self._pills[width, height].lay(image, x_px, y_px)
        size_px = TEXT_PX * unit_px
        x, baseline = PAD_PX * unit_px + (width - needed) / 2.0, 0.5 * height + 0.35 * size_px
        if dot is not None:
            centre = (round((x + 3.0 * unit_px) * 16), round(height * 8))
            cv2.circle(part, centre, round(4.0 * unit_px * 16), dot, -1, cv2.LINE_AA, 4)
            x += lead_px
        for text, colour in parts:
            self._typeface.draw(part, text, (x, baseline), colour, size_px, 500)
            x += self._typeface.width_px(text, size_px, 500) + GAP_PX * unit_px
        return x_px + width


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
