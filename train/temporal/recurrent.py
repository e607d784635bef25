"""Fast cores with constant cost per frame: dilated causal convolutions, and gated recurrent units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal.elapsed import N_AGE_FEATURES, advance_clock, age_features, clock_ages, tap_ages
from train.temporal.network import Core, State

DILATIONS = (1, 2, 4, 8, 16)
"""Receptive field with three taps each: 63 frames."""


class _TcnBlock(nn.Module):
    """Gated residual block over three taps (WaveNet, van den Oord et al. 2016) with their ages as inputs."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Linear(3 * width + 2 * N_AGE_FEATURES, 2 * width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def normed(self, h: Tensor, valid: Tensor) -> Tensor:
        """The hidden vectors that later frames see; zeros in frames without a person."""
        return self.norm(h) * valid[..., None].to(h.dtype)

    def forward(self, h: Tensor, taps: list[Tensor], ages_s: Tensor) -> Tensor:
        """Add the gated mixture of the taps. Shapes: (..., width), three of (..., width), (..., 2)."""
        gated = functional.glu(self.taps(torch.cat([*taps, age_features(ages_s).flatten(-2)], -1)), -1)
        return h + self.mix(self.dropout(gated))


class TcnCore(Core):
    """Dilated causal convolutions; live, each block keeps its inputs of the last 2 x dilation frames."""

    context = 2 * sum(DILATIONS)
    blocks: Sequence[_TcnBlock]

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(  # type: ignore[assignment]
            _TcnBlock(width, d, dropout) for d in DILATIONS
        )

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """The ages of the newest frames, and each block's inputs on them."""
        blocks = {f"tcn_{d}": (2 * d, self.width) for d in DILATIONS}
        return {"clock": (2 * DILATIONS[-1] + 1, 2), **blocks}

    def forward(self, h: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """See `Core`."""
        for block in self.blocks:
            d = block.dilation
            padded = functional.pad(block.normed(h, valid), (0, 0, 2 * d, 0))
            n = h.shape[1]
            taps = [padded[:, :n], padded[:, d : d + n], padded[:, 2 * d :]]
            h = block(h, taps, tap_ages(dt_s, valid, (2 * d, d)))
        return h

    def step(self, h: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Core`."""
        clock = advance_clock(state[0], dt_s, valid)
        ages_s = clock_ages(clock)
        caches = []
        for block, cache in zip(self.blocks, state[1:], strict=True):
            d = block.dilation
            newest = block.normed(h, valid)
            taps = [cache[:, 0], cache[:, d], newest]
            h = block(h, taps, torch.stack([ages_s[:, -1 - 2 * d], ages_s[:, -1 - d]], -1))
            caches.append(torch.cat([cache[:, 1:], newest[:, None]], 1))
        return h, (clock, *caches)


class _GruLayer(nn.Module):
    """Gated recurrent units (Cho et al. 2014) whose state decays with time (GRU-D, Che et al. 2018)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.of_input = nn.Linear(width, 3 * width)
        self.of_state = nn.Linear(width, 3 * width)
        self.log_decay = nn.Parameter(torch.linspace(-5.0, 0.0, width))
        self.dropout = nn.Dropout(dropout)

    def keep(self, dt_s: Tensor) -> Tensor:
        """Share of the state that remains after some time. Shape: (..., width)."""
        return torch.exp(-dt_s[..., None] * torch.exp(self.log_decay))

    def advance(self, gates: Tensor, keep: Tensor, valid: Tensor, state: Tensor) -> Tensor:
        """The state after one frame. Shapes: (b, 3 width), (b, width), (b, 1), (b, width)."""
        state = keep * state
        reset_in, update_in, new_in = gates.chunk(3, -1)
        reset_state, update_state, new_state = self.of_state(state).chunk(3, -1)
        new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_state) * new_state)
        update = torch.sigmoid(update_in + update_state) * valid
        return state + update * (new - state)


class GruCore(Core):
    """Two layers of gated recurrent units; without a person the state only decays."""

    n_layers = 2
    layers: Sequence[_GruLayer]

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(  # type: ignore[assignment]
            _GruLayer(width, dropout) for _ in range(self.n_layers)
        )

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """One vector for each layer."""
        return {f"gru_{k}": (self.width,) for k in range(self.n_layers)}

    def forward(self, h: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """See `Core`."""
        seen = valid[..., None].to(h.dtype)
        for layer in self.layers:
            gates, keep = layer.of_input(layer.norm(h)), layer.keep(dt_s)
            state, states = torch.zeros_like(h[:, 0]), []
            for g, k, s in zip(gates.unbind(1), keep.unbind(1), seen.unbind(1), strict=True):
                state = layer.advance(g, k, s, state)
                states.append(state)
            h = h + layer.dropout(torch.stack(states, 1))
        return h

    def step(self, h: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Core`."""
        seen = valid[..., None].to(h.dtype)
        new_states = []
        for layer, old in zip(self.layers, state, strict=True):
            gates = layer.of_input(layer.norm(h))
            new_states.append(layer.advance(gates, layer.keep(dt_s), seen, old))
            h = h + layer.dropout(new_states[-1])
        return h, tuple(new_states)
