"""Finds a fixed camera from the landmarks that BlazePose sees of a person whose joint centres are known.

Sources store cameras as pickles, in worlds of their own, or not at all; joints and landmarks are enough.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.camera import CameraCalibration, Intrinsics
from engines.blazepose.pose_landmark import PoseLandmark

Array = NDArray[np.float64]

FIELDS_OF_VIEW_DEG = (60.0, 52.0, 68.0, 44.0, 76.0, 36.0)
"""Along the longer side, the commonest first; another is taken only if it fits clearly better."""
CLEARLY = 0.9
"""Ratio of misses."""
INLIER_SHARE = 0.05
"""Distance, in heights of the person in the image, within which a landmark counts."""
LARGEST_MISS = 0.06
"""Median distance, in the same unit, beyond which images and coordinates do not belong together."""
FEWEST_FRAMES = 3
JOINTS = {
    f"{side[0]}{joint}JC": PoseLandmark[f"{side}_{landmark}"]
    for side in ("RIGHT", "LEFT")
    for joint, landmark in {
        "S": "SHOULDER", "E": "ELBOW", "W": "WRIST", "H": "HIP", "K": "KNEE", "A": "ANKLE",
    }.items()
}  # fmt: skip
"""Marker of a joint centre -> BlazePose's landmark there."""


def fit_camera(
    centres_m: Array, landmarks_px: Array, width_px: int, height_px: int, fov_deg: float | None = None
) -> tuple[CameraCalibration, float] | None:
    """The camera that projects joint centres nearest to landmarks.

    Args:
        centres_m: Joint centres in ground, in the order of `JOINTS`; NaN where unknown. Shape: (n, 12, 3).
        landmarks_px: Landmarks; NaN where unseen. Shape: (n, 12, 2).
        width_px: Width of the images.
        height_px: Height of the images.
        fov_deg: Field of view along the longer side, if known.

    Returns:
        The camera, and its median miss in heights of the person; None where too little was seen.
    """
    height = float(np.nanmedian(np.nanmax(landmarks_px[..., 1], 1) - np.nanmin(landmarks_px[..., 1], 1)))
    is_known = np.isfinite(centres_m).all(2) & np.isfinite(landmarks_px).all(2)
    if is_known.sum() < FEWEST_FRAMES * 6 or not height > 0.0:
        return None
    points, pixels = centres_m[is_known], landmarks_px[is_known]
    best: tuple[CameraCalibration, float] | None = None
    for tried_deg in FIELDS_OF_VIEW_DEG if fov_deg is None else (fov_deg,):
        lens = Intrinsics.from_fov(width_px, height_px, tried_deg)
        camera = _place(points, pixels, lens, INLIER_SHARE * height)
        if camera is not None:
            miss = float(np.nanmedian(np.linalg.norm(camera.project(points) - pixels, axis=1))) / height
            if best is None or miss < CLEARLY * best[1]:
                best = camera, miss
    return best


def _place(points: Array, pixels: Array, lens: Intrinsics, inlier_px: float) -> CameraCalibration | None:
    K = np.array([[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]])
    cv2.setRNGSeed(0)  # the same data always give the same camera
    ok, turn, shift, inliers = cv2.solvePnPRansac(
        points, pixels, K, None, reprojectionError=inlier_px, iterationsCount=300, flags=cv2.SOLVEPNP_SQPNP
    )
    if not ok or inliers is None or len(inliers) < 6:
        return None
    chosen = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(points[chosen], pixels[chosen], K, None, turn, shift)
    T_ground_cam = np.eye(4)
    T_ground_cam[:3, :3] = np.asarray(cv2.Rodrigues(turn)[0], np.float64).T
    T_ground_cam[:3, 3] = -T_ground_cam[:3, :3] @ np.ravel(shift)
    return CameraCalibration(lens, T_ground_cam)
