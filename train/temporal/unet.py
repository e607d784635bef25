"""A transformer U-Net, BANet's sequence network, over a window that ends at the present frame.

BANet runs Restormer (Zamir et al., CVPR 2022) over closed chunks of 64 frames. Here the window slides and
only its last frame is read, so each frame costs a whole window, and none waits for those after it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal.elapsed import N_AGE_FEATURES, advance_clock, age_features, clock_ages, tap_ages
from train.temporal.network import Core, State

WINDOW = 32
N_BLOCKS = 2
"""Number of blocks per level, on the way down, at the bottom and on the way up."""


class _ChannelAttention(nn.Module):
    """Attention between channels over the window: "multi-Dconv head transposed attention" of Restormer."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.temperature = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.mix = nn.Sequential(
            nn.Conv1d(width, 3 * width, 1), nn.Conv1d(3 * width, 3 * width, 3, padding=1, groups=3 * width)
        )
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, width, window)."""
        query, key, value = (p.unflatten(1, (self.n_heads, -1)) for p in self.mix(x).chunk(3, 1))
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        weights = torch.softmax(query @ key.transpose(-1, -2) * self.temperature, -1)
        return self.out((weights @ value).flatten(1, 2))


class _GatedForward(nn.Module):
    """Restormer's gated feed-forward part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv1d(width, 4 * width, 1), nn.Conv1d(4 * width, 4 * width, 3, padding=1, groups=4 * width)
        )
        self.out = nn.Conv1d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, width, window)."""
        value, gate = self.mix(x).chunk(2, 1)
        return self.out(value * functional.gelu(gate))


class _Block(nn.Module):
    """Channel attention, then the feed-forward part, each behind a norm over channels."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.parts = nn.ModuleList([_ChannelAttention(width, n_heads), _GatedForward(width)])

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, width, window)."""
        for norm, part in zip(self.norms, self.parts, strict=True):
            x = x + part(norm(x.transpose(1, 2)).transpose(1, 2))
        return x


def _blocks(width: int, n_heads: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width, n_heads) for _ in range(N_BLOCKS)))


class _Level(nn.Module):
    """One level of the U: blocks, half the frames with twice the channels below, blocks again."""

    def __init__(self, width: int, n_heads: int, below: nn.Module) -> None:
        super().__init__()
        self.down_blocks, self.up_blocks = _blocks(width, n_heads), _blocks(width, n_heads)
        self.narrow = nn.Conv1d(width, width, 3, padding=1)
        self.below = below
        self.widen = nn.Conv1d(2 * width, 2 * width, 1)
        self.join = nn.Conv1d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (n, width, window)."""
        x = self.down_blocks(x)
        # Neighbouring frames side by side as channels, and back: a pixel shuffle in one dimension.
        halved = self.narrow(x).unflatten(2, (-1, 2)).permute(0, 1, 3, 2).flatten(1, 2)
        deep = self.widen(self.below(halved))
        restored = deep.unflatten(1, (-1, 2)).permute(0, 1, 3, 2).flatten(2, 3)
        return self.up_blocks(self.join(torch.cat([restored, x], 1)))


class UnetCore(Core):
    """A U-Net of three levels over the last `WINDOW` frames; live, their hidden vectors are cached."""

    context = WINDOW - 1

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.age = nn.Linear(N_AGE_FEATURES, width)
        self.dropout = nn.Dropout(dropout)
        self.levels = _Level(width, 1, _Level(2 * width, 2, _blocks(4 * width, 4)))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """The window's ages and vectors."""
        return {"clock": (WINDOW, 2), "window": (WINDOW, self.width)}

    def forward(self, h: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """See `Core`."""
        b, n, _ = h.shape
        h = h * valid[..., None].to(h.dtype)
        windows = functional.pad(h, (0, 0, WINDOW - 1, 0)).unfold(1, WINDOW, 1).transpose(-1, -2)
        ages_s = tap_ages(dt_s, valid, range(WINDOW - 1, -1, -1))
        return self._last(windows.flatten(0, 1), ages_s.flatten(0, 1)).unflatten(0, (b, n))

    def step(self, h: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Core`."""
        clock = advance_clock(state[0], dt_s, valid)
        h = h * valid[..., None].to(h.dtype)
        window = torch.cat([state[1][:, 1:], h[:, None]], 1)
        return self._last(window, clock_ages(clock)), (clock, window)

    def _last(self, window: Tensor, ages_s: Tensor) -> Tensor:
        """The newest frame of each window. Shapes: (n, WINDOW, width), (n, WINDOW)."""
        x = (window + self.age(age_features(ages_s))).transpose(1, 2)
        return window[:, -1] + self.dropout(self.levels(x)[..., -1])
