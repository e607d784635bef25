"""Meaning of the temporal network's output, and its loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, binary_cross_entropy_with_logits, smooth_l1_loss

from engines.features.temporal import MAX_LOG_SIGMA, MIN_LOG_SIGMA, N_PELVIS, OutputLayout
from train.lift.fit import KNEE_OF_LOSS_RAD, LARGEST_SPREAD_RAD

SPEED_SCALE_RAD_S = 3.0
WANDER_FRAMES = 33
FAST_FRAME_S = 0.1
"""Longest step over which smoothness is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """Estimates of the network for n frames."""

    q: Tensor
    """Coordinates in rad. Shape: (..., n_coordinates)."""
    log_sigma: Tensor
    """Logarithms of the standard deviations in rad. Shape: (..., n_coordinates)."""
    qdot: Tensor
    """Velocities in rad/s. Shape: (..., n_coordinates)."""
    contact: Tensor
    """Logits of the right and the left foot resting on the floor. Shape: (..., 2)."""


def refine(x: Tensor, y: Tensor) -> Refined:
    """Apply an output to the coordinates in the input; zeros leave them unchanged.

    Args:
        x: Input made by `engines.features.temporal`. Shape: (..., n_features).
        y: Output in the order of `engines.features.temporal.OutputLayout`. Shape: (..., layout.size).
    """
    layout = OutputLayout.of_size(y.shape[-1])
    n = layout.n_coordinates
    first = N_PELVIS
    q, log_sigma = x[..., first : first + n], x[..., 2 * first + n : 2 * (first + n)]
    return Refined(
        q + y[..., layout.correction],
        (log_sigma + y[..., layout.log_sigma]).clamp(MIN_LOG_SIGMA, MAX_LOG_SIGMA),
        y[..., layout.speed],
        y[..., layout.contact],
    )


@dataclass(frozen=True, slots=True)
class TemporalLossWeights:
    """Weight of each loss term."""

    level: float = 1.0
    """Weight of the error itself, most of which is constant for seconds and cannot be smoothed away."""
    wander: float = 1.0
    """Weight of the error minus its mean over `WANDER_FRAMES`."""
    surprise: float = 0.05
    step: float = 0.5
    speed: float = 0.05
    contact: float = 0.02


def temporal_loss(
    x: Tensor, y: Tensor, target: Tensor, dt_s: Tensor, spread: Tensor, weights: TemporalLossWeights
) -> Tensor:
    """Loss of coordinates, their steps between frames, velocities, contacts and uncertainty.

    Args:
        x: Shape: (b, t, n_features).
        y: Shape: (b, t, layout.size).
        target: Coordinates, speeds and contacts; NaN where not known. Shape: (b, t, 2 n_coordinates + 2).
        dt_s: Shape: (b, t).
        spread: Standard deviation of each coordinate among people, in rad. Shape: (n_coordinates,).
        weights: Loss weights.
    """
    n = len(spread)
    refined = refine(x, y)
    q, qdot, contact = target[..., :n], target[..., n : 2 * n], target[..., 2 * n :]
    importance = 1.0 / spread.clamp_max(LARGEST_SPREAD_RAD)
    error = refined.q - q
    known = torch.isfinite(error)
    error = torch.where(known, error, 0.0)
    robust = _robust(error, KNEE_OF_LOSS_RAD) * importance
    wander = _robust(error - _local_mean(error, known), KNEE_OF_LOSS_RAD) * importance
    surprise = error.detach().abs() / refined.log_sigma.exp() + refined.log_sigma - spread.log()
    # A constant error is a wrong posture; one that changes between frames is jitter.
    close = known[:, 1:] & known[:, :-1] & (dt_s[:, 1:, None] < FAST_FRAME_S)
    step = _robust(error[:, 1:] - error[:, :-1], KNEE_OF_LOSS_RAD) * importance
    speed_error = (refined.qdot - torch.nan_to_num(qdot)) / SPEED_SCALE_RAD_S
    return (
        weights.level * _mean(robust, known)
        + weights.wander * _mean(wander, known)
        + weights.surprise * _mean(surprise, known)
        + weights.step * _mean(step, close)
        + weights.speed * _mean(_robust(speed_error, 0.1), torch.isfinite(qdot))
        + weights.contact
        * _mean(
            binary_cross_entropy_with_logits(refined.contact, torch.nan_to_num(contact), reduction="none"),
            torch.isfinite(contact),
        )
    )


def _local_mean(error: Tensor, known: Tensor) -> Tensor:
    """Mean over a window around each frame. Shapes: (b, t, n)."""

    def window(values: Tensor) -> Tensor:
        half = WANDER_FRAMES // 2
        return avg_pool1d(values.transpose(1, 2), WANDER_FRAMES, 1, half).transpose(1, 2)

    return window(error) / window(known.to(error.dtype)).clamp_min(1.0 / WANDER_FRAMES)


def _robust(error: Tensor, knee: float) -> Tensor:
    return smooth_l1_loss(error, torch.zeros_like(error), beta=knee, reduction="none")


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp_min(1)
