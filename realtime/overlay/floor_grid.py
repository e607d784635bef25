"""Drawing of the calibrated floor as a grid, to be checked against the image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration
from calib.errors import FloorError
from realtime.sample import Drawing, LiveStats, PoseSample

Image = NDArray[np.uint8]
Array = NDArray[np.float64]

SPACING_M = 0.5
REACH_M, WIDTH_M = 8.0, 4.0
"""Extent of the grid ahead of the camera, and to either side."""
STEP_M = 0.1
"""Length of the pieces in which lines are drawn, because lens distortion bends them."""
NEAREST_M = 0.3
GRID_BGR, AXIS_BGR = (200, 220, 120), (80, 160, 255)


def draw_floor_grid(image: Image, camera: CameraCalibration) -> None:
    """Draw a grid of 0.5 m squares on the floor, in place; the line ahead of the camera is highlighted.

    Args:
        image: BGR image, not mirrored. Shape: (height, width, 3).
        camera: Camera with a calibrated floor.

    Raises:
        FloorError: the camera's floor was not measured.
    """
    require_floor(camera)
    thickness = max(1, round(max(image.shape[:2]) / 900))
    lines = grid_lines(camera)
    middle = round(WIDTH_M / SPACING_M)
    for k, line_m in enumerate(lines):
        colour, width = (AXIS_BGR, thickness + 1) if k == middle else (GRID_BGR, thickness)
        for start_px, end_px in _pieces(camera, line_m, image.shape[1], image.shape[0]):
            cv2.line(image, start_px, end_px, colour, width, cv2.LINE_AA)


def require_floor(camera: CameraCalibration) -> None:
    """Check that a camera's floor was calibrated.

    Raises:
        FloorError: the floor was not calibrated; the text says what to do.
    """
    if not camera.has_floor:
        raise FloorError(
            "this camera's floor was not measured; run: kinecast calibrate floor, and pass the result as "
            "--camera-file"
        )


def grid_lines(camera: CameraCalibration) -> list[Array]:
    """Points along lines on the floor, ahead of the camera and along ground's axes. Shape of each: (n, 3)."""
    T = camera.T_ground_cam
    # The axis of ground nearest to the camera's viewing direction, and the other one.
    ahead, aside = (0, 2) if abs(T[0, 2]) >= abs(T[2, 2]) else (2, 0)
    origin = np.zeros(3)
    origin[[0, 2]] = np.round(T[[0, 2], 3] / SPACING_M) * SPACING_M
    far = np.arange(0.0, REACH_M + 1e-9, STEP_M) * (1.0 if T[ahead, 2] > 0.0 else -1.0)
    wide = np.arange(-WIDTH_M, WIDTH_M + 1e-9, STEP_M)
    every = round(SPACING_M / STEP_M)
    lines = [(far, np.full_like(far, across)) for across in wide[::every]]
    lines += [(np.full_like(wide, along), wide) for along in far[::every]]
    found = []
    for along, across in lines:
        line_m = np.tile(origin, (len(along), 1))
        line_m[:, ahead] += along
        line_m[:, aside] += across
        found.append(line_m)
    return found


def _pieces(
    camera: CameraCalibration, line_m: Array, width_px: int, height_px: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The visible pieces of a line as pairs of pixels."""
    T = camera.T_ground_cam
    depth_m = (line_m - T[:3, 3]) @ T[:3, 2]
    intrinsics = camera.intrinsics
    # The image may have been scaled to a window.
    uv_px = camera.project(np.where((depth_m > NEAREST_M)[:, None], line_m, np.nan))
    uv_px *= (width_px / intrinsics.width_px, height_px / intrinsics.height_px)
    margin = np.array([width_px, height_px], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        inside = (uv_px > -margin) & (uv_px < 2.0 * margin)
    near = np.asarray(inside.all(axis=1))
    found = []
    for k in np.flatnonzero(near[:-1] & near[1:]):
        (u0, v0), (u1, v1) = uv_px[k : k + 2].round().astype(int).tolist()
        found.append(((u0, v0), (u1, v1)))
    return found


class FloorDrawing:
    """An overlay drawn over the floor's grid.

    Args:
        camera: Camera with a calibrated floor.
        over: Overlay drawn on top.

    Raises:
        FloorError: the camera's floor was not measured.
    """

    def __init__(self, camera: CameraCalibration, over: Drawing) -> None:
        require_floor(camera)
        self._camera, self._over = camera, over

    def draw(self, image: Image, sample: PoseSample, stats: LiveStats | None = None) -> Image:
        """A new image with the grid and the overlay drawn on it."""
        ground = image.copy()
        draw_floor_grid(ground, self._camera)
        return self._over.draw(ground, sample, stats)
