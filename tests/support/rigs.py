"""Several cameras around a person who is known exactly, and what a landmark network would see in each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calib.camera import CameraCalibration, Intrinsics
from calib.kinematics import body_transforms
from calib.rig import Rig, make_rig
from calib.skeleton import Skeleton
from engines.blazepose.pose_landmark import HIPS, N_LANDMARKS
from engines.blazepose.tracker import BlazePoseResult
from engines.preprocess import Roi
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import rotation_to_ray

DISTANCE_M, HEIGHT_M = 3.5, 1.2
ACROSS_M, ALONG_M = 0.02, 0.08
"""Errors of landmarks in an image, and of the depths that a network gives."""


def ring(*degrees: float) -> Rig:
    """Cameras around the origin of ground, at breast height, level; 0 degrees is in front of the person."""
    k = Intrinsics(480, 640, 600.0, 600.0, 240.0, 320.0)
    cameras = []
    for number, angle in enumerate(np.radians(degrees)):
        eye = np.array([DISTANCE_M * np.cos(angle), HEIGHT_M, -DISTANCE_M * np.sin(angle)])
        forward = np.array([-np.cos(angle), 0.0, np.sin(angle)])
        down = np.array([0.0, -1.0, 0.0])
        T = np.eye(4)
        T[:3, :3] = np.stack([np.cross(down, forward), down, forward], axis=1)
        T[:3, 3] = eye
        cameras.append(CameraCalibration(k, T, 0.3, f"camera {number}"))
    return make_rig(cameras)


def person(skeleton: Skeleton, **angles_deg: float) -> np.ndarray:
    """Coordinates of somebody who stands at ground's origin and faces along X."""
    q = skeleton.q_default.copy()
    for name, value in angles_deg.items():
        q[skeleton.coordinate_index(name)] = np.radians(value)
    q[skeleton.coordinate_index("pelvis_ty")] = 0.95
    return q


def seen(
    skeleton: Skeleton,
    model: LandmarkModel,
    q: np.ndarray,
    camera: CameraCalibration,
    rng: np.random.Generator,
    *,
    noise: float = 1.0,
) -> BlazePoseResult:
    """Landmarks of a person in one view, with errors across and along the line of sight."""
    body = model.station_body
    T = body_transforms(skeleton, q)[body]
    p_ground = np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m) + T[:, :3, 3]
    p_cam = np.full((N_LANDMARKS, 3), 0.0)
    p_cam[:] = ((p_ground - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, :3]).mean(0)
    p_cam[model.landmark] = (p_ground - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, :3]
    p_cam[:, :2] += noise * rng.normal(0.0, ACROSS_M, (N_LANDMARKS, 2))
    uv_px = camera.intrinsics.project(p_cam)
    centre_px = uv_px.mean(0)
    relative_m = p_cam - p_cam[list(HIPS)].mean(0)
    relative_m[:, 2] += noise * rng.normal(0.0, ALONG_M, N_LANDMARKS)
    return BlazePoseResult(
        landmarks_px=np.column_stack([uv_px, np.zeros(N_LANDMARKS)]),
        world_m=relative_m @ rotation_to_ray(centre_px, camera.intrinsics),
        visibility=np.ones(N_LANDMARKS),
        presence=np.ones(N_LANDMARKS),
        score=1.0,
        roi=Roi(float(centre_px[0]), float(centre_px[1]), 500.0, 0.0),
        auxiliary_px=np.zeros((2, 3)),
        detected=False,
    )


def with_sides_swapped(result: BlazePoseResult) -> BlazePoseResult:
    """The same landmarks, taken for those of the other side from the eyes on."""
    index = np.arange(N_LANDMARKS)
    index[1:7] = [4, 5, 6, 1, 2, 3]
    index[7:] = [k + 1 if k % 2 else k - 1 for k in range(7, N_LANDMARKS)]
    return replace(result, landmarks_px=result.landmarks_px[index], world_m=result.world_m[index])
