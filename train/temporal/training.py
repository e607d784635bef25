"""Train the temporal network on clips, rendered or simulated, and compare it on held-out clips.

The lifter must not have been trained on the same clips: its errors would be smaller than live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.coordinates import PELVIS_ROTATIONS, SCORED_COORDINATES
from calib.skeleton import Skeleton
from engines.features.motion_metrics import RecordedMotion
from engines.features.temporal import N_PELVIS, OutputLayout
from train.blazepose.data import LiftData
from train.temporal.data import Dynamics, Lift, steadied_coordinates, temporal_clips
from train.temporal.fit import TemporalBatch, TemporalClip, TemporalOptions, fit_temporal, normalise, predict
from train.temporal.kinds import make_network
from train.temporal.loss import SPEED_SCALE_RAD_S, TemporalLossWeights, refine, temporal_loss
from train.temporal.network import CausalNetwork

ROWS_PER_EPOCH = 36_000
"""Rows per epoch, lifted with new camera errors each time; each set of clips gives an equal share."""
STEADIED = tuple(name for name in SCORED_COORDINATES if name not in PELVIS_ROTATIONS)
ALONE = "lifter"
"""Estimates without any temporal network."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClips:
    """Clips with the true velocities and foot contacts."""

    data: LiftData
    dynamics: Dynamics

    @classmethod
    def of(cls, data: LiftData, skeleton: Skeleton) -> LabelledClips:
        """Compute velocities and contacts of clips."""
        return cls(data, Dynamics.of(data, skeleton))


class SequenceSource:
    """Training clips of the temporal network, drawn anew for each epoch.

    Args:
        parts: Sets of clips; each contributes equally.
        skeleton: Skeleton of the clips.
        lift: Single-frame network.
        seed: Seed of the choice of clips and of the camera errors.
    """

    def __init__(self, parts: list[LabelledClips], skeleton: Skeleton, lift: Lift, seed: int) -> None:
        self._parts, self._skeleton, self._lift, self._seed = parts, skeleton, lift, seed

    def __call__(self, epoch: int) -> list[TemporalClip]:
        """Sequences of one epoch; half of the sets are mirrored."""
        rng = np.random.default_rng([self._seed, epoch])
        clips: list[TemporalClip] = []
        for part in self._parts:
            chosen = _some_clips(part, ROWS_PER_EPOCH / len(self._parts) / len(part.data), rng)
            flip = bool(rng.integers(2))
            clips += temporal_clips(chosen.data, chosen.dynamics, self._skeleton, self._lift, rng, flip=flip)
        return clips


def _some_clips(part: LabelledClips, share: float, rng: np.random.Generator) -> LabelledClips:
    mask = np.zeros(len(part.data), dtype=np.bool_)
    for rows in part.data.clips():
        mask[rows] = rng.random() < share
    if not mask.any():
        return part
    dynamics = Dynamics(part.dynamics.qdot[mask], part.dynamics.contact[mask])
    return LabelledClips(part.data.rows(mask), dynamics)


def train_temporal(
    kind: str,
    source: SequenceSource,
    options: TemporalOptions,
    weights: TemporalLossWeights,
    on_epoch: Callable[[int, float, CausalNetwork], None] | None = None,
    *,
    width: int | None = None,
    dropout: float = 0.1,
    corrects: bool = False,
) -> CausalNetwork:
    """Train one network.

    Args:
        kind: A key of `train.temporal.kinds.NETWORKS`.
        source: Source of the training clips.
        options: Training options.
        weights: Loss weights.
        on_epoch: Callback with the epoch, its mean loss and the network.
        width: Width of the network; None for the kind's default.
        dropout: Share of hidden units left out in training.
        corrects: Whether the network may add anything to coordinates instead of only smoothing them.
    """
    torch.manual_seed(options.seed)
    first = source(0)
    n_in = first[0].x.shape[1]
    n = (n_in - 2) // 2 - N_PELVIS
    layout, spread = OutputLayout(n), torch.from_numpy(_spread(first, n))
    lines = None if corrects else range(N_PELVIS, N_PELVIS + n)
    network = make_network(kind, n_in, layout.size, width=width, dropout=dropout, lines=lines)
    normalise(network, first, _output_scale(first, layout) if lines is None else _line_scale(layout))

    def loss(batch: TemporalBatch, y: Tensor) -> Tensor:
        target = torch.where(batch.weight[..., None] > 0.0, batch.target, torch.nan)
        return temporal_loss(batch.x, y, target, batch.dt_s, spread, weights)

    return fit_temporal(network, source, loss, options, on_epoch)


def _spread(clips: list[TemporalClip], n: int) -> NDArray[np.float32]:
    """Standard deviation of each coordinate among people. Shape: (n,)."""
    return np.asarray(np.concatenate([clip.target[:, :n] for clip in clips]).std(0), dtype=np.float32)


def _output_scale(clips: list[TemporalClip], layout: OutputLayout) -> NDArray[np.float32]:
    """Output scale: typical lifter error and joint velocity. Shape: (layout.size,)."""
    n = layout.n_coordinates
    error = np.concatenate([clip.target[:, :n] - clip.x[:, N_PELVIS : N_PELVIS + n] for clip in clips])
    scale = np.ones(layout.size, dtype=np.float32)
    scale[layout.correction] = np.clip(np.abs(error).mean(0), np.radians(0.5), np.radians(30.0))
    scale[layout.speed] = SPEED_SCALE_RAD_S
    return scale


def _line_scale(layout: OutputLayout) -> NDArray[np.float32]:
    """Output scale with a line smoother, whose parameters come first and have scale 1. Shape: (n_raw,)."""
    n = layout.n_coordinates
    scale = np.ones(layout.size - 1 + 2 * n, dtype=np.float32)
    scale[4 * n : 5 * n] = SPEED_SCALE_RAD_S
    return scale


def motions_of(
    networks: Mapping[str, CausalNetwork], clips: Sequence[TemporalClip], skeleton: Skeleton
) -> list[RecordedMotion]:
    """The scored coordinates of clips: the truth, the lifter alone, and the lifter with each network.

    Args:
        networks: Networks by name.
        clips: Clips made by `train.temporal.data.temporal_clips`.
        skeleton: Skeleton of the clips.
    """
    names = steadied_coordinates(skeleton)
    n, scored = len(names), [names.index(name) for name in STEADIED]
    motions = []
    for clip in clips:
        x = torch.from_numpy(clip.x)
        q = {ALONE: clip.x[:, N_PELVIS : N_PELVIS + n]} | {
            name: refine(x, torch.from_numpy(predict(network, clip))).q.numpy()
            for name, network in networks.items()
        }
        estimates = {name: np.degrees(values[:, scored].astype(np.float64)) for name, values in q.items()}
        truth = np.degrees(clip.target[:, scored].astype(np.float64))
        motions.append(RecordedMotion(STEADIED, clip.dt_s.cumsum(dtype=np.float64), truth, estimates))
    return motions
