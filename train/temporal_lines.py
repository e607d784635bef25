"""A read-out that smooths and does nothing else: a line through each coordinate's last values, read off now.

Corrections learnt where people are simulated do not carry over to others: a network that may add anything
to a coordinate errs less on those and more elsewhere. How much a frame deserves trust, and how quickly what
was seen grows old, does carry over; so the network says that alone, and the lines (local linear regression:
Cleveland, 1979) are fitted by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal_time import MAX_AGE_S, advance_clock, clock_ages, tap_ages

N_TAPS = 32
"""Frames that a line goes through at most, the present one included."""
USUAL_AGE_S = 0.03
"""Age at which a frame counts e times less, before anything is learnt."""
MIN_LOG_AGE, MAX_LOG_AGE = -2.0, 3.5
SHORTEST_S = 0.01
"""Frames that lie closer than that tell nothing about slopes."""
_NOTHING = -1e4
"""Logarithm of a weight that is none."""

State = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class LineColumns:
    """Where the coordinates and how far the person's frame has turned are in a frame's vector."""

    first: int
    n: int
    turn: int
    """Its sine; the cosine follows."""
    pelvis: tuple[int, int, int]
    """Tilt, list and rotation among the coordinates: they are told in the person's frame, which turns."""


class Lines(nn.Module):
    """Lines through the last frames, told by the network how.

    Args:
        columns: Of the inputs.
    """

    reach = N_TAPS - 1
    """Earlier frames that it depends on."""

    def __init__(self, columns: LineColumns) -> None:
        super().__init__()
        self.columns = columns

    def n_raw(self, n_out: int) -> int:
        """Numbers that it takes from the network for an output of some size."""
        return n_out - 1 + 2 * self.columns.n

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Ages, coordinates, trust, and turn since, of the newest frames."""
        k, n = N_TAPS, self.columns.n
        return {"line_clock": (k, 2), "line_q": (k, n), "line_trust": (k, n), "line_turn": (k,)}

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
        q, turn_rad = self._read(x, valid)
        ages_s = tap_ages(dt_s, valid, range(N_TAPS - 1, -1, -1))
        turned = turn_rad.double().cumsum(1)
        turn_since = (turned[..., None] - _windows(turned[..., None])[..., 0]).to(q.dtype)
        trust = raw[..., : self.columns.n]
        return self._answer(q, raw, _windows(q), _windows(trust), ages_s, turn_since)

    def step(self, x: Tensor, raw: Tensor, dt_s: Tensor, valid: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over one frame: shapes as above without t."""
        clock, values, trust, turn = state
        q, turn_rad = self._read(x, valid)
        clock = advance_clock(clock, dt_s, valid)
        values = torch.cat([values[:, 1:], q[:, None]], 1)
        trust = torch.cat([trust[:, 1:], raw[:, None, : self.columns.n]], 1)
        turn = torch.cat([turn[:, 1:] + turn_rad[:, None], torch.zeros_like(turn[:, :1])], 1)
        y = self._answer(q, raw, values, trust, clock_ages(clock), turn)
        return y, (clock, values, trust, turn)

    def _read(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates and turns; zeros where nobody is seen. Shapes: (..., n), (...)."""
        c = self.columns
        q = torch.where(valid[..., None], x[..., c.first : c.first + c.n], 0.0)
        turn = torch.atan2(x[..., c.turn], x[..., c.turn + 1])
        return q, torch.where(valid, turn, 0.0)

    def _answer(
        self, q: Tensor, raw: Tensor, values: Tensor, trust: Tensor, ages_s: Tensor, turn_rad: Tensor
    ) -> Tensor:
        """Fit the lines; shapes (..., n), (..., n_raw), (..., k, n) twice, (..., k) twice."""
        n = self.columns.n
        offset = self._turned(values, turn_rad) - q[..., None, :]
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

    def _turned(self, values: Tensor, turn_rad: Tensor) -> Tensor:
        """Coordinates of earlier frames as the person's frame of now tells them, small turns at least.

        A turn about the vertical changes angles about Z, then X, then Y by what those axes have of it.
        """
        tilt, list_ = (values[..., k] for k in self.columns.pelvis[:2])
        back = -turn_rad
        about_y = back * torch.cos(tilt) / torch.cos(list_).clamp_min(0.1)
        changes = (-about_y * torch.sin(list_), back * torch.sin(tilt), about_y)
        columns = list(values.unbind(-1))
        for k, change in zip(self.columns.pelvis, changes, strict=True):
            columns[k] = columns[k] + change
        return torch.stack(columns, -1)


def _windows(values: Tensor) -> Tensor:
    """The last `N_TAPS` frames of each, zeros before the first. Shapes: (b, t, n) to (b, t, k, n)."""
    padded = functional.pad(values, (0, 0, N_TAPS - 1, 0))
    return padded.unfold(1, N_TAPS, 1).transpose(-1, -2)
