"""Elapsed time as causal networks see it: in seconds, not in frames.

Every function exists for whole sequences and for single steps, with equal results. Frames without a person
count like frames before the first: as infinitely old.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

MAX_AGE_S = 4.0
"""Largest age; older frames, and frames that never were, count as this old."""
FRAME_S = 1.0 / 30.0
N_AGE_FEATURES = 2


def age_features(age_s: Tensor) -> Tensor:
    """Logarithm of the age, to resolve adjacent frames, and the age. Shape: (..., N_AGE_FEATURES)."""
    return torch.stack([0.5 * torch.log1p(age_s / FRAME_S), age_s], -1)


def stamps(dt_s: Tensor) -> Tensor:
    """Time since the start of the sequence, in float64, to keep differences of large times exact.

    Args:
        dt_s: Shape: (b, t).
    """
    return dt_s.double().cumsum(1)


def since_seen(dt_s: Tensor, valid: Tensor) -> Tensor:
    """Time since a person was last detected before each frame, in s.

    Args:
        dt_s: Time since the previous frame. Shape: (b, t).
        valid: Whether a person is detected. Shape: (b, t).

    Returns:
        At most `MAX_AGE_S`. Shape: (b, t).
    """
    t_s = stamps(dt_s)
    last = torch.where(valid, t_s, -torch.inf).cummax(1).values
    return (t_s - _later(last, 1, -torch.inf)).clamp_max(MAX_AGE_S).to(dt_s.dtype)


def tap_ages(dt_s: Tensor, valid: Tensor, offsets: Sequence[int]) -> Tensor:
    """Ages of the frames that lie `offsets` frames before each, in s. Shape: (b, t, n_offsets)."""
    t_s = stamps(dt_s)
    seen = torch.where(valid, t_s, -torch.inf)
    ages = torch.stack([t_s - _later(seen, n, -torch.inf) for n in offsets], -1)
    return ages.clamp_max(MAX_AGE_S).to(dt_s.dtype)


def _later(values: Tensor, n: int, first: float) -> Tensor:
    """Values shifted n frames later. Shape: (b, t)."""
    return functional.pad(values, (n, 0), value=first)[:, : values.shape[1]]


def advance_clock(clock: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
    """Advance the clock of the newest frames by one frame.

    Args:
        clock: Age in s and whether somebody was seen, oldest frame first. Shape: (b, n, 2).
        dt_s: Shape: (b,).
        valid: Shape: (b,).
    """
    older = clock[:, 1:] + torch.stack([dt_s, torch.zeros_like(dt_s)], -1)[:, None]
    newest = torch.stack([torch.zeros_like(dt_s), valid.to(dt_s.dtype)], -1)[:, None]
    return torch.cat([older, newest], 1)


def clock_ages(clock: Tensor) -> Tensor:
    """Ages in the form of `tap_ages`. Shape: (...)."""
    return torch.where(clock[..., 1] > 0.5, clock[..., 0].clamp_max(MAX_AGE_S), MAX_AGE_S)
