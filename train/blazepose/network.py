"""Small networks from the truth of an image to BlazePose's mean output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

LARGEST_INPUT = 6.0
"""Largest input in standard deviations."""


@dataclass(frozen=True, slots=True)
class MeanOptions:
    """Training options of a network."""

    steps: int = 3000
    batch_size: int = 192
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    width: int = 320
    dropout: float = 0.1
    input_noise: float = 0.05
    knee: float = 1.0
    """Error in standard deviations beyond which the loss is linear."""
    seed: int = 0


class MeanNetwork(nn.Module):
    """A perceptron with one residual block; untrained it gives `target_mean`, which is 0.

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        width: Width of the hidden layers.
        dropout: Share of hidden units left out in training.
    """

    def __init__(self, n_in: int, n_out: int, *, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.input_mean: Tensor
        self.input_scale: Tensor
        self.target_mean: Tensor
        self.target_scale: Tensor
        self.register_buffer("input_mean", torch.zeros(n_in))
        self.register_buffer("input_scale", torch.ones(n_in))
        self.register_buffer("target_mean", torch.zeros(n_out))
        self.register_buffer("target_scale", torch.ones(n_out))
        self.stem = nn.Sequential(nn.Linear(n_in, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))
        self.block = nn.Sequential(
            nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(width, n_out)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, values: Tensor) -> Tensor:
        """Shape of values: (n, n_in). Returns: (n, n_out), in units of the target."""
        x = ((values - self.input_mean) / self.input_scale).clamp(-LARGEST_INPUT, LARGEST_INPUT)
        x = self.stem(x)
        return self.target_mean + self.target_scale * self.head(x + self.block(x))

    @torch.no_grad()
    def mean(self, values: Floats) -> Array:
        """The output for arrays, without gradients."""
        self.eval()
        return np.asarray(self(torch.from_numpy(values)).numpy(), dtype=np.float64)


def fit_mean(values: Floats, targets: Array, options: MeanOptions) -> MeanNetwork:
    """Train a network.

    Args:
        values: Inputs. Shape: (n, n_in).
        targets: Targets; NaN where unknown. Shape: (n, n_out).
        options: Training options.
    """
    torch.manual_seed(options.seed)
    x, y = torch.from_numpy(values), torch.from_numpy(targets.astype(np.float32))
    model = MeanNetwork(x.shape[1], y.shape[1], width=options.width, dropout=options.dropout)
    model.input_mean.copy_(x.mean(0))
    model.input_scale.copy_(x.std(0).clamp_min(1e-3))
    model.target_mean.copy_(torch.from_numpy(np.nanmean(targets, 0)))
    model.target_scale.copy_(torch.from_numpy(np.nanstd(targets, 0)).clamp_min(1e-4))
    optimiser = torch.optim.AdamW(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.steps, pct_start=0.1
    )
    model.train()
    for _ in range(options.steps):
        rows = torch.randint(len(x), (options.batch_size,))
        noise = options.input_noise * model.input_scale * torch.randn(len(rows), x.shape[1])
        loss = _loss(model, x[rows] + noise, y[rows], options.knee)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def _loss(model: MeanNetwork, values: Tensor, targets: Tensor, knee: float) -> Tensor:
    error = (model(values) - targets) / model.target_scale
    known = torch.isfinite(error)
    error = torch.where(known, error, 0.0)
    robust = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), beta=knee, reduction="none")
    return (robust * known).sum() / known.sum().clamp_min(1)
