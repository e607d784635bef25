"""Where the man of `two_people` is in the images, by his markers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calib.rig_file import load_rig
from calib.tables.storage import read_trc

Array = NDArray[np.float64]


def markers_px(folder: Path, view: str) -> Array:
    """Middle of the man's shoulder and hip markers in the image of a camera. Shape: (100, 2).

    Of the woman there are none: those of person1.trc are 0.4 m high, where nobody is.
    """
    rig, table = load_rig(folder / "Calib.qca.txt"), read_trc(folder / "person2.trc")
    camera = rig.cameras[rig.names.index(view)]
    torso = [table.names.index(name) for name in ("RShoulder", "LShoulder", "RHip", "LHip")]
    # The markers' ground is turned by a right angle against that of the calibration.
    points_m = table.positions_m[:, torso] @ np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    T = np.linalg.inv(camera.T_ground_cam)
    k = camera.intrinsics
    K = np.array([[k.fx, 0.0, k.cx], [0.0, k.fy, k.cy], [0.0, 0.0, 1.0]])
    distortion = np.array([*k.distortion, *[0.0] * 5])[:5]
    points = (points_m @ T[:3, :3].T + T[:3, 3]).reshape(-1, 1, 3)
    return (
        cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, distortion)[0].reshape(-1, 4, 2).mean(axis=1)
    )
