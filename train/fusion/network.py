"""A network over views, whatever their number and order: what each says, pooled by attention.

It reads one moment and nothing later, and corrects the mean of the lifter's coordinates over the views, so
that it begins as that mean. BANet fuses the features of two views by their place in the input instead, and
cannot be given a third.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.fusion.data import FusionRows

MIN_LOG_SIGMA, MAX_LOG_SIGMA = -4.5, 1.0
CLIPPED_AT = 5.0
"""Standard deviations at which inputs are cut off."""


class FusionModel(nn.Module):
    """Views to coordinates and their standard deviations.

    Args:
        n_view: Numbers that each view gives.
        n_crossed: Numbers that all views give together.
        n_coordinates: Number of coordinates.
        width: Width of the hidden layers.
        dropout: Share of hidden units left out in training.
    """

    def __init__(
        self, n_view: int, n_crossed: int, n_coordinates: int, *, width: int = 64, dropout: float = 0.4
    ) -> None:
        super().__init__()
        self.view_mean: Tensor
        self.view_scale: Tensor
        self.crossed_mean: Tensor
        self.crossed_scale: Tensor
        self.target_scale: Tensor
        for name, size in (("view", n_view), ("crossed", n_crossed)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        self.register_buffer("target_scale", torch.ones(n_coordinates))
        self.embed = nn.Sequential(nn.Linear(n_view, width), nn.GELU(), nn.Dropout(dropout))
        self.attend = nn.Linear(width, 1)
        self.crossed = nn.Sequential(nn.Linear(n_crossed, width), nn.GELU(), nn.Dropout(dropout))
        self.joint = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Dropout(dropout))
        self.correction = nn.Linear(width, n_coordinates)
        self.uncertainty = nn.Linear(width, n_coordinates)
        for layer in (self.correction, self.uncertainty):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def normalise(self, rows: FusionRows) -> None:
        """Take means and deviations of the inputs, and the error that is to be corrected, from data."""
        views = torch.from_numpy(rows.views).flatten(0, 1)
        for name, values in (("view", views), ("crossed", torch.from_numpy(rows.crossed))):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_scale").copy_(values.std(0).clamp_min(1e-2))
        error = torch.from_numpy(rows.truth - rows.pooled)
        self.target_scale.copy_(error.std(0).clamp_min(1e-2))

    def forward(self, views: Tensor, crossed: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate n moments.

        Args:
            views: Shape: (n, v, n_view).
            crossed: Shape: (n, n_crossed).
            pooled: Mean coordinates of the views. Shape: (n, n_coordinates).

        Returns:
            Coordinates and standard deviations in rad. Shapes: (n, n_coordinates).
        """
        views = ((views - self.view_mean) / self.view_scale).clamp(-CLIPPED_AT, CLIPPED_AT)
        crossed = ((crossed - self.crossed_mean) / self.crossed_scale).clamp(-CLIPPED_AT, CLIPPED_AT)
        each = self.embed(views)
        together = (torch.softmax(self.attend(each), 1) * each).sum(1)
        x = self.joint(torch.cat([together, self.crossed(crossed)], -1))
        log_sigma = self.uncertainty(x).clamp(MIN_LOG_SIGMA, MAX_LOG_SIGMA)
        return pooled + self.target_scale * self.correction(x), self.target_scale * torch.exp(log_sigma)
