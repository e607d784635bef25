"""Pinhole cameras in OpenCV's convention (Z forward, X right, Y down) and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calib.errors import CameraError

DEFAULT_FOV_DEG = 60.0
"""Diagonal-free guess: most webcams and phones see 55 to 70 degrees along the longer side."""

STEEPEST_RAY = 8.0
"""Tangent of the widest angle from the optical axis that a lens of this model may see: 83 degrees."""
NEWTON_STEPS = 6
GRID = 101
"""Points across and down the image at which a lens model is checked."""

# Ground seen from an uncalibrated, level camera: the person who faces it looks along +X.
T_GROUND_LEVEL_CAM = np.array(
    [[0.0, 0.0, -1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsics:
    """How one camera maps its own coordinates to pixels (OpenCV's model)."""

    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, fov_deg: float = DEFAULT_FOV_DEG) -> Intrinsics:
        """A distortion-free camera that sees `fov_deg` along its longer side."""
        if not 1.0 < fov_deg < 179.0:
            raise CameraError(
                f"field of view {fov_deg} deg; accepted: between 1 and 179",
                name="fov_deg",
                value=fov_deg,
                accepted=(1.0, 179.0),
            )
        focal_px = 0.5 * max(width_px, height_px) / np.tan(np.radians(fov_deg) / 2.0)
        return cls(width_px, height_px, focal_px, focal_px, width_px / 2.0, height_px / 2.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera matrix. Shape: (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def is_distorted(self) -> bool:
        """Whether straight lines are seen bent."""
        return any(self.distortion)

    @property
    def fov_deg(self) -> tuple[float, float]:
        """Field of view across and down the image, distortion ignored."""
        return (
            float(np.degrees(2.0 * np.arctan(0.5 * self.width_px / self.fx))),
            float(np.degrees(2.0 * np.arctan(0.5 * self.height_px / self.fy))),
        )

    @property
    def folded_share(self) -> float:
        """Share of the image that shows nothing, since the lens model's polynomial turns back within it."""
        limit = largest_radius(self.distortion)
        if limit >= STEEPEST_RAY:
            return 0.0
        shares = (np.arange(GRID) + 0.5) / GRID
        x = (self.width_px * shares - 0.5 - self.cx) / self.fx
        y = (self.height_px * shares - 0.5 - self.cy) / self.fy
        return float((np.hypot(x, y[:, None]) > _seen_radius(self.distortion, np.array(limit))).mean())

    def project(self, p_cam: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels of points in the camera's own coordinates, distorted as the lens does.

        Args:
            p_cam: Points in camera axes, in m. Shape: (..., 3).

        Returns:
            NaN behind the camera, and where the lens model folds: far outside the image its polynomial
            turns back, and points there would be drawn inside. Shape: (..., 2).
        """
        p_cam = np.asarray(p_cam, dtype=np.float64)
        depth = np.where(p_cam[..., 2:3] > 1e-6, p_cam[..., 2:3], np.nan)
        if not self.is_distorted:
            return p_cam[..., :2] / depth * np.array([self.fx, self.fy]) + np.array([self.cx, self.cy])
        xy = p_cam[..., :2] / depth
        limit = largest_radius(self.distortion)
        xy = np.where(np.linalg.norm(xy, axis=-1, keepdims=True) <= limit, xy, np.nan)
        return self._distort(xy.reshape(-1, 2))[0].reshape(xy.shape)

    def rays(self, uv_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a pixel sees: the direction, with depth 1, of which `project` gives the pixel.

        Args:
            uv_px: Image points. Shape: (..., 2).

        Returns:
            NaN for pixels that no point in front of the lens reaches. Shape: (..., 3).
        """
        uv_px = np.asarray(uv_px, dtype=np.float64)
        flat = uv_px.reshape(-1, 2)
        # By column: tuples would be made arrays, which takes longer than the arithmetic of 33 landmarks.
        rays = np.empty((len(flat), 3))
        rays[:, 0] = (flat[:, 0] - self.cx) / self.fx
        rays[:, 1] = (flat[:, 1] - self.cy) / self.fy
        rays[:, 2] = 1.0
        if self.is_distorted:
            rays[:, :2] = self._undistort(flat, rays[:, :2])
        return rays.reshape(*uv_px.shape[:-1], 3)

    def scaled_to(self, width_px: int, height_px: int) -> Intrinsics:
        """The same lens and sensor, read out in another number of pixels.

        Right only where the camera shows the same scene in both sizes; many cut the edges off instead.

        Raises:
            CameraError: the sizes are not of one shape.
        """
        x, y = width_px / self.width_px, height_px / self.height_px
        if abs(x / y - 1.0) > max(1.0 / width_px, 1.0 / height_px):
            raise CameraError(
                f"calibrated at {self.width_px}x{self.height_px}, which says nothing about images of "
                f"another shape, {width_px}x{height_px}; calibrate at this size: kinecast calibrate camera"
            )
        # Pixel centres are whole numbers: the corner of the image, not of the first centre, stays in place.
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return replace(
            self, width_px=width_px, height_px=height_px, fx=self.fx * x, fy=self.fy * y, cx=cx, cy=cy
        )

    def _distort(self, xy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels of rays x, y, 1, and their derivatives. Shapes: (n, 2), (n, 2, 2)."""
        import cv2  # nothing else here needs it

        if not len(xy):
            return np.empty((0, 2)), np.empty((0, 2, 2))
        points = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        still = np.zeros(3)
        uv_px, jacobian = cv2.projectPoints(points, still, still, self.matrix, np.array(self.distortion))
        # By translation across the optical axis, which at depth 1 is the derivative by x and y.
        return np.asarray(uv_px[:, 0], np.float64), np.asarray(jacobian[:, 3:5], np.float64).reshape(-1, 2, 2)

    def _undistort(self, uv_px: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Solve `_distort` for its rays by Newton's method, from the undistorted guess. Shape: (n, 2)."""
        limit = largest_radius(self.distortion)
        for _ in range(NEWTON_STEPS):
            seen_px, J = self._distort(xy)
            step = np.linalg.solve(J, (seen_px - uv_px)[..., None])[..., 0]
            xy = xy - step
            # A step over the fold would end on the wrong branch.
            radius = np.linalg.norm(xy, axis=1, keepdims=True)
            xy = xy * np.minimum(1.0, 0.999 * limit / np.maximum(radius, 1e-12))
        miss_px = np.linalg.norm(self._distort(xy)[0] - uv_px, axis=1, keepdims=True)
        return np.where(miss_px < 1e-3, xy, np.nan)


@lru_cache(maxsize=64)
def largest_radius(distortion: tuple[float, ...]) -> float:
    """Distance from the axis, at depth 1, up to which the radial distortion keeps points in order."""
    r = np.linspace(0.0, STEEPEST_RAY, 4001)
    turns = np.flatnonzero(np.diff(_seen_radius(distortion, r)) <= 0.0)
    return float(r[turns[0]]) if len(turns) else STEEPEST_RAY


def _seen_radius(distortion: tuple[float, ...], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the radial distortion shows points at a distance `r` from the axis, both at depth 1."""
    k1, k2, _, _, k3, k4, k5, k6 = (distortion + (0.0,) * 8)[:8]
    r2 = r * r
    return np.asarray(r * (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6))))


@dataclass(frozen=True, slots=True, eq=False)
class CameraCalibration:
    """Intrinsics and the camera's place in ground."""

    intrinsics: Intrinsics
    T_ground_cam: NDArray[np.float64]
    """Camera to ground, in m. Shape: (4, 4)."""
    rms_px: float = float("nan")
    """Reprojection error of the calibration; NaN for an assumed camera."""
    name: str = ""
    """The camera's name for people; empty where not known."""
    device: str = ""
    """What the computer calls the attached camera; empty where not known."""
    has_floor: bool = False
    """Whether `T_ground_cam` was measured, so that Y points up and the floor is at Y = 0."""

    @classmethod
    def assumed(cls, width_px: int, height_px: int, fov_deg: float = DEFAULT_FOV_DEG) -> CameraCalibration:
        """A level camera at ground's origin with a guessed field of view."""
        return cls(Intrinsics.from_fov(width_px, height_px, fov_deg), T_GROUND_LEVEL_CAM.copy())

    @property
    def is_assumed(self) -> bool:
        """Whether nobody measured it."""
        return bool(np.isnan(self.rms_px))

    @property
    def description(self) -> str:
        """What is known of the camera, in a line for people."""
        across, down = self.intrinsics.fov_deg
        if self.is_assumed:
            return f"camera not calibrated, {max(across, down):.0f} deg field of view assumed"
        return f"camera calibrated to {self.rms_px:.2f} px, {max(across, down):.1f} deg field of view"

    def project(self, p_ground: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels of points in ground, as the lens shows them; NaN behind the camera. Shape: (..., 2)."""
        R, t = self.T_ground_cam[:3, :3], self.T_ground_cam[:3, 3]
        return self.intrinsics.project((np.asarray(p_ground) - t) @ R)

    def rays(self, uv_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit directions in ground that pixels see, from the camera's place on. Shape: (..., 3)."""
        rays = self.intrinsics.rays(uv_px)
        return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True) @ self.T_ground_cam[:3, :3].T)
