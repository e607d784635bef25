"""Spatial arithmetic that the stream and the overlay share; numpy only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from calib.camera import CameraCalibration
    from calib.skeleton import Skeleton
    from realtime.sample import PoseSample


def camera_in_ground(camera: CameraCalibration, sample: PoseSample) -> CameraCalibration:
    """The camera in the ground of a sample."""
    if sample.ground is None:
        return camera
    return replace(camera, T_ground_cam=sample.ground.T_ground_cam)


def joint_centres(
    skeleton: Skeleton, T_ground_body: NDArray[np.float64], scale_factors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Position in ground of the joint that carries each body.

    Args:
        skeleton: Skeleton with the joints' frames.
        T_ground_body: Poses of the bodies, in m. Shape: (n_bodies, 4, 4).
        scale_factors: Scale factors of the bodies. Shape: (n_bodies, 3).

    Returns:
        NaN where the body is unknown. Shape: (n_bodies, 3).
    """
    M = skeleton.tree.M_body_joint
    # Most joints sit at the body's origin, whatever its scale, known or not.
    p_body = np.where(M == 0.0, 0.0, M * scale_factors[:, None, :]).sum(axis=2)
    return np.einsum("bij,bj->bi", T_ground_body[:, :3, :3], p_body) + T_ground_body[:, :3, 3]


def coordinates_of(skeleton: Skeleton, body: int) -> list[int]:
    """The coordinates of the joint that carries a body, by index."""
    record = skeleton.tree.bodies[body]
    return skeleton.tree.column_coordinate[record["first_column"] : record["end_column"]].tolist()


def quaternions(R: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions of rotation matrices, w first and not negative; NaN where R is.

    Each is the longest column of the 4 x 4 matrix q q^T, written in terms of R, so no division is by a
    number near zero (Shepperd 1978).

    Args:
        R: Rotation matrices. Shape: (n, 3, 3).

    Returns:
        Shape: (n, 4).
    """
    xx, yy, zz = R[:, 0, 0], R[:, 1, 1], R[:, 2, 2]
    wx, wy, wz = R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]
    xy, xz, yz = R[:, 0, 1] + R[:, 1, 0], R[:, 0, 2] + R[:, 2, 0], R[:, 1, 2] + R[:, 2, 1]
    products = np.stack(
        [
            np.stack([1 + xx + yy + zz, wx, wy, wz], axis=1),
            np.stack([wx, 1 + xx - yy - zz, xy, xz], axis=1),
            np.stack([wy, xy, 1 - xx + yy - zz, yz], axis=1),
            np.stack([wz, xz, yz, 1 - xx - yy + zz], axis=1),
        ],
        axis=1,
    )
    longest = np.argmax(np.diagonal(products, axis1=1, axis2=2), axis=1)
    q = products[np.arange(len(R)), longest]
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    return np.where(q[:, :1] < 0.0, -q, q)


def rotation_matrices(wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices of unit quaternions. Shape: (n, 4) to (n, 3, 3)."""
    w, x, y, z = wxyz.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def aligned_quaternions(wxyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternions whose signs make neighbours near each other, to be interpolated or filtered.

    Args:
        wxyz: Quaternions of several bodies over time; NaN where unknown. Shape: (n, n_bodies, 4).
    """
    wxyz = wxyz.copy()
    last = np.nan_to_num(wxyz[0])
    for row in wxyz:
        row[np.einsum("bi,bi->b", row, last) < 0.0] *= -1.0
        last = np.where(np.isfinite(row), row, last)
    return wxyz
