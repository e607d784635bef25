"""A stacked hourglass as BANet and PIFu use it for single images.

Source: Newell et al., "Stacked hourglass networks for human pose estimation", 2016; group normalisation and
no shrinking after the first stride as in Saito et al., "PIFu", 2019, and BANet (2024).
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

N_GROUPS = 32
POOLS = (4, 8)
"""The maps have half the image's side; heads take an 8th and a 16th."""


class ConvBlock(nn.Module):
    """Three 3x3 convolutions, each on the one before; their channels side by side, and a shortcut."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        widths = (n_in, n_out // 2, n_out // 4, n_out // 4)
        self.norms = nn.ModuleList(nn.GroupNorm(N_GROUPS, n) for n in widths[:3])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths)
        )
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, channels, rows, columns)."""
        parts, y = [], x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(functional.relu(norm(y)))
            parts.append(y)
        return torch.cat(parts, 1) + self.shortcut(x)


class Hourglass(nn.Module):
    """Down and up again, with a branch at each level."""

    def __init__(self, depth: int, n: int) -> None:
        super().__init__()
        self.branch, self.down, self.up = ConvBlock(n, n), ConvBlock(n, n), ConvBlock(n, n)
        self.inner: nn.Module = Hourglass(depth - 1, n) if depth > 1 else ConvBlock(n, n)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, channels, rows, columns)."""
        low = self.up(self.inner(self.down(functional.avg_pool2d(x, 2))))
        low = functional.interpolate(low, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.branch(x) + low


class StackedHourglass(nn.Module):
    """Several hourglasses, each refining the one before; their features side by side.

    Args:
        n_stacks: Hourglasses.
        depth: Levels of each.
        n_channels: Inside.
        n_features: Number of channels of each stack that the heads receive.
    """

    stride: ClassVar[int] = 2 * POOLS[-1]

    def __init__(
        self, n_stacks: int = 4, depth: int = 2, n_channels: int = 256, n_features: int = 128
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.GroupNorm(N_GROUPS, 64), nn.ReLU(inplace=True),
            ConvBlock(64, 128), ConvBlock(128, 128), ConvBlock(128, n_channels),
        )  # fmt: skip
        self.stacks = nn.ModuleList(Hourglass(depth, n_channels) for _ in range(n_stacks))
        self.tops = nn.ModuleList(
            nn.Sequential(
                ConvBlock(n_channels, n_channels), nn.Conv2d(n_channels, n_channels, 1, bias=False),
                nn.GroupNorm(N_GROUPS, n_channels), nn.ReLU(inplace=True),
            )
            for _ in range(n_stacks)
        )  # fmt: skip
        self.features = nn.ModuleList(nn.Conv2d(n_channels, n_features, 1) for _ in range(n_stacks))
        self.back = nn.ModuleList(nn.Conv2d(n_features, n_channels, 1) for _ in range(n_stacks - 1))
        self.n_channels = (n_stacks * n_features,) * len(POOLS)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps.

        Args:
            x: Normalised images. Shape: (n, 3, side, side).

        Returns:
            Twice, the finer first. Shapes: (n, n_channels[-1], side / 8, side / 8) and half the side.
        """
        x = self.first(x)
        outputs = []
        for k, (stack, top, features) in enumerate(zip(self.stacks, self.tops, self.features, strict=True)):
            y = top(stack(x))
            outputs.append(features(y))
            if k < len(self.back):
                x = x + y + self.back[k](outputs[-1])
        maps = torch.cat(outputs, 1)
        return tuple(functional.avg_pool2d(maps, pool) for pool in POOLS)
