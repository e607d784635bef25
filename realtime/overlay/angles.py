"""The panel of chosen angles: values of the right and left side and their recent history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIC_ANGLES, PELVIS_ROTATIONS, side_of, stem_of
from calib.errors import SkeletonError
from realtime.overlay.history import History, draw_curve
from realtime.overlay.style import (
    FAINT,
    INK,
    MUTED,
    WHITE,
    Colour,
    Image,
    Panel,
    Typeface,
    blend,
    side_colour,
)
from realtime.sample import PoseSample

DEFAULT_COORDINATES = (
    "hip_flexion",
    "knee_angle",
    "ankle_angle",
    "lumbar_extension",
    "arm_flex",
    "elbow_flex",
    "pelvic_tilt",
    "pelvic_obliquity",
)
CLINICAL = dict(zip(PELVIS_ROTATIONS, ("pelvic_tilt", "pelvic_obliquity", "pelvic_rotation"), strict=True))
"""The pelvis's rotations in ground, which mix when somebody turns, and the clinical angles shown instead."""
TRACE_S = 3.0
WIDTH_PX = 172
ROW_PX = 46
PAD_PX = 12
_TRACE_TOP_PX, _TRACE_BOTTOM_PX = 21, 41
_LEAST_SPAN = np.radians(20.0)
_LABELS = {
    "arm_flex": "Arm flexion", "arm_add": "Arm adduction", "arm_rot": "Arm rotation", "elbow_flex": "Elbow",
    "pro_sup": "Pronation", "wrist_flex": "Wrist flexion", "wrist_dev": "Wrist deviation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the panel: a coordinate of the midline, or the same one of both sides."""

    label: str
    coordinates: tuple[int, ...]
    colours: tuple[Colour, ...]
    in_degrees: bool


class Coordinates(Protocol):
    """The part of a skeleton that a panel needs; the model in a stream's `meta` has it, too."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def coordinate_names(self) -> Sequence[str]:
        """Names of the coordinates in the order of q."""

    @property
    def is_rotational(self) -> Sequence[bool] | NDArray[np.bool_]:
        """Whether each coordinate is an angle."""


def shown_names(skeleton: Coordinates) -> list[str]:
    """Names of the values in `PoseSample.shown`, as far as the model has them."""
    names = list(skeleton.coordinate_names)
    return [*names, *PELVIC_ANGLES] if set(PELVIS_ROTATIONS) <= set(names) else names


def choose_rows(skeleton: Coordinates, names: Sequence[str] | None) -> list[Row]:
    """Rows for the chosen coordinates; right and left of a pair share one row.

    Args:
        skeleton: Skeleton whose coordinates are shown.
        names: Names of coordinates, without the side for both sides; None for the default ones.

    Raises:
        SkeletonError: a name is unknown; the text lists the known ones.
    """
    known = shown_names(skeleton)
    chosen = [n for n in DEFAULT_COORDINATES if n in known or f"{n}_r" in known] if names is None else names
    if set(PELVIC_ANGLES) <= set(known):
        chosen = [CLINICAL.get(name, name) for name in chosen]
    rows: dict[str, list[str]] = {}
    for name in chosen:
        pair = [f"{name}_{side}" for side in "rl" if f"{name}_{side}" in known]
        for member in [name] if name in known else pair or [name]:
            if member not in known:
                raise SkeletonError(
                    f"no coordinate {member!r} to show; {skeleton.name} has: {', '.join(known)}"
                )
            row = rows.setdefault(stem_of(member), [])
            if member not in row:
                row.append(member)
    return [_row(skeleton, stem, members) for stem, members in rows.items()]


class AnglePanel:
    """Draws the rows and stores the last seconds of their coordinates."""

    def __init__(self, rows: list[Row], typeface: Typeface) -> None:
        self._rows = rows
        self._typeface = typeface
        self._history = History([k for row in rows for k in row.coordinates], TRACE_S)
        self._panel: Panel | None = None
        self._drawn_for = (0, 0.0)

    def remember(self, sample: PoseSample) -> None:
        """Add a sample to the curves; a time stamp that goes back clears them."""
        self._history.remember(sample)

    def draw(self, image: Image, sample: PoseSample, top_px: int, unit_px: float, spare_px: int = 0) -> None:
        """Draw at the left edge of `image` as many rows as fit below `top_px` and above `spare_px`."""
        margin, pad, row_px = (round(v * unit_px) for v in (PAD_PX, PAD_PX, ROW_PX))
        room_px = image.shape[0] - spare_px - top_px - (0 if spare_px else margin) - pad
        rows = self._rows[: max(0, room_px // row_px)]
        width = round(WIDTH_PX * unit_px)
        if not rows or width + 2 * margin > image.shape[1]:
            return
        panel = self._prepare(len(rows), unit_px)
        part = panel.lay(image, margin, top_px)
        shares, traces = self._history.recent(sample.t_capture_ns)
        column = 0
        for k, row in enumerate(rows):
            own = slice(column, column + len(row.coordinates))
            y_px = pad // 2 + k * row_px
            self._draw_values(part, row, sample, y_px, unit_px)
            _draw_traces(part, shares, traces[:, own], row.colours, (pad, width - pad), y_px, unit_px)
            column = own.stop

    def picture(self, sample: PoseSample, unit_px: float) -> Image:
        """An image of the panel alone, opaque, with every row. Shape: (height, width, 3)."""
        margin = round(PAD_PX * unit_px)
        size_px = (
            len(self._rows) * round(ROW_PX * unit_px) + 3 * margin,
            round(WIDTH_PX * unit_px) + 2 * margin,
        )
        image = np.full((*size_px, 3), INK, np.uint8)
        self.draw(image, sample, 0, unit_px)
        return image[: size_px[0] - 2 * margin, margin : size_px[1] - margin]

    def _prepare(self, n_rows: int, unit_px: float) -> Panel:
        """The panel with its labels and base lines, kept until the size of the image changes."""
        if self._panel is None or self._drawn_for != (n_rows, unit_px):
            pad, row_px = round(PAD_PX * unit_px), round(ROW_PX * unit_px)
            width, height = round(WIDTH_PX * unit_px), n_rows * row_px + pad
            panel = Panel(width, height, round(10 * unit_px))
            labels, lines = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
            for k, row in enumerate(self._rows[:n_rows]):
                y_px = pad // 2 + k * row_px
                # The face is drawn in colour only; one channel of it is the coverage.
                written = np.zeros((height, width, 3), np.uint8)
                self._typeface.draw(
                    written, row.label, (pad, y_px + 15 * unit_px), (255,) * 3, 12 * unit_px, 450
                )
                labels = np.maximum(labels, written[..., 0])
                base = y_px + round((_TRACE_BOTTOM_PX + 2) * unit_px)
                cv2.line(lines, (pad, base), (width - pad, base), 90, 1)
            panel.ink(lines, FAINT)
            panel.ink(labels, MUTED)
            self._panel, self._drawn_for = panel, (n_rows, unit_px)
        return self._panel

    def _draw_values(self, part: Image, row: Row, sample: PoseSample, y_px: int, unit_px: float) -> None:
        right_px = part.shape[1] - PAD_PX * unit_px
        values, confidence = sample.shown, sample.confidence
        for k, colour in reversed(list(zip(row.coordinates, row.colours, strict=True))):
            text = _text_of(values[k], row.in_degrees)
            # The clinical angles are those of a pelvis whose coordinates come first.
            trust = float(np.nan_to_num(confidence[k if k < len(confidence) else 0]))
            trust = trust if np.isfinite(values[k]) else 0.0
            size_px = 15 * unit_px
            x_px = right_px - self._typeface.width_px(text, size_px, 600)
            self._typeface.draw(
                part, text, (x_px, y_px + 15.5 * unit_px), _faded(colour, trust), size_px, 600
            )
            right_px -= 38 * unit_px


def _draw_traces(
    part: Image,
    shares: NDArray[np.float64],
    values: NDArray[np.float64],
    colours: tuple[Colour, ...],
    x_range_px: tuple[int, int],
    y_px: int,
    unit_px: float,
) -> None:
    """Draw curves over time in one row, on a scale that both sides share."""
    if len(shares) < 2 or not np.isfinite(values).any():
        return
    low, high = np.nanmin(values), np.nanmax(values)
    spare = max(0.0, _LEAST_SPAN - (high - low)) / 2.0
    low, high = low - spare, high + spare
    top, bottom = y_px + _TRACE_TOP_PX * unit_px, y_px + _TRACE_BOTTOM_PX * unit_px
    x = x_range_px[0] + shares * (x_range_px[1] - x_range_px[0])
    for colour, curve in reversed(list(zip(colours, values.T, strict=True))):
        draw_curve(part, x, bottom - (curve - low) / (high - low) * (bottom - top), colour, 1.2 * unit_px)


def _row(skeleton: Coordinates, stem: str, members: list[str]) -> Row:
    label = _LABELS.get(stem) or stem.replace("_angle", "").replace("_", " ").capitalize()
    members = sorted(members, key=lambda name: side_of(name) == "l")
    # A coordinate shown for one side only has the side in its label.
    if len(members) == 1 and members[0] != stem:
        label += {"r": " right", "l": " left"}[side_of(members[0])]
    colours = tuple(side_colour(side_of(name)) if name != stem else WHITE for name in members)
    known = shown_names(skeleton)
    indices = tuple(known.index(name) for name in members)
    in_degrees = members[0] in PELVIC_ANGLES or bool(skeleton.is_rotational[indices[0]])
    return Row(label, indices, colours, in_degrees)


def _faded(colour: Colour, trust: float) -> Colour:
    """The colour for a confidence: values of low confidence fade but stay legible."""
    return blend(colour, FAINT, 0.7 * (1.0 - trust))


def _text_of(value: float, in_degrees: bool) -> str:
    if not np.isfinite(value):
        return "\N{EN DASH}"
    return f"{round(np.degrees(value))}\N{DEGREE SIGN}" if in_degrees else f"{value:.2f}"
