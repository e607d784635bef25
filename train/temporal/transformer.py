"""A causal transformer over a sliding window: D3KE's sequence network without future frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal.elapsed import (
    MAX_AGE_S,
    N_AGE_FEATURES,
    advance_clock,
    age_features,
    clock_ages,
    stamps,
)
from train.temporal.network import Core, State

WINDOW = 48
N_LAYERS, N_HEADS = 4, 4
_NEVER = -1e4
"""Bias on the attention logits of masked frames."""


class _Block(nn.Module):
    """Attention and a feed-forward part, each behind a layer norm."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, normed: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Let q frames attend to k frames.

        Args:
            h: Shape: (..., q, width).
            normed: Hidden vectors after `attention_norm`. Shape: (..., q, width).
            key_value: Shape: (..., k, 2 width).
            bias: Added to the logits. Shape: (..., N_HEADS, q, k).
        """
        query = _heads(self.query(normed))
        key, value = (_heads(part) for part in key_value.chunk(2, -1))
        logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
        seen = (torch.softmax(logits, -1) @ value).transpose(-2, -3).flatten(-2)
        h = h + self.out(seen)
        return h + self.feed_forward(self.forward_norm(h))


def _heads(x: Tensor) -> Tensor:
    """Shape: (..., n, width) to (..., N_HEADS, n, width / N_HEADS)."""
    return x.unflatten(-1, (N_HEADS, -1)).transpose(-2, -3)


class TransformerCore(Core):
    """Each layer attends to the last `WINDOW` frames by content and age; live, keys and values are cached.

    Ages come from stamps and enter through a bias for each layer and head, so the rate of frames may change.
    """

    context = N_LAYERS * (WINDOW - 1)
    blocks: Sequence[_Block]

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(  # type: ignore[assignment]
            _Block(width, dropout) for _ in range(N_LAYERS)
        )
        self.bias = nn.Sequential(nn.Linear(N_AGE_FEATURES, 16), nn.GELU(), nn.Linear(16, N_LAYERS * N_HEADS))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """The ages of the window's frames, and each layer's keys and values of all but the newest."""
        layers = {f"keys_values_{k}": (WINDOW - 1, 2 * self.width) for k in range(N_LAYERS)}
        return {"clock": (WINDOW, 2), **layers}

    def forward(self, h: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """See `Core`. In chunks of `WINDOW` frames, each of which looks at itself and the chunk before."""
        n = h.shape[1]
        spare = -n % WINDOW
        h = functional.pad(h, (0, 0, 0, spare)).unflatten(1, (-1, WINDOW))
        ages_s, visible = _chunk_ages(functional.pad(dt_s, (0, spare)), functional.pad(valid, (0, spare)))
        biases = self._biases(ages_s, visible)
        for block, bias in zip(self.blocks, biases, strict=True):
            normed = block.attention_norm(h)
            key_value = block.key_value(normed)
            h = block(h, normed, torch.cat([_chunk_before(key_value), key_value], 2), bias)
        return h.flatten(1, 2)[:, :n]

    def step(self, h: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Core`."""
        clock = advance_clock(state[0], dt_s, valid)
        visible = torch.cat([clock[:, :-1, 1] > 0.5, torch.ones_like(clock[:, :1, 1]) > 0.5], 1)
        biases = self._biases(clock_ages(clock)[:, None], visible[:, None])
        h = h[:, None]
        caches = []
        for block, bias, cache in zip(self.blocks, biases, state[1:], strict=True):
            normed = block.attention_norm(h)
            key_value = torch.cat([cache, block.key_value(normed)], 1)
            h = block(h, normed, key_value, bias)
            caches.append(key_value[:, 1:])
        return h[:, 0], (clock, *caches)

    def _biases(self, ages_s: Tensor, visible: Tensor) -> tuple[Tensor, ...]:
        """A bias for each layer. Shapes: (..., q, k) twice; gives (..., N_HEADS, q, k)."""
        bias = self.bias(age_features(ages_s)) + torch.where(visible, 0.0, _NEVER)[..., None]
        return tuple(part.transpose(-1, -2).transpose(-2, -3) for part in bias.split(N_HEADS, -1))


def _chunk_ages(dt_s: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Ages of the frames of a chunk and the one before, and the mask of those a frame may attend to.

    Args:
        dt_s: Shape: (b, n WINDOW).
        valid: Shape: (b, n WINDOW).

    Returns:
        Shapes: (b, n, WINDOW, 2 WINDOW).
    """
    t_s, seen = (x.unflatten(1, (-1, WINDOW)) for x in (stamps(dt_s), valid))
    at_s, seen = (torch.cat([_chunk_before(x), x], 2) for x in (t_s, seen))
    ages_s = t_s[..., :, None] - at_s[..., None, :]
    steps_back = WINDOW + torch.arange(WINDOW)[:, None] - torch.arange(2 * WINDOW)
    steps_back = steps_back.to(dt_s.device)
    visible = ((steps_back > 0) & (steps_back < WINDOW) & seen[..., None, :]) | (steps_back == 0)
    # A frame without a person attends to itself at the largest age, as the clock of `step` does.
    never = ~seen[..., None, :] | (ages_s < 0.0)
    return torch.where(never, MAX_AGE_S, ages_s).clamp_max(MAX_AGE_S).to(dt_s.dtype), visible


def _chunk_before(x: Tensor) -> Tensor:
    """Each chunk's predecessor, zeros before the first. Shape: (b, n, WINDOW, ...)."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
