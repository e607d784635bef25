"""BANet's networks on two views: a stacked hourglass over the images, a temporal U-Net over the moments.

For comparison. Views share the encoder and are pooled. The pelvis is left out, since the images do not tell
how the cameras are turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.direct.encoders.make import make_encoder
from train.direct.examples import DirectBatch
from train.direct.network import IMAGENET_DEVIATION, IMAGENET_MEAN
from train.fusion.pictures import N_VIEWS
from train.temporal.unet import UnetCore

ENCODER = "hourglass"
WIDTH = 48
"""Of a moment's vector."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipBatch:
    """The moments of one clip, all views of a moment one after another."""

    images: DirectBatch
    """N_VIEWS * n images with their truths."""
    dt_s: Tensor
    """Time since the moment before; 0 for the first. Shape: (n,)."""

    def to(self, device: torch.device) -> ClipBatch:
        """The batch on another device."""
        return ClipBatch(self.images.to(device), self.dt_s.to(device))


class TwoViewNetwork(nn.Module):
    """Images of two views to joint angles, moment by moment and with the moments before.

    Args:
        mean: Initial output. Shape: (n_angles,).
        deviation: Scale of the outputs. Shape: (n_angles,).
    """

    mean: Tensor
    deviation: Tensor
    pixel_mean: Tensor
    pixel_deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.encoder_dtype: torch.dtype | None = None
        """Data type of the encoder in training; the rest is always in single precision."""
        self.encoder = make_encoder(ENCODER)
        n_channels = int(self.encoder.n_channels[-1])  # type: ignore[index]
        self.embed = nn.Sequential(nn.Linear(n_channels, WIDTH), nn.GELU())
        self.sequence = UnetCore(WIDTH, 0.0)
        self.of_moment, self.of_sequence = (nn.Linear(WIDTH, len(mean)) for _ in range(2))
        self.register_buffer("mean", mean.clone())
        self.register_buffer("deviation", deviation.clone())
        for name, values in (("pixel_mean", IMAGENET_MEAN), ("pixel_deviation", IMAGENET_DEVIATION)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, dt_s: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the moments of a clip.

        Args:
            images: Red green blue from 0 to 1. Shape: (n * N_VIEWS, 3, side, side).
            dt_s: Time since the moment before. Shape: (n,).

        Returns:
            Angles of each moment alone, and with the moments before. Shapes: (n, n_angles).
        """
        h = self.vectors(images)
        before = self.sequence(h[None], dt_s[None], torch.ones_like(dt_s, dtype=torch.bool)[None])[0]
        return self.angles(self.of_moment(h)), self.angles(self.of_sequence(before))

    def vectors(self, images: Tensor) -> Tensor:
        """Vectors of moments from the images of their views. Shape: (n, WIDTH)."""
        x = (images - self.pixel_mean) / self.pixel_deviation
        with torch.autocast(x.device.type, self.encoder_dtype, enabled=self.encoder_dtype is not None):
            maps = self.encoder(x)[-1]
        pooled = maps.float().mean((2, 3)).unflatten(0, (-1, N_VIEWS)).mean(1)
        vectors: Tensor = self.embed(pooled)
        return vectors

    def angles(self, outputs: Tensor) -> Tensor:
        """Joint angles in rad from the outputs of a head. Shape: (n, n_angles)."""
        return self.mean + self.deviation * outputs

    @property
    def sequence_parameters(self) -> int:
        """Number of parameters that estimates of single moments do not use."""
        return sum(p.numel() for part in (self.sequence, self.of_sequence) for p in part.parameters())
