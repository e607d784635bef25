"""Images of calibration boards, seen through lenses that are known."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.boards.board import Board
from calib.boards.board_print import draw_sheet, lay_out
from calib.camera import Intrinsics

Array = NDArray[np.float64]

TEXTURE_DPI = 254
"""Whole dots for whole tenths of a millimetre: edges lie exactly where they should."""
PAPER, INK, WALL = 235.0, 20.0, 120.0


def brown(xy: Array, distortion: tuple[float, ...]) -> Array:
    """Brown's distortion of rays x, y, 1, written down from the formula (k1, k2, p1, p2, k3)."""
    k1, k2, p1, p2, k3 = distortion
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )


@lru_cache(maxsize=8)
def rays_of_pixels(k: Intrinsics, oversampling: int = 1) -> Array:
    """What each pixel, or part of one, sees at depth 1. Shape: (height, width, 2)."""
    n = oversampling
    u = (np.arange(k.width_px * n) + 0.5) / n - 0.5
    v = (np.arange(k.height_px * n) + 0.5) / n - 0.5
    seen = np.stack(np.meshgrid((u - k.cx) / k.fx, (v - k.cy) / k.fy), axis=-1)
    xy = seen.copy()
    if k.is_distorted:
        for _ in range(12):
            xy += seen - brown(xy, k.distortion)
    return xy


class BoardScene:
    """Draws one board in front of one camera.

    Args:
        board: what is printed.
        intrinsics: with five distortion coefficients.
        oversampling: samples along each side of a pixel.
    """

    def __init__(self, board: Board, intrinsics: Intrinsics, oversampling: int = 2) -> None:
        sheet = lay_out(board, "fit")
        paper = draw_sheet(sheet, TEXTURE_DPI).astype(np.float32) / 255.0
        self._texture = np.asarray(np.rint(INK + paper * (PAPER - INK)), np.uint8)
        left_mm, top_mm = sheet.black_mm[0][:2]
        # The first inner corner is one square from the pattern's corner.
        self._origin_m = np.array([left_mm, top_mm]) * 1e-3 + board.square_m
        self._rays = rays_of_pixels(intrinsics, oversampling)
        self._n = oversampling

    def draw(
        self, T_cam_board: Array, *, blur_px: float = 0.6, noise: float = 0.0, seed: int = 0
    ) -> NDArray[np.uint8]:
        """An image. Shape: (height, width, 3).

        Args:
            T_cam_board: where the board is.
            blur_px: standard deviation of the lens's blur.
            noise: standard deviation of the sensor's noise, in grey values.
            seed: of the noise.
        """
        # The plane z = 0 of the board, hit by the rays: a homography of x, y, 1.
        unit = TEXTURE_DPI / 0.0254
        dots_of_board = np.diag([unit, unit, 1.0])
        dots_of_board[:2, 2] = self._origin_m * unit - 0.5
        H = dots_of_board @ np.linalg.inv(T_cam_board[:3][:, [0, 1, 3]])
        dots = cv2.perspectiveTransform(self._rays, H).astype(np.float32)
        grey = cv2.remap(
            self._texture, dots, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=WALL
        )
        size = grey.shape[1] // self._n, grey.shape[0] // self._n
        small = cv2.resize(grey.astype(np.float64), size, interpolation=cv2.INTER_AREA)
        if blur_px:
            small = cv2.GaussianBlur(small, (0, 0), blur_px)
        small = small + np.random.default_rng(seed).normal(0.0, noise, small.shape) if noise else small
        return cv2.cvtColor(np.clip(np.rint(small), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def facing(
    board: Board, at_m: tuple[float, float, float], turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Array:
    """The place of a board whose middle is at a point in the camera, turned about X, Y and then Z there."""
    T = np.eye(4)
    for axis, angle in enumerate(np.radians(turn_deg)):
        R = cv2.Rodrigues(np.eye(3)[axis] * angle)[0]
        T[:3, :3] = R @ T[:3, :3]
    middle = board.corners_m.mean(axis=0)
    T[:3, 3] = np.array(at_m) - T[:3, :3] @ middle
    return T


def poses_of_a_session(board: Board, k: Intrinsics, n: int, seed: int) -> list[Array]:
    """Places as a person shows them: all over the image, near and far, tilted all ways."""
    rng = np.random.default_rng(seed)
    diagonal_m = float(np.hypot(*board.size_m))
    poses = []
    for index in range(n):
        # So far that the board fills a good part of the image.
        depth_m = diagonal_m * k.fx / min(k.width_px, k.height_px) * rng.uniform(1.05, 1.7)
        free = np.maximum(0.0, np.array([k.width_px, k.height_px]) - 0.75 * diagonal_m * k.fx / depth_m)
        uv = np.array([k.cx, k.cy]) + free * (rng.uniform(-0.5, 0.5, 2))
        at_m = (
            float((uv[0] - k.cx) / k.fx * depth_m),
            float((uv[1] - k.cy) / k.fy * depth_m),
            float(depth_m),
        )
        tilt, way = rng.uniform(10, 40), 2 * np.pi * index / 5 + rng.uniform(-0.3, 0.3)
        turn = (tilt * np.sin(way), tilt * np.cos(way), rng.uniform(-20, 20))
        poses.append(facing(board, at_m, turn))
    return poses
