"""Inputs of the lift network, from BlazePose's landmarks; the same for training and live use.

Landmarks are put into a frame that stands upright in the room and faces where the person faces, so that the
network need not learn that people look alike from all sides. The frame's axes are ground's: X forward,
Y up, Z to the person's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.blazepose.pose_landmark import EARS, HIPS, N_LANDMARKS, SHOULDERS, PoseLandmark

Array = NDArray[np.float64]

L = PoseLandmark
USED = np.array([L.NOSE, L.LEFT_EYE, L.RIGHT_EYE, *EARS, *range(L.LEFT_SHOULDER, N_LANDMARKS)])
"""Eyes' corners and mouth say nothing that nose, eyes and ears do not."""
DIRECTIONS = np.array(
    [
        (L.LEFT_HIP, L.LEFT_KNEE), (L.LEFT_KNEE, L.LEFT_ANKLE),
        (L.RIGHT_HIP, L.RIGHT_KNEE), (L.RIGHT_KNEE, L.RIGHT_ANKLE),
        (L.LEFT_ANKLE, L.LEFT_FOOT_INDEX), (L.RIGHT_ANKLE, L.RIGHT_FOOT_INDEX),
        (L.LEFT_HEEL, L.LEFT_FOOT_INDEX), (L.RIGHT_HEEL, L.RIGHT_FOOT_INDEX),
        (L.LEFT_ANKLE, L.LEFT_HEEL), (L.RIGHT_ANKLE, L.RIGHT_HEEL),
        (L.LEFT_SHOULDER, L.LEFT_ELBOW), (L.LEFT_ELBOW, L.LEFT_WRIST),
        (L.RIGHT_SHOULDER, L.RIGHT_ELBOW), (L.RIGHT_ELBOW, L.RIGHT_WRIST),
        (L.LEFT_WRIST, L.LEFT_INDEX), (L.RIGHT_WRIST, L.RIGHT_INDEX),
        (L.LEFT_WRIST, L.LEFT_PINKY), (L.RIGHT_WRIST, L.RIGHT_PINKY),
        SHOULDERS, HIPS, (L.LEFT_HIP, L.LEFT_SHOULDER), (L.RIGHT_HIP, L.RIGHT_SHOULDER),
        EARS, (L.LEFT_SHOULDER, L.LEFT_EAR), (L.RIGHT_SHOULDER, L.RIGHT_EAR),
    ]
)  # fmt: skip
"""Pairs of landmarks whose directions are given besides their places."""
LENGTHS = np.array(
    [
        (L.LEFT_HIP, L.LEFT_KNEE), (L.LEFT_KNEE, L.LEFT_ANKLE),
        (L.RIGHT_HIP, L.RIGHT_KNEE), (L.RIGHT_KNEE, L.RIGHT_ANKLE),
        (L.LEFT_SHOULDER, L.LEFT_HIP), (L.RIGHT_SHOULDER, L.RIGHT_HIP),
    ]
)  # fmt: skip
"""Pairs whose summed length is the person's size in the network's metres."""
MIRRORED = np.array([landmark.mirrored for landmark in L])
"""Which landmark each becomes in a mirror."""
N_FEATURES = 6 * len(USED) + 3 * len(DIRECTIONS) + len(LENGTHS) + 5


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkBatch:
    """Landmarks of n images and the cameras that took them."""

    landmarks_px: Array
    """x and y. Shape: (n, 33, 2)."""
    world_m: Array
    """From the mid hip, in directions of a camera that looks at the region's centre. Shape: (n, 33, 3)."""
    visibility: Array
    """Shape: (n, 33)."""
    roi_centre_px: Array
    """Of the region that the network looked at. Shape: (n, 2)."""
    camera: Array
    """Focal length and principal point x, y in px. Shape: (n, 3)."""
    R_ground_cam: Array
    """Shape: (n, 3, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the network reads, and what its answer must be turned back with."""

    values: NDArray[np.float32]
    """Shape: (n, N_FEATURES)."""
    heading_rad: Array
    """Turn about the vertical from ground to the person's frame. Shape: (n,)."""
    size_m: Array
    """Sum of `LENGTHS` in the network's metres. Shape: (n,)."""


def turn_about_vertical(angle_rad: Array) -> Array:
    """Rotations about Y. Shape: (n, 3, 3)."""
    c, s, zero, one = np.cos(angle_rad), np.sin(angle_rad), np.zeros_like(angle_rad), np.ones_like(angle_rad)
    rows = [[c, zero, s], [zero, one, zero], [-s, zero, c]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotations_to_rays(rays: Array) -> Array:
    """Smallest turns from the optical axis to rays (Rodrigues). Shape: (n, 3, 3)."""
    ray = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    x, y, z = ray[..., 0], ray[..., 1], ray[..., 2]
    f = 1.0 / (1.0 + z)
    rows = [[1.0 - f * x * x, -f * x * y, x], [-f * x * y, 1.0 - f * y * y, y], [-x, -y, z]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def landmark_features(batch: LandmarkBatch) -> Features:
    """Turn landmarks into what the network reads."""
    focal_px, principal_px = batch.camera[:, 0], batch.camera[:, 1:]
    centre = (batch.roi_centre_px - principal_px) / focal_px[:, None]
    R_cam_ray = rotations_to_rays(np.concatenate([centre, np.ones((len(centre), 1))], -1))
    R_ground_ray = batch.R_ground_cam @ R_cam_ray
    world = np.einsum("nij,nkj->nki", R_ground_ray, batch.world_m)
    world = world - 0.5 * (world[:, L.LEFT_HIP] + world[:, L.RIGHT_HIP])[:, None]
    across = (
        world[:, L.RIGHT_HIP]
        - world[:, L.LEFT_HIP]
        + 0.5 * (world[:, L.RIGHT_SHOULDER] - world[:, L.LEFT_SHOULDER])
    )
    heading_rad = np.arctan2(across[:, 0], across[:, 2])
    R_person_ground = turn_about_vertical(-heading_rad)
    places = np.einsum("nij,nkj->nki", R_person_ground, world)
    ends = places[:, LENGTHS]
    lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1)
    size_m = lengths.sum(1)
    pairs = places[:, DIRECTIONS]
    directions = pairs[:, :, 1] - pairs[:, :, 0]
    directions = directions / (np.linalg.norm(directions, axis=-1, keepdims=True) + 1e-6)
    R_person_ray = R_person_ground @ R_ground_ray
    values = np.concatenate(
        [
            (4.0 * places[:, USED] / size_m[:, None, None]).reshape(len(places), -1),
            directions.reshape(len(places), -1),
            _on_screen(batch, R_cam_ray)[:, USED].reshape(len(places), -1),
            batch.visibility[:, USED],
            lengths / size_m[:, None],
            R_person_ray[:, :, 2],  # where the camera looks
            R_person_ray[:, 1, :2],  # how it leans
        ],
        axis=1,
    )
    return Features(values.astype(np.float32), heading_rad, size_m)


def _on_screen(batch: LandmarkBatch, R_cam_ray: Array) -> Array:
    """Landmarks on the screen of the camera that looks at the region, in units of their spread."""
    xy = (batch.landmarks_px - batch.camera[:, None, 1:]) / batch.camera[:, None, :1]
    rays = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], -1)
    turned = np.einsum("nji,nkj->nki", R_cam_ray, rays)
    screen = turned[..., :2] / np.maximum(turned[..., 2:], 0.1)
    screen = screen - 0.5 * (screen[:, L.LEFT_HIP] + screen[:, L.RIGHT_HIP])[:, None]
    spread = np.sqrt((screen[:, USED] ** 2).sum(-1).mean(1))
    return screen / spread[:, None, None]


def mirrored(batch: LandmarkBatch) -> LandmarkBatch:
    """What would be seen of the mirrored person, in a mirrored room."""
    flip = np.array([-1.0, 1.0, 1.0])
    landmarks_px = batch.landmarks_px[:, MIRRORED].copy()
    landmarks_px[..., 0] = 2.0 * batch.camera[:, None, 1] - landmarks_px[..., 0]
    roi_centre_px = batch.roi_centre_px.copy()
    roi_centre_px[:, 0] = 2.0 * batch.camera[:, 1] - roi_centre_px[:, 0]
    # Ground's Z, the person's right, turns round with the camera's x.
    R_ground_cam = np.array([1.0, 1.0, -1.0])[:, None] * batch.R_ground_cam * flip
    return LandmarkBatch(
        landmarks_px=landmarks_px,
        world_m=batch.world_m[:, MIRRORED] * flip,
        visibility=batch.visibility[:, MIRRORED],
        roi_centre_px=roi_centre_px,
        camera=batch.camera,
        R_ground_cam=R_ground_cam,
    )
