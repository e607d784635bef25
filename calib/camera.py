"""Pinhole cameras in OpenCV's convention (Z forward, X right, Y down) and where they stand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import CameraError

DEFAULT_FOV_DEG = 60.0
"""Diagonal-free guess: most webcams and phones see 55 to 70 degrees along the longer side."""

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)
"""As OpenCV accepts them."""

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
            raise CameraError(f"field of view {fov_deg} deg; accepted: between 1 and 179")
        focal_px = 0.5 * max(width_px, height_px) / np.tan(np.radians(fov_deg) / 2.0)
        return cls(width_px, height_px, focal_px, focal_px, width_px / 2.0, height_px / 2.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera matrix. Shape: (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True, eq=False)
class CameraCalibration:
    """Intrinsics and the camera's place in ground."""

    intrinsics: Intrinsics
    T_ground_cam: NDArray[np.float64]
    """Camera to ground, in m. Shape: (4, 4)."""
    rms_px: float = float("nan")
    """Reprojection error of the calibration; NaN for an assumed camera."""

    @classmethod
    def assumed(cls, width_px: int, height_px: int, fov_deg: float = DEFAULT_FOV_DEG) -> CameraCalibration:
        """A level camera at ground's origin with a guessed field of view."""
        return cls(Intrinsics.from_fov(width_px, height_px, fov_deg), T_GROUND_LEVEL_CAM.copy())

    def project(self, p_ground: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels of points in ground, distortion ignored; NaN behind the camera. Shape: (..., 2)."""
        R, t = self.T_ground_cam[:3, :3], self.T_ground_cam[:3, 3]
        p_cam = (np.asarray(p_ground) - t) @ R
        depth = np.where(p_cam[..., 2:3] > 1e-6, p_cam[..., 2:3], np.nan)
        k = self.intrinsics
        return p_cam[..., :2] / depth * np.array([k.fx, k.fy]) + np.array([k.cx, k.cy])


def load_camera(path: Path) -> CameraCalibration:
    """Read a calibration written by `kinecast calibrate camera`.

    Raises:
        CameraError: the file is missing, not JSON, or lacks a field.
    """
    try:
        data = json.loads(Path(path).read_text())
        intrinsics = Intrinsics(
            int(data["width_px"]),
            int(data["height_px"]),
            float(data["fx"]),
            float(data["fy"]),
            float(data["cx"]),
            float(data["cy"]),
            tuple(float(v) for v in data.get("distortion", ())),
        )
        T_ground_cam = np.array(data.get("T_ground_cam", T_GROUND_LEVEL_CAM), dtype=np.float64)
        rms_px = float(data.get("rms_px", "nan"))
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CameraError(
            f"{path}: not a camera calibration ({type(error).__name__}: {error}); accepted: JSON with "
            "width_px, height_px, fx, fy, cx, cy, and perhaps distortion and T_ground_cam"
        ) from error
    _check(path, intrinsics, T_ground_cam)
    return CameraCalibration(intrinsics, T_ground_cam, rms_px)


def _check(path: Path, intrinsics: Intrinsics, T_ground_cam: NDArray[np.float64]) -> None:
    k = intrinsics
    if k.width_px < 1 or k.height_px < 1 or not (np.isfinite(k.matrix).all() and min(k.fx, k.fy) > 0.0):
        raise CameraError(
            f"{path}: {k.width_px} x {k.height_px} pixels, fx {k.fx}, fy {k.fy}, cx {k.cx}, cy {k.cy}; "
            "accepted: finite numbers, sizes and focal lengths above 0"
        )
    if len(k.distortion) not in DISTORTION_LENGTHS or not np.isfinite(k.distortion).all():
        raise CameraError(
            f"{path}: distortion {k.distortion}; accepted: none, or as many finite numbers as OpenCV uses: "
            f"{', '.join(map(str, DISTORTION_LENGTHS[1:]))}"
        )
    if T_ground_cam.shape != (4, 4) or not np.isfinite(T_ground_cam).all():
        raise CameraError(f"{path}: T_ground_cam is not a finite 4 x 4 matrix")
