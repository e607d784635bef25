"""An output layer that can only smooth: local linear regression over each coordinate's last values.

Corrections trained on simulated people do not generalise: a network that may add anything to a coordinate has
smaller errors on those people and larger ones on others. The weights of frames do generalise, so the network
gives only those. For each coordinate (local linear regression: Cleveland, 1979):

    w_k  = softmax_k(c_k - a_k / h)                     a_k: age of frame k in s, 0 for the newest
    m    = sum w_k y_k,   A = sum w_k a_k               y_k: value of frame k minus the newest value
    s    = sum w_k (a_k - A) y_k / (sum w_k (a_k - A)^2 + e^2)
    y    = m - u s A                                    correction that is added to the newest value

c_k (confidence, per frame), h (reach in s) and u (use of the slope, 0 to 1) are the network's outputs; e is
`SHORTEST_S`. With u = 1 the line is read at age 0; with u = 0 the result is a mean with a delay of A.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.temporal.elapsed import MAX_AGE_S, advance_clock, clock_ages, tap_ages

N_TAPS = 32
"""Number of frames in the regression, the newest included."""
USUAL_AGE_S = 0.03
"""Initial reach h: the age at which a weight has fallen by a factor of e."""
MIN_LOG_AGE, MAX_LOG_AGE = -2.0, 1.4
MAX_LOG_TRUST = 1.0
"""Limit of |c_k|: a weight changes by a factor of e at most. With h at most 0.12 s, this keeps a network that
distrusts correct frames, on people unlike the training data, from holding on to old ones."""
SHORTEST_S = 0.01
"""Regularisation e of the slope: frames closer in time do not determine it."""
_NOTHING = -1e4
"""Logarithm of a weight of zero."""

State = tuple[Tensor, ...]


class LineSmoother(nn.Module):
    """Local linear regression over the last frames with weights from the network.

    Args:
        columns: Columns of the coordinates among the inputs.
    """

    reach = N_TAPS - 1
    """Number of earlier frames that the output depends on."""

    def __init__(self, columns: range) -> None:
        super().__init__()
        self.first, self.n = columns.start, len(columns)

    def n_raw(self, n_out: int) -> int:
        """Number of inputs from the network for an output of `n_out` numbers."""
        return n_out - 1 + 2 * self.n

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Ages, coordinates and confidences c_k of the newest frames."""
        return {"line_clock": (N_TAPS, 2), "line_q": (N_TAPS, self.n), "line_trust": (N_TAPS, self.n)}

    def forward(self, x: Tensor, raw: Tensor, dt_s: Tensor, valid: Tensor) -> Tensor:
        """Run over whole sequences.

        Args:
            x: Inputs before normalisation. Shape: (b, t, n_in).
            raw: Confidence c, log of the reach h and logit of u of each coordinate, then the other outputs.
                Shape: (b, t, n_raw).
            dt_s: Shape: (b, t).
            valid: Shape: (b, t).

        Returns:
            Corrections of the coordinates, the other outputs, and last the mean delay in s.
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
        """Confidences c. Shape: (..., n)."""
        return MAX_LOG_TRUST * torch.tanh(raw[..., : self.n] / MAX_LOG_TRUST)

    def _read(self, x: Tensor, valid: Tensor) -> Tensor:
        """Coordinates; zeros in frames without a person. Shape: (..., n)."""
        return torch.where(valid[..., None], x[..., self.first : self.first + self.n], 0.0)

    def _answer(self, q: Tensor, raw: Tensor, values: Tensor, trust: Tensor, ages_s: Tensor) -> Tensor:
        """Evaluate the regression. Shapes: (..., n), (..., n_raw), (..., k, n) twice, (..., k)."""
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
