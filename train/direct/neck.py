"""The neck: from the encoder's stages to the maps in which points are located."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

GROUPS = 4
"""Number of groups of 3x3 convolutions: many narrow groups are slow on CPUs."""
N_MIXED = 128
"""Number of channels in which coarse and fine maps are added."""


class TopDown(nn.Module):
    """Feature pyramid: coarse semantic maps are added to finer maps with exact positions.

    Source: Lin et al., "Feature pyramid networks for object detection", 2017.

    Args:
        n_channels: Number of channels of each stage, the finest first.
        n_out: Number of channels of the result.
    """

    def __init__(self, n_channels: Sequence[int], n_out: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(n, N_MIXED, 1) for n in n_channels)
        self.mixers = nn.ModuleList(_mixer(N_MIXED) for _ in n_channels[1:])
        self.last = nn.Sequential(
            nn.Conv2d(N_MIXED, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
        )

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Maps of the finest stage's size.

        Args:
            stages: Finest first. Shape of each: (n, channels, rows, columns).

        Returns:
            Shape: (n, n_out, rows, columns).
        """
        x: Tensor = self.laterals[-1](stages[-1])
        for k in range(len(stages) - 2, -1, -1):
            x = functional.interpolate(x, size=stages[k].shape[-2:])
            x = self.mixers[k](x + self.laterals[k](stages[k]))
        result: Tensor = self.last(x)
        return result


def _mixer(n: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n, n, 3, padding=1, groups=GROUPS, bias=False), nn.BatchNorm2d(n), nn.ReLU(inplace=True),
        nn.Conv2d(n, n, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU(inplace=True),
    )  # fmt: skip


class Coarsest(nn.Module):
    """The last stage as it is."""

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Shape: (n, channels, rows, columns)."""
        return stages[-1]
