"""What the lifter is told about BlazePose's landmarks; the same for training and live use.

Landmarks are put into a frame that stands upright in the room and faces where the person faces, so that the
network need not learn that people look alike from all sides. The frame's axes are ground's: X forward,
Y up, Z to the person's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

N_LANDMARKS = 33
NOSE, LEFT_EAR, RIGHT_EAR = 0, 7, 8
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 11, 12, 23, 24
USED = np.array([0, 2, 5, 7, 8, *range(11, 33)])
"""Eyes' corners and mouth say nothing that nose, eyes and ears do not."""
DIRECTIONS = np.array(
    [
        (23, 25), (25, 27), (24, 26), (26, 28), (27, 31), (28, 32), (29, 31), (30, 32), (27, 29), (28, 30),
        (11, 13), (13, 15), (12, 14), (14, 16), (15, 19), (16, 20), (15, 17), (16, 18), (11, 12), (23, 24),
        (23, 11), (24, 12), (7, 8), (11, 7), (12, 8),
    ]
)  # fmt: skip
"""Pairs of landmarks whose directions are given besides their places."""
LENGTHS = np.array([(23, 25), (25, 27), (24, 26), (26, 28), (11, 23), (12, 24)])
"""Pairs whose summed length is the person's size in the network's metres."""
MIRRORED = np.array(
    [
        0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23, 26, 25, 28,
        27, 30, 29, 32, 31,
    ]
)  # fmt: skip
"""Which landmark each becomes in a mirror."""
N_FEATURES = 6 * len(USED) + 3 * len(DIRECTIONS) + len(LENGTHS) + 5


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkBatch:
    """Landmarks of n pictures and the cameras that took them."""

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
    world = world - 0.5 * (world[:, LEFT_HIP] + world[:, RIGHT_HIP])[:, None]
    across = (
        world[:, RIGHT_HIP] - world[:, LEFT_HIP] + 0.5 * (world[:, RIGHT_SHOULDER] - world[:, LEFT_SHOULDER])
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
    screen = screen - 0.5 * (screen[:, LEFT_HIP] + screen[:, RIGHT_HIP])[:, None]
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
