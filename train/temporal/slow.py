"""Slow state: averages over seconds and minutes of one person, beside the fast network.

An embedding of each frame is averaged, weighted by a learned confidence: over all time since the person
appeared, and with time constants of 20, 5 and 1 s. Averages, unlike what a recurrent network carries along,
stay within the range of what they average, however long they run.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.temporal.elapsed import stamps

DECAY_PER_S = (0.0, 1.0 / 20.0, 1.0 / 5.0, 1.0)
"""Inverse time constants; 0 forgets nothing."""
MIN_FRAME_S, MAX_FRAME_S = 1.0 / 120.0, 1.0 / 15.0
"""Limits of the time that a frame represents, which is its weight in s."""
MIN_CONFIDENCE = 0.01
MIN_EVIDENCE_S, MAX_EVIDENCE_S = 0.01, 60.0
"""Range of the evidence that the fast network sees: training data hold no more."""
CHUNK = 128
_TINY = 1e-12


class SlowState(nn.Module):
    """Running averages of a learned embedding.

    Args:
        width: Size of the hidden vectors that are read.
        n_slow: Size of the embedding.
    """

    decay_per_s: Tensor

    def __init__(self, width: int, n_slow: int) -> None:
        super().__init__()
        self.n_slow = n_slow
        self.measure = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * n_slow))
        self.register_buffer("decay_per_s", torch.tensor(DECAY_PER_S), persistent=False)

    @property
    def n_features(self) -> int:
        """Size of the output."""
        return n_slow_features(self.n_slow)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Means and the weight behind each, of every time constant."""
        shape = (len(DECAY_PER_S), self.n_slow)
        return {"slow_mean": shape, "slow_weight": shape}

    def forward(self, h: Tensor, dt_s: Tensor, since_s: Tensor, valid: Tensor) -> Tensor:
        """Run over whole sequences.

        Args:
            h: Shape: (b, t, width).
            dt_s: Shape: (b, t).
            since_s: Time since a person was last detected. Shape: (b, t).
            valid: Shape: (b, t).

        Returns:
            Shape: (b, t, n_features).
        """
        values, weights = self._observe(h, since_s, valid)
        sums = self._sums(torch.cat([weights * values, weights], -1), stamps(dt_s))
        total, weight = sums.split(self.n_slow, -1)
        return _features(values, total / (weight + _TINY), weight)

    def step(
        self, h: Tensor, dt_s: Tensor, since_s: Tensor, valid: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over one frame: shapes as above without t."""
        mean, weight = state
        value, new_weight = self._observe(h, since_s, valid)
        keep = torch.exp(-dt_s[:, None] * self.decay_per_s)[..., None]
        weight = keep * weight + new_weight[:, None]
        mean = mean + new_weight[:, None] / (weight + _TINY) * (value[:, None] - mean)
        return _features(value, mean, weight), (mean, weight)

    def _observe(self, h: Tensor, since_s: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings within -1..1 and their weights in s. Shapes: (..., n_slow)."""
        value, confidence = self.measure(h).split(self.n_slow, -1)
        frame_s = torch.where(valid, since_s.clamp(MIN_FRAME_S, MAX_FRAME_S), 0.0)
        confidence = MIN_CONFIDENCE + (1.0 - MIN_CONFIDENCE) * torch.sigmoid(confidence)
        return torch.tanh(value), frame_s[..., None] * confidence

    def _sums(self, terms: Tensor, t_s: Tensor) -> Tensor:
        """Decaying sums S(t) = exp(-dt / tau) S(t - dt) + term(t), in chunks of frames.

        Within a chunk they are a product with the matrix exp(-(t_i - t_j) / tau); between chunks the last
        sum is carried over. Unlike cumulative sums of terms scaled by exp(t / tau), nothing overflows.

        Args:
            terms: Shape: (b, t, n).
            t_s: Shape: (b, t).

        Returns:
            Shape: (b, t, n_tau, n).
        """
        carried = terms.new_zeros(len(terms), len(DECAY_PER_S), 1, terms.shape[-1])
        last_s = torch.zeros_like(t_s[:, :1])
        sums = []
        for chunk, chunk_s in zip(terms.split(CHUNK, 1), t_s.split(CHUNK, 1), strict=True):
            age_s = (chunk_s[:, :, None] - chunk_s[:, None]).clamp_min(0.0).to(terms.dtype)
            keep = torch.exp(-age_s[:, None] * self.decay_per_s[:, None, None]).tril()
            since_last = (chunk_s - last_s).to(terms.dtype)[:, None, :, None]
            before = torch.exp(-since_last * self.decay_per_s[:, None, None]) * carried
            sums.append(keep @ chunk[:, None] + before)
            carried, last_s = sums[-1][:, :, -1:], chunk_s[:, -1:]
        return torch.cat(sums, 2).transpose(1, 2)


def n_slow_features(n_slow: int) -> int:
    """Size of the slow state's output for an embedding of size `n_slow`."""
    return (1 + len(DECAY_PER_S)) * n_slow + len(DECAY_PER_S)


def _features(value: Tensor, mean: Tensor, weight: Tensor) -> Tensor:
    """The newest embedding, all means, and the evidence behind them. Shape: (..., n_features)."""
    evidence = torch.log(weight.mean(-1).clamp(MIN_EVIDENCE_S, MAX_EVIDENCE_S))
    return torch.cat([value, mean.flatten(-2), 0.25 * evidence], -1)
