"""A person who stands, squats and jumps before a camera, as the last stage of every estimator gets them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration
from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from calib.skeleton import Skeleton
from realtime.pose.estimate import Estimate
from realtime.pose.ground import PersonGround
from realtime.pose.skeletal_layer import SkeletalLayer
from realtime.sample import Frame, PoseSample, Status

CAMERA = CameraCalibration.assumed(640, 480)
IMAGE = np.zeros((4, 4, 3), np.uint8)
FRAME_NS = 20_000_000
STANDING_M = 1.0044
"""Height of the pelvis of the default skeleton over the floor, from its file."""
CAMERA_HEIGHT_M = 1.3
Motion = Callable[[float], dict[str, float]]


def squat(time_s: float) -> dict[str, float]:
    """Stands for a second and squats; the pelvis tilts forward by up to 30 degrees and lists by up to 3."""
    bent = 0.5 - 0.5 * np.cos(np.pi * max(0.0, time_s - 1.0))
    return {"tilt": -5.0 - 25.0 * bent, "list": 3.0 * bent, "up": -0.4 * bent}


def jump(time_s: float) -> dict[str, float]:
    """Stands for a second and a half, then is 0.4 m up in the air for half a second, and stands again."""
    return {"up": 0.4 if 1.5 <= time_s < 2.0 else 0.0}


def estimate(skeleton: Skeleton, facing_deg: float, *, tilt=0.0, list=0.0, up=0.0) -> Estimate:
    """A person 4 m away, turned about the vertical, in the ground of a camera at breast height."""
    pelvis = Rotation.from_euler("XZ", [list, tilt], degrees=True)
    R = (Rotation.from_euler("Y", facing_deg, degrees=True) * pelvis).as_matrix()
    q = np.zeros(skeleton.n_q)
    angles = Rotation.from_matrix(R).as_euler("ZXY")
    position = (-4.0, STANDING_M - CAMERA_HEIGHT_M + up, 0.3)
    for name, value in zip((*PELVIS_ROTATIONS, *PELVIS_TRANSLATIONS), (*angles, *position), strict=True):
        q[skeleton.coordinate_index(name)] = value
    ones = np.ones(skeleton.n_q)
    return Estimate(q, ones, np.ones((skeleton.n_bodies, 3)), Status.TRACKING, np.zeros(4), sigma=0.01 * ones)


def published(
    skeleton: Skeleton,
    motion: Motion,
    facing_deg: float = 0.0,
    *,
    heading: str = "person",
    camera: CameraCalibration = CAMERA,
    duration_s: float = 3.0,
    smoothing: bool = True,
) -> list[PoseSample]:
    """Samples of a motion, as the last stage of every estimator publishes them."""
    layer = SkeletalLayer(skeleton, smoothing=smoothing, ground=PersonGround(skeleton, camera, heading))
    return [
        layer.step(
            Frame(k, k * FRAME_NS, IMAGE), estimate(skeleton, facing_deg, **motion(k * FRAME_NS * 1e-9)), {}
        )
        for k in range(round(duration_s / (FRAME_NS * 1e-9)))
    ]
