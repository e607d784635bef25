"""The patch network: joint centres and markers in patches of the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.features.patches import IS_POINT, MAX_POINTS, N_CONTEXT

MIN_LOG_SIGMA, MAX_LOG_SIGMA = -5.0, 1.0
"""Of standard deviations in sides of the patch."""
CHANNELS = (24, 40, 72, 112)


def _convolution(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
    )


class PatchNetwork(nn.Module):
    """Patches to points with a standard deviation each.

    A shared convolutional network; its maps are weighed by where and what the patch is (FiLM: Perez et al.,
    2018), which the landmarks and the kind of the patch tell.
    """

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.early = nn.Sequential(_convolution(3, a, 2), _convolution(a, b, 2), _convolution(b, b, 1))
        self.middle = nn.Sequential(_convolution(b, c, 2), _convolution(c, c, 1))
        self.context = nn.Sequential(nn.Linear(N_CONTEXT, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.film = nn.Linear(128, 2 * c)
        self.late = nn.Sequential(_convolution(c, d, 1), nn.Flatten())
        self.hidden = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(36 * d + 128, 256), nn.ReLU(), nn.Dropout(dropout)
        )
        self.points = nn.Linear(256, 3 * MAX_POINTS)

    def forward(self, patches: Tensor, context: Tensor) -> Tensor:
        """Points of n patches.

        Args:
            patches: RGB, 0 to 1. Shape: (n, 3, PATCH_PX, PATCH_PX).
            context: Shape: (n, N_CONTEXT).

        Returns:
            x, y from the centre in sides of the patch, and the standard deviation of each.
            Shape: (n, MAX_POINTS, 3).
        """
        about = self.context(context)
        maps = self.middle(self.early(patches - 0.5))
        factor, shift = self.film(about)[..., None, None].chunk(2, 1)
        maps = maps * (1.0 + factor) + shift
        out = self.points(self.hidden(torch.cat([self.late(maps), about], 1))).unflatten(1, (MAX_POINTS, 3))
        sigma = torch.exp(out[..., 2:].clamp(MIN_LOG_SIGMA, MAX_LOG_SIGMA))
        return torch.cat([out[..., :2], sigma], -1)


def patch_loss(found: Tensor, truth: Tensor, kind: Tensor) -> Tensor:
    """Negative log-likelihood of Laplace's distribution, over the points that each patch has.

    Args:
        found: What the network gives. Shape: (n, MAX_POINTS, 3).
        truth: Where the points are; NaN where there is none. Shape: (n, MAX_POINTS, 2).
        kind: Number of the kind of each patch. Shape: (n,).
    """
    is_point = torch.from_numpy(IS_POINT[::2])[kind] & torch.isfinite(truth).all(-1)
    error = (found[..., :2] - torch.nan_to_num(truth)).abs().sum(-1)
    sigma = found[..., 2]
    surprise = error / sigma + 2.0 * torch.log(sigma)
    return surprise[is_point].mean()
