"""The lifter: a network from BlazePose's landmarks to OpenSim coordinates, trained on synthetic people.

It learns what inverse kinematics on landmarks does not model: where BlazePose's landmarks lie on bodies,
the errors of its depth, and which poses are likely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS, mirror_index
from calib.pelvis import pelvis_angles, pelvis_rotation
from calib.skeleton import Skeleton
from engines.features.landmarks import (
    N_FEATURES,
    LandmarkBatch,
    landmark_features,
    mirrored,
    turn_about_vertical,
)
from train.blazepose.data import LiftData
from train.motion.library import mirror

Array = NDArray[np.float64]

PITCH_NOISE_RAD = np.radians(3.0)
"""Standard deviation of the pitch of an uncalibrated camera, which is assumed level."""
FOCAL_NOISE = 0.12
"""Standard deviation of the logarithm of the focal length, which is guessed for uncalibrated cameras."""
MIN_LOG_SIGMA, MAX_LOG_SIGMA = -4.0, 1.5


def lifted_coordinates(skeleton: Skeleton) -> tuple[str, ...]:
    """The coordinates that the lifter estimates: all but the pelvis's position."""
    return tuple(n for n in skeleton.coordinate_names if n not in PELVIS_TRANSLATIONS)


def _layer(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.GELU(), nn.Dropout(dropout))


class LiftModel(nn.Module):
    """Features to coordinates in the person's frame, their uncertainty, and relative scale factors.

    Args:
        n_coordinates: Number of output coordinates.
        n_scale_factors: Number of scale factors of the skeleton.
        width: Hidden layer width.
        dropout: Share of hidden units left out in training.
    """

    def __init__(
        self, n_coordinates: int, n_scale_factors: int, *, width: int = 768, dropout: float = 0.15
    ) -> None:
        super().__init__()
        self.n_coordinates = n_coordinates
        self.feature_mean: Tensor
        self.feature_scale: Tensor
        self.target_mean: Tensor
        self.target_scale: Tensor
        self.log_scale_mean: Tensor
        self.register_buffer("feature_mean", torch.zeros(N_FEATURES))
        self.register_buffer("feature_scale", torch.ones(N_FEATURES))
        self.register_buffer("target_mean", torch.zeros(n_coordinates))
        self.register_buffer("target_scale", torch.ones(n_coordinates))
        self.register_buffer("log_scale_mean", torch.zeros(n_scale_factors))
        self.stem = _layer(N_FEATURES, width, dropout)
        self.blocks = nn.ModuleList(_layer(width, width, dropout) for _ in range(2))
        self.coordinates = nn.Linear(width, n_coordinates)
        self.uncertainty = nn.Linear(width, n_coordinates)
        self.scale_factors = nn.Linear(width, n_scale_factors)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Estimate from n images.

        Args:
            features: Shape: (n, N_FEATURES).

        Returns:
            Coordinates and their standard deviations in rad, and scale factors per metre of the network's
            size. Shapes: (n, n_coordinates) twice, (n, n_scale_factors).
        """
        x = ((features - self.feature_mean) / self.feature_scale).clamp(-6.0, 6.0)
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        q = self.target_mean + self.target_scale * self.coordinates(x)
        log_sigma = self.uncertainty(x).clamp(MIN_LOG_SIGMA, MAX_LOG_SIGMA)
        scale = torch.exp(self.log_scale_mean + 0.1 * self.scale_factors(x))
        return q, self.target_scale * torch.exp(log_sigma), scale


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Inputs and targets of the lifter as tensors."""

    features: Tensor
    """Shape: (n, N_FEATURES)."""
    q: Tensor
    """Shape: (n, n_coordinates)."""
    scale: Tensor
    """Shape: (n, n_scale_factors)."""

    def __len__(self) -> int:
        return len(self.q)


@dataclass(frozen=True, slots=True, eq=False)
class CameraNoise:
    """Errors of the cameras' assumed parameters."""

    focal: Array
    """Factor of the focal length. Shape: (n,)."""
    R_cam_true: Array
    """Rotation from the true to the assumed camera orientation. Shape: (n, 3, 3)."""


def camera_noise(rng: np.random.Generator, n: int, camera: NDArray[np.int64] | None = None) -> CameraNoise:
    """Draw the errors for n images.

    Args:
        rng: Random generator.
        n: Number of images.
        camera: Camera of each image, as numbers below n; None for one camera per image. Shape: (n,).
    """
    camera = np.arange(n) if camera is None else camera
    focal = np.exp(rng.normal(0.0, FOCAL_NOISE, n))
    pitch, roll = rng.normal(0.0, PITCH_NOISE_RAD, n), rng.normal(0.0, 0.3 * PITCH_NOISE_RAD, n)
    turns = Rotation.from_euler("xz", np.stack([pitch, roll], -1)).as_matrix()
    return CameraNoise(focal[camera], turns[camera])


def landmark_batch(data: LiftData, noise: CameraNoise | None = None) -> LandmarkBatch:
    """The observations of some data, with the errors of the cameras if `noise` is given."""
    camera, R = data.camera.astype(np.float64), data.R_ground_cam.astype(np.float64)
    if noise is not None:
        camera = camera.copy()
        camera[:, 0] *= noise.focal
        R = R @ noise.R_cam_true
    return LandmarkBatch(
        data.landmarks_px[..., :2].astype(np.float64), data.world_m.astype(np.float64),
        (data.visibility * data.presence).astype(np.float64), data.roi[:, :2].astype(np.float64), camera, R,
    )  # fmt: skip


def pelvis_rotations(q: Array, skeleton: Skeleton) -> Array:
    """Rotation from pelvis to ground: body-fixed rotations about Z, X, Y. Shape: (n, 3, 3)."""
    angles = np.stack([q[:, skeleton.coordinate_index(name)] for name in PELVIS_ROTATIONS], -1)
    return pelvis_rotation(angles)


def make_pairs(
    data: LiftData, skeleton: Skeleton, rng: np.random.Generator | None, *, flip: bool = False
) -> Pairs:
    """Inputs and targets of the lifter.

    Args:
        data: Observations.
        skeleton: Skeleton of `data.q`.
        rng: Random generator of camera errors; None for exact cameras.
        flip: Whether to mirror the pairs.
    """
    noise = None if rng is None else camera_noise(rng, len(data))
    batch, q = landmark_batch(data, noise), data.q.astype(np.float64)
    R_pelvis = pelvis_rotations(q, skeleton)
    scale = data.scale_factors.astype(np.float64)
    if flip:
        batch = mirrored(batch)
        q, R_pelvis = mirrored_truth(q, R_pelvis, skeleton)
        scale = scale[:, mirror_index(skeleton.body_names)]
    features = landmark_features(batch)
    q[:, [skeleton.coordinate_index(n) for n in PELVIS_ROTATIONS]] = pelvis_angles(
        turn_about_vertical(-features.heading_rad) @ R_pelvis
    )
    index = [skeleton.coordinate_index(n) for n in lifted_coordinates(skeleton)]
    return Pairs(
        torch.from_numpy(features.values),
        torch.from_numpy(q[:, index].astype(np.float32)),
        torch.from_numpy((scale.reshape(len(scale), -1) / features.size_m[:, None]).astype(np.float32)),
    )


def mirrored_truth(q: Array, R_pelvis: Array, skeleton: Skeleton) -> tuple[Array, Array]:
    """Coordinates and pelvis rotations of the mirrored person."""
    M = np.diag([1.0, 1.0, -1.0])
    return mirror(skeleton, q), M @ R_pelvis @ M
