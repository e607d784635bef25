"""Train a causal network on sequences in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.errors import TrainError
from train.temporal.network import CausalNetwork

MIN_INPUT_SCALE = 1e-2
"""Smallest input scale: an input that hardly varies in training must not dominate later."""
MAX_GRADIENT_NORM = 1.0
MOST_SHORT_CLIPS = 4
"""Largest factor on the batch size for short clips, which are batched with clips of their length."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TemporalClip:
    """A sequence of frames of one person."""

    x: Floats
    """Input of the network; arbitrary in frames without a person. Shape: (n, n_in)."""
    dt_s: Floats
    """Time since the frame before. Shape: (n,)."""
    valid: NDArray[np.bool_]
    """Whether a person is detected. Shape: (n,)."""
    target: Floats
    """Target of the loss. Shape: (n, n_target)."""
    weight: Floats
    """Weight of each frame in the loss. Shape: (n,)."""

    def __len__(self) -> int:
        return len(self.dt_s)


@dataclass(frozen=True, slots=True, eq=False)
class TemporalBatch:
    """Frames of several clips; frames before a clip's first are invalid and have weight 0."""

    x: Tensor
    """Shape: (b, t, n_in)."""
    dt_s: Tensor
    """Shape: (b, t)."""
    valid: Tensor
    """Shape: (b, t)."""
    target: Tensor
    """Shape: (b, t, n_target)."""
    weight: Tensor
    """Weight in the loss; 0 in frames without a person. Shape: (b, t)."""

    def newest(self, n: int) -> TemporalBatch:
        """The last n frames."""
        parts = (self.x, self.dt_s, self.valid, self.target, self.weight)
        return TemporalBatch(*(part[:, -n:] for part in parts))


ClipSource = Callable[[int], Sequence[TemporalClip]]
"""Function from the epoch to clips, fixed or with new noise."""
TemporalLoss = Callable[[TemporalBatch, Tensor], Tensor]
"""Function from a batch and the network's output, of shape (b, t, n_out), to the loss."""


@dataclass(frozen=True, slots=True)
class TemporalOptions:
    """Training options."""

    epochs: int = 30
    steps_per_epoch: int = 100
    batch_size: int = 32
    n_frames: int = 128
    """Number of frames in the loss, the newest that the network sees."""
    max_history: int = 1800
    """Frames that the network sees at most. How many it sees is drawn for each batch, evenly in the logarithm
    from `n_frames` on, so that it serves somebody who just appeared as well as somebody known."""
    thin: float = 0.3
    """Share of sequences in which up to 6 of 10 frames are dropped, as by slow and stuttering cameras."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    input_noise: float = 0.0
    """Standard deviation of noise on each frame's input, in units of the input's scale."""
    seed: int = 0
    device: str = "cpu"
    bf16: bool = False
    """Whether matrix products use bfloat16, which some processors compute faster."""


def fit_temporal(
    network: CausalNetwork,
    clips: ClipSource,
    loss_of: TemporalLoss,
    options: TemporalOptions,
    on_epoch: Callable[[int, float, CausalNetwork], None] | None = None,
) -> CausalNetwork:
    """Train a network.

    Args:
        network: Network to train in place; its normalisation is kept, see `normalise`.
        clips: Source of the clips of an epoch.
        loss_of: Loss to minimise.
        options: Training options.
        on_epoch: Callback with the epoch, its mean loss and the network, which it may evaluate.

    Returns:
        The network, ready for use.

    Raises:
        TrainError: there are no frames, or the loss is NaN or infinite.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    network.to(options.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.epochs * options.steps_per_epoch, pct_start=0.1
    )
    for epoch in range(options.epochs):
        sampler = ClipSampler(clips(epoch), options, rng)
        network.train()
        losses = []
        for _ in range(options.steps_per_epoch):
            batch = sampler.draw()
            loss = batch_loss(network, batch, loss_of, options)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not np.isfinite(mean):
            raise TrainError(
                f"loss is {mean} in epoch {epoch}: look for NaN in targets, or lower the learning rate"
            )
        if on_epoch is not None:
            on_epoch(epoch, mean, network)
    return network.eval()


def batch_loss(
    network: CausalNetwork, batch: TemporalBatch, loss_of: TemporalLoss, options: TemporalOptions
) -> Tensor:
    """Loss of a batch's newest frames; the network reads all frames."""
    n = min(options.n_frames, batch.x.shape[1])
    x = batch.x
    if options.input_noise > 0.0:
        x = x + options.input_noise * network.input_scale * torch.randn_like(x)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=options.bf16):
        y = network(x, batch.dt_s, batch.valid, batch.x.shape[1] - n)
    return loss_of(batch.newest(n), y.float())


class ClipSampler:
    """Draws parts of clips, longer clips more often, in batches of similar length.

    Args:
        clips: Clips to draw from.
        options: Lengths and batch size.
        rng: Random generator.

    Raises:
        TrainError: there are no frames.
    """

    def __init__(
        self, clips: Sequence[TemporalClip], options: TemporalOptions, rng: np.random.Generator
    ) -> None:
        clips = [clip for clip in clips if len(clip) > 0]
        if not clips:
            raise TrainError("no clip has a frame; make sequences first (kinecast train lift-clips)")
        self._options, self._rng = options, rng
        groups: dict[int, list[TemporalClip]] = {}
        for clip in clips:
            groups.setdefault(min(len(clip), options.n_frames).bit_length(), []).append(clip)
        self._groups = list(groups.values())
        frames = np.array([sum(map(len, group)) for group in self._groups], dtype=np.float64)
        self._probability = frames / frames.sum()

    def draw(self) -> TemporalBatch:
        """Draw a batch, padded in front to its longest part; batches of short clips are larger."""
        options, rng = self._options, self._rng
        low, high = np.log(options.n_frames), np.log(max(options.n_frames, options.max_history))
        history = round(float(np.exp(rng.uniform(low, high))))
        group = self._groups[int(rng.choice(len(self._groups), p=self._probability))]
        lengths = np.array([len(clip) for clip in group], dtype=np.float64)
        more = int(np.clip(options.n_frames / lengths.max(), 1, MOST_SHORT_CLIPS))
        chosen = rng.choice(len(group), more * options.batch_size, p=lengths / lengths.sum())
        stretches = [(group[k], self._frames(len(group[k]), history)) for k in chosen]
        return _collate(stretches, options.device)

    def _frames(self, n: int, history: int) -> NDArray[np.int64]:
        """Rising indices into a clip of n frames."""
        options, rng = self._options, self._rng
        end = int(rng.integers(min(n, options.n_frames), n + 1))
        frames = np.arange(max(0, end - history), end)
        if rng.random() < options.thin:
            frames = frames[rng.random(len(frames)) < rng.uniform(0.4, 1.0)]
        return frames if len(frames) else np.array([end - 1])


def _collate(stretches: Sequence[tuple[TemporalClip, NDArray[np.int64]]], device: str) -> TemporalBatch:
    """Pad the parts of clips in front and stack them."""
    b, n = len(stretches), max(len(frames) for _, frames in stretches)
    first = stretches[0][0]
    x = np.zeros((b, n, first.x.shape[1]), dtype=np.float32)
    target = np.zeros((b, n, first.target.shape[1]), dtype=np.float32)
    dt_s, weight = (np.zeros((b, n), dtype=np.float32) for _ in range(2))
    valid = np.zeros((b, n), dtype=np.bool_)
    for row, (clip, frames) in enumerate(stretches):
        at = slice(n - len(frames), n)
        x[row, at], target[row, at], valid[row, at] = clip.x[frames], clip.target[frames], clip.valid[frames]
        weight[row, at] = np.where(clip.valid[frames], clip.weight[frames], 0.0)
        t_s = clip.dt_s[: frames[-1] + 1].cumsum(dtype=np.float64)[frames]
        dt_s[row, at] = np.diff(t_s, prepend=t_s[:1])
    return TemporalBatch(*(torch.from_numpy(a).to(device) for a in (x, dt_s, valid, target, weight)))


def normalise(
    network: CausalNetwork, clips: Sequence[TemporalClip], output_scale: Floats | None = None
) -> None:
    """Set the normalisation of a network's inputs from the frames with a person.

    Args:
        network: Network to change in place.
        clips: Clips to measure.
        output_scale: Output of the last layer for a value of 1; None for 1. Shape: (n_out,).
    """
    x = np.concatenate([clip.x[clip.valid] for clip in clips]).astype(np.float64)
    network.set_normalisation(
        torch.from_numpy(x.mean(0)),
        torch.from_numpy(np.maximum(x.std(0), MIN_INPUT_SCALE)),
        None if output_scale is None else torch.from_numpy(output_scale),
    )


@torch.no_grad()
def predict(network: CausalNetwork, clip: TemporalClip) -> Floats:
    """Output for a whole clip; NaN in frames without a person. Shape: (n, n_out)."""
    was_training = network.training
    network.eval()
    device = network.input_mean.device
    x, dt_s, valid = (torch.from_numpy(a)[None].to(device) for a in (clip.x, clip.dt_s, clip.valid))
    y = network(x, dt_s, valid)[0].cpu().numpy()
    network.train(was_training)
    return np.asarray(np.where(clip.valid[:, None], y, np.nan), dtype=np.float32)
