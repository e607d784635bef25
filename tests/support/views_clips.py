"""Made-up clips of two views for the tests of BANet's networks: how light the images are tells the pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from calib.skeleton import Skeleton
from train.blazepose.pictures import save_images
from train.direct.encoders.hourglass import StackedHourglass
from train.files import save_arrays
from train.scene.cameras import look_at

N, SIDE_PX = 6, 128
STEP_RAD = 0.15
"""By which the knees bend from a moment to the next."""
KNEES = ("knee_angle_r", "knee_angle_l")
EYES_M = np.array([[3.0, 1.2, 0.0], [0.5, 1.5, 3.2]])


def camera(view: int) -> CameraCalibration:
    k = Intrinsics(SIDE_PX, SIDE_PX, 128.0, 128.0, 0.5 * SIDE_PX, 0.5 * SIDE_PX)
    return CameraCalibration(k, look_at(EYES_M[view], np.array([0.0, 0.9, 0.0]), 0.0))


def coordinates(skeleton: Skeleton, n: int) -> NDArray[np.float64]:
    q = np.tile(skeleton.q_default, (n, 1))
    q[:, skeleton.coordinate_index("pelvis_ty")] = 0.95
    q[:, [skeleton.coordinate_index(name) for name in KNEES]] = STEP_RAD * np.arange(n)[:, None]
    return q


def plain_images(n: int) -> list[NDArray[np.uint8]]:
    """The first view gets lighter as the knees bend; the second is blue."""
    images = [np.full((SIDE_PX, SIDE_PX, 3), 200 * k // n, np.uint8) for k in range(n)]
    return images + [np.full((SIDE_PX, SIDE_PX, 3), (200, 0, 0), np.uint8)] * n


def write_clip(
    folder: Path,
    skeleton: Skeleton,
    number: int = 0,
    n: int = N,
    images: list[NDArray[np.uint8]] | None = None,
) -> Path:
    """A clip of n moments, as `kinecast train lift-clips --views 2` writes them."""
    path = folder / f"views-0000-{number:04d}.npz"
    save_images(path, plain_images(n) if images is None else images)
    cameras = [camera(view) for view in range(2)]
    save_arrays(
        path,
        {
            "T_ground_cam": np.stack([one.T_ground_cam for one in cameras]),
            "fov_px": np.array([one.intrinsics.fx for one in cameras]), "side_px": np.array(SIDE_PX),
            "t_s": np.arange(n) / 3.0, "q": coordinates(skeleton, n),
            "scale_factors": np.ones((skeleton.n_bodies, 3)),
        },
    )  # fmt: skip
    return path


def small_hourglass() -> StackedHourglass:
    """A quarter of the stacks, and half the channels."""
    return StackedHourglass(n_stacks=1, n_channels=128)
