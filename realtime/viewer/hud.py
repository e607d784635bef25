"""Text at a fixed position on the screen: panels drawn by OpenCV, placed in front of the viewpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.overlay.style import INK, MUTED, WHITE, Colour, Image, Typeface

KEYS = (
    ("1 2 3", "front, side, above"), ("4", "as the camera"), ("F", "follow"), ("T", "trails"),
    ("C", "camera"), ("G", "ghost"), ("A", "ghost on the figure"), ("B", "ghost from the start"),
    ("P", "angles"), ("S", "save image"), ("K", "this list"), ("Q", "end"),
    ("drag", "turn"), ("Ctrl+drag", "shift"), ("wheel", "nearer, farther"),
)  # fmt: skip
"""Keys, or groups of keys, with their effects; then the mouse."""


Array = NDArray[np.float64]

NEAR_M, DEPTH_M = 0.05, 0.06
"""Distance of the near plane, and of the panels behind it."""
RADIUS_PX = 9.0
_CORNER_POINTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Viewpoint:
    """Viewpoint of the window: a pinhole camera in OpenCV's convention."""

    width_px: int
    height_px: int
    matrix: Array
    """Camera matrix. Shape: (3, 3)."""
    T_cam_ground: Array
    """Transform from ground to camera. Shape: (4, 4)."""

    @property
    def R_view(self) -> Array:
        """Rows: right, up and backward in ground. Shape: (3, 3)."""
        return np.asarray(self.T_cam_ground[:3, :3] * np.array([[1.0], [-1.0], [-1.0]]))

    @property
    def eye_m(self) -> Array:
        """Position in ground. Shape: (3,)."""
        return np.asarray(-self.T_cam_ground[:3, :3].T @ self.T_cam_ground[:3, 3])

    def equals(self, other: Viewpoint | None) -> bool:
        """Whether the other viewpoint is the same."""
        return (
            other is not None
            and (self.width_px, self.height_px) == (other.width_px, other.height_px)
            and np.array_equal(self.matrix, other.matrix)
            and np.array_equal(self.T_cam_ground, other.T_cam_ground)
        )

    def in_ground(self, xy_px: Array, depth_m: float) -> Array:
        """Positions in ground of points on the screen at a given depth.

        Args:
            xy_px: Points on the screen; edges of pixels are whole numbers. Shape: (n, 2).
            depth_m: Distance from the viewpoint along its axis.

        Returns:
            Positions in m. Shape: (n, 3).
        """
        focal = np.array([self.matrix[0, 0], self.matrix[1, 1]])
        centre = np.array([self.matrix[0, 2], self.matrix[1, 2]]) + 0.5
        p_cam = np.concatenate([(xy_px - centre) / focal, np.ones((len(xy_px), 1))], axis=1) * depth_m
        return np.asarray((p_cam - self.T_cam_ground[:3, 3]) @ self.T_cam_ground[:3, :3])


def outline(width_px: float, height_px: float, radius_px: float) -> Array:
    """Corners of a rounded rectangle, clockwise on the screen, from 0, 0. Shape: (n, 2)."""
    r = min(radius_px, width_px / 2.0, height_px / 2.0)
    quarter = np.linspace(0.0, np.pi / 2.0, _CORNER_POINTS)
    middles = ((r, r, np.pi), (width_px - r, r, 1.5 * np.pi), (width_px - r, height_px - r, 0.0),
               (r, height_px - r, 0.5 * np.pi))  # fmt: skip
    return np.concatenate(
        [np.stack([x + r * np.cos(a + quarter), y + r * np.sin(a + quarter)], axis=1) for x, y, a in middles]
    )


def fan(n: int) -> NDArray[np.int32]:
    """Triangles of a convex outline, facing the viewer. Shape: (n - 2, 3)."""
    k = np.arange(1, n - 1)
    return np.stack([np.zeros(n - 2, dtype=int), k + 1, k], axis=1).astype(np.int32)


class TextPanel:
    """Lines of text on a panel of the size that they need.

    Args:
        typeface: Typeface of the text.
        size_px: Text height.
        column_px: Smallest width of the first piece of a line, so that the others form a column.
    """

    def __init__(self, typeface: Typeface, size_px: float, column_px: float = 0.0) -> None:
        self._typeface = typeface
        self._size_px = size_px
        self._column_px = column_px
        self._content: object = None
        self._image: Image = np.zeros((1, 1, 3), np.uint8)

    def draw(self, lines: list[list[tuple[str, Colour]]], dot: Colour | None = None) -> tuple[Image, bool]:
        """The panel's image, and whether it differs from the previous one.

        Args:
            lines: Lines of pieces of text with their colours, set side by side.
            dot: Colour of a dot before the first line.
        """
        content = (lines, dot)
        if content == self._content:
            return self._image, False
        self._content = content
        size, pad, gap = self._size_px, 0.85 * self._size_px, 0.9 * self._size_px
        lead = 1.2 * size if dot is not None else 0.0
        advances = [[self._advance_px(text, k == 0) for k, (text, _) in enumerate(line)] for line in lines]
        widths = [lead + sum(row) + gap * (len(row) - 1) for row in advances]
        # In steps, so that a changing digit does not make the panel flicker.
        width = int(-(-(max(widths, default=0.0) + 2 * pad) // 8) * 8)
        row = 1.55 * size
        image = np.full((round(row * len(lines) + 0.9 * pad), width, 3), INK, np.uint8)
        for k, line in enumerate(lines):
            x, y = pad + (lead if k == 0 else 0.0), 0.45 * pad + row * k + 1.12 * size
            for (text, colour), advance in zip(line, advances[k], strict=True):
                self._typeface.draw(image, text, (x, y), colour, size, 500)
                x += advance + gap
        if dot is not None:
            _draw_dot(image, (pad + 0.35 * size, 0.45 * pad + 0.78 * size), 0.33 * size, dot)
        self._image = image
        return image, True

    def _advance_px(self, text: str, is_first: bool) -> float:
        return max(self._typeface.width_px(text, self._size_px, 500), self._column_px if is_first else 0.0)


def _draw_dot(image: Image, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    image = image[: round(centre[1] + 2.0 * radius), : round(centre[0] + 2.0 * radius)]
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    cover = np.clip(radius + 0.5 - np.hypot(x - centre[0], y - centre[1]), 0.0, 1.0)[..., None]
    image[:] = np.rint(image + (np.array(colour) - image) * cover).astype(np.uint8)


def plain(*pieces: str) -> list[tuple[str, Colour]]:
    """A line whose first piece is bright and whose others are muted."""
    return [(text, WHITE if k == 0 else MUTED) for k, text in enumerate(pieces)]
