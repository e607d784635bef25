"""Causal networks over per-frame vectors: run over whole sequences in training, frame by frame when live."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.temporal.elapsed import MAX_AGE_S, N_AGE_FEATURES, age_features, since_seen
from train.temporal.lines import LineSmoother
from train.temporal.slow import SlowState

MAX_DEVIATION = 6.0
"""Limit of normalised inputs, the same as the lifter's."""

State = tuple[Tensor, ...]


class Core(nn.Module):
    """The fast part of a causal network: hidden vectors in, hidden vectors of the same size out.

    Frames that are not valid must leave no trace but the time that passed, so that they, and what lies before
    the first frame, are the same to a core.
    """

    context: int | None = None
    """Number of earlier frames that the output depends on; None for all."""

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each tensor of the state, without the batch; all are zero at first."""
        raise NotImplementedError

    def forward(self, h: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """Run over whole sequences. Shapes: (b, t, width), (b, t), (b, t); gives (b, t, width)."""
        raise NotImplementedError

    def step(self, h: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over one frame. Shapes: (b, width), (b,), (b,); gives (b, width) and the new state."""
        raise NotImplementedError


class CausalNetwork(nn.Module):
    """A stem, the slow state of the person, a fast core, and a head initialised to zero.

    Args:
        n_in: Size of a frame's vector.
        n_out: Size of the output.
        core: The fast part.
        width: Width of the core.
        n_slow: Size of the slow state's embedding.
        dropout: Share of hidden units left out in training.
        lines: Smoother that turns the head's output into coordinates; None to use the output as it is.
    """

    input_mean: Tensor
    input_scale: Tensor
    output_scale: Tensor

    def __init__(
        self,
        n_in: int,
        n_out: int,
        core: Core,
        *,
        width: int,
        n_slow: int = 48,
        dropout: float = 0.0,
        lines: LineSmoother | None = None,
    ) -> None:
        super().__init__()
        self.n_in, self.n_out, self.width, self.lines = n_in, n_out, width, lines
        self.register_buffer("input_mean", torch.zeros(n_in))
        self.register_buffer("input_scale", torch.ones(n_in))
        n_raw = n_out if lines is None else lines.n_raw(n_out)
        self.register_buffer("output_scale", torch.ones(n_raw))
        self.stem = _layer(n_in + N_AGE_FEATURES, width, dropout)
        self.slow = SlowState(width, n_slow)
        self.join = _layer(width + self.slow.n_features, width, dropout)
        self.core = core
        self.head_norm, self.head = nn.LayerNorm(width), nn.Linear(width, n_raw)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each tensor of the state, without the batch."""
        lines = {} if self.lines is None else self.lines.state_shapes
        return {"since_seen": (2,), **self.slow.state_shapes, **self.core.state_shapes, **lines}

    @property
    def answer_scale(self) -> Tensor:
        """Typical size of each output, for comparisons. Shape: (n_out,)."""
        return self.output_scale if self.lines is None else self.output_scale.new_ones(self.n_out)

    def initial_state(self, batch: int) -> State:
        """The state before the first frame: zeros."""
        return tuple(self.input_mean.new_zeros(batch, *shape) for shape in self.state_shapes.values())

    @torch.no_grad()
    def set_normalisation(self, mean: Tensor, scale: Tensor, output_scale: Tensor | None = None) -> None:
        """Set the normalisation of inputs and the scale of outputs.

        Args:
            mean: Shape: (n_in,).
            scale: Shape: (n_in,).
            output_scale: Scale of the head's output; None leaves it at 1. Shape: (n_raw,); without a smoother
                n_raw is n_out.
        """
        self.input_mean.copy_(mean)
        self.input_scale.copy_(scale)
        if output_scale is not None:
            self.output_scale.copy_(output_scale)

    def forward(self, x: Tensor, dt_s: Tensor, valid: Tensor, first: int = 0) -> Tensor:
        """Run over whole sequences.

        Args:
            x: Input; arbitrary, even NaN, in frames without a person. Shape: (b, t, n_in).
            dt_s: Time since the previous frame, 0 at the first. Shape: (b, t).
            valid: Whether a person is detected. Shape: (b, t).
            first: First frame of the output. The slow state reads all frames; the core, which costs most,
                only those that these outputs depend on.

        Returns:
            Output, meaningless in frames without a person. Shape: (b, t - first, n_out).
        """
        since_s = since_seen(dt_s, valid)
        h = self._embed(x, since_s, valid)
        h = torch.cat([h, self.slow(h, dt_s, since_s, valid)], -1)
        early = first if self.lines is None else max(0, first - self.lines.reach)
        begin = 0 if self.core.context is None else max(0, early - self.core.context)
        h = self.core(self._fuse(h[:, begin:]), dt_s[:, begin:], valid[:, begin:])
        y = self._read_out(h[:, early - begin :])
        if self.lines is None:
            return y
        return self.lines(x[:, early:], y, dt_s[:, early:], valid[:, early:])[:, first - early :]

    def step(self, x: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over one frame.

        Args:
            x: Shape: (b, n_in).
            dt_s: Time since the previous frame. Shape: (b,).
            valid: Shape: (b,).
            state: State after the previous frame.

        Returns:
            Output and new state. Shape: (b, n_out).
        """
        n_lines = 0 if self.lines is None else len(self.lines.state_shapes)
        clock, mean, weight, *others = state
        core_state, lines_state = others[: len(others) - n_lines], others[len(others) - n_lines :]
        since_s = clock[:, 0] + dt_s
        age_s = torch.where(clock[:, 1] > 0.5, since_s.clamp_max(MAX_AGE_S), MAX_AGE_S)
        clock = torch.stack(
            [torch.where(valid, 0.0, since_s), torch.where(valid, 1.0, clock[:, 1])], -1
        )  # fmt: skip
        h = self._embed(x, age_s, valid)
        slow, slow_state = self.slow.step(h, dt_s, age_s, valid, (mean, weight))
        h, new_core_state = self.core.step(
            self._fuse(torch.cat([h, slow], -1)), dt_s, valid, tuple(core_state)
        )
        y = self._read_out(h)
        if self.lines is not None:
            y, new_lines_state = self.lines.step(x, y, dt_s, valid, tuple(lines_state))
            new_core_state = (*new_core_state, *new_lines_state)
        return y, (clock, *slow_state, *new_core_state)

    def _embed(self, x: Tensor, since_s: Tensor, valid: Tensor) -> Tensor:
        x = torch.where(valid[..., None], (x - self.input_mean) / self.input_scale, 0.0)
        x = x.clamp(-MAX_DEVIATION, MAX_DEVIATION)
        return self.stem(torch.cat([x, age_features(since_s)], -1))

    def _fuse(self, h: Tensor) -> Tensor:
        """The embedding, informed by the slow state behind it."""
        return h[..., : self.width] + self.join(h)

    def _read_out(self, h: Tensor) -> Tensor:
        return self.output_scale * self.head(self.head_norm(h))


def _layer(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.GELU(), nn.Dropout(dropout))
