"""A read-out that smooths and does nothing else: a line through each coordinate's last values, read off now.

Corrections learnt where people are simulated do not carry over to others: a network that may add anything
to a coordinate errs less on those and more elsewhere. How much a frame deserves trust, and how quickly what
was seen grows old, does carry over; so the network says that alone, and the lines (local linear regression:
Cleveland, 1979) are fitted by it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal.elapsed import MAX_AGE_S, advance_clock, clock_ages, tap_ages

N_TAPS = 32
"""Frames that a line goes through at most, the present one included."""
USUAL_AGE_S = 0.03
"""Age at which a frame counts e times less, before anything is learnt."""
MIN_LOG_AGE, MAX_LOG_AGE = -2.0, 1.4
MAX_LOG_TRUST = 1.0
"""A frame counts at most e times more or less than usual, and for about 0.1 s: where people are unlike those
learnt from, a network may think badly of what is right, and would hold on to what is long past."""
SHORTEST_S = 0.01
"""Frames that lie closer than that tell nothing about slopes."""
_NOTHING = -1e4
"""Logarithm of a weight that is none."""

State = tuple[Tensor, ...]


class LineSmoother(nn.Module):
    """LineSmoother through the last frames, told by the network how.

    Args:
        columns: Of the coordinates among the inputs.
    """

    reach = N_TAPS - 1
    """Earlier frames that it depends on."""

    def __init__(self, columns: range) -> None:
        super().__init__()
        self.first, self.n = columns.start, len(columns)

    def n_raw(self, n_out: int) -> int:
        """Numbers that it takes from the network for an output of some size."""
        return n_out - 1 + 2 * self.n

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Ages, coordinates and trust of the newest frames."""
        return {"line_clock": (N_TAPS, 2), "line_q": (N_TAPS, self.n), "line_trust": (N_TAPS, self.n)}

    def forward(self, x: Tensor, raw: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """Run over whole sequences.

        Args:
            x: Inputs as they are, not normalised. Shape: (b, t, n_in).
            raw: Trust, reach in time and use of the slope of each coordinate, then the other outputs.
                Shape: (b, t, n_raw).
            dt_s: Shape: (b, t).
            valid: Shape: (b, t).

        Returns:
            What is to be added to the coordinates, the other outputs, and last the mean delay in s.
                Shape: (b, t, n_out).
        """
        q = self._read(x, valid)
        ages_s = tap_ages(dt_s, valid, range(N_TAPS - 1, -1, -1))
        return self._answer(q, raw, _windows(q), _windows(self._trust(raw)), ages_s)

    def step(self, x: Tensor, raw: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over one frame: shapes as above without t."""
        clock, values, trust = state
        q = self._read(x, valid)
        clock = advance_clock(clock, dt_s, valid)
        values = torch.cat([values[:, 1:], q[:, None]], 1)
        trust = torch.cat([trust[:, 1:], self._trust(raw)[:, None]], 1)
        return self._answer(q, raw, values, trust, clock_ages(clock)), (clock, values, trust)

    def _trust(self, raw: Tensor) -> Tensor:
        """Logarithm of how much frames count. Shape: (..., n)."""
        return MAX_LOG_TRUST * torch.tanh(raw[..., : self.n] / MAX_LOG_TRUST)

    def _read(self, x: Tensor, valid: Tensor) -> Tensor:
        """Coordinates; zeros where nobody is seen. Shape: (..., n)."""
        return torch.where(valid[..., None], x[..., self.first : self.first + self.n], 0.0)

    def _answer(self, q: Tensor, raw: Tensor, values: Tensor, trust: Tensor, ages_s: Tensor) -> Tensor:
        """Fit the lines; shapes (..., n), (..., n_raw), (..., k, n) twice, (..., k)."""
        n = self.n
        offset = values - q[..., None, :]
        offset = offset - 2.0 * torch.pi * torch.round(offset / (2.0 * torch.pi))
        log_age, use = raw[..., None, n : 2 * n], raw[..., 2 * n : 3 * n]
        age = ages_s[..., None]
        fade = age / (USUAL_AGE_S * torch.exp(log_age.clamp(MIN_LOG_AGE, MAX_LOG_AGE)))
        weight = torch.softmax(torch.where(age < MAX_AGE_S, trust - fade, _NOTHING), -2)
        mean, mean_age = (weight * offset).sum(-2), (weight * age).sum(-2)
        apart = age - mean_age[..., None, :]
        slope = (weight * apart * offset).sum(-2) / ((weight * apart**2).sum(-2) + SHORTEST_S**2)
        use = torch.sigmoid(use)
        line, lag_s = mean - use * slope * mean_age, (1.0 - use) * mean_age
        return torch.cat([line, raw[..., 3 * n :], lag_s.mean(-1, keepdim=True)], -1)


def _windows(values: Tensor) -> Tensor:
    """The last `N_TAPS` frames of each, zeros before the first. Shapes: (b, t, n) to (b, t, k, n)."""
    padded = functional.pad(values, (0, 0, N_TAPS - 1, 0))
    return padded.unfold(1, N_TAPS, 1).transpose(-1, -2)
