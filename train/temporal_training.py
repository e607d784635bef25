"""Trains the temporal network on pictures, rendered clips and clips without pictures.

What it reads must not come from a lifter that learnt from the same people: that one errs less than it does
live. So two lifters learn from half of the people each, and each lifts the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.skeleton import Skeleton
from engines.temporal_features import OutputLayout, n_temporal_features
from train.fit_lift import SCORED, LiftOptions, fit_lifter
from train.fit_temporal import TemporalBatch, TemporalClip, TemporalOptions, fit_temporal, normalise, predict
from train.lift import PELVIS, Lifter, lifted_coordinates
from train.lift_data import LiftData
from train.temporal_data import Dynamics, Lift, lifter_of, temporal_clips
from train.temporal_lines import LineColumns
from train.temporal_loss import SPEED_SCALE_RAD_S, LossWeights, refine, temporal_loss
from train.temporal_network import CausalNetwork
from train.temporal_networks import make_network

Array = NDArray[np.float64]

ROWS_PER_EPOCH = 36_000
"""Lifted anew for each epoch, by cameras that err anew; each kind of data gives as many."""


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """People of even or of odd number, and a lifter that does not know them."""

    data: LiftData
    dynamics: Dynamics
    lift: Lift


def halves(data: LiftData, skeleton: Skeleton, even: Lift, odd: Lift) -> list[Half]:
    """Data in halves: `even` learnt from people of even number, and so lifts the odd ones."""
    parts = []
    for remainder, lift in ((0, odd), (1, even)):
        rows = data.adult % 2 == remainder
        if rows.any():
            half = data.rows(rows)
            parts.append(Half(half, Dynamics.of(half, skeleton), lift))
    return parts


def crossed_lifters(
    data: LiftData, skeleton: Skeleton, options: LiftOptions, tell: Callable[[str], None]
) -> tuple[Lifter, Lifter]:
    """Lifters that learnt from people of even number, and of odd number."""
    models = []
    for name, remainder in (("even", 0), ("odd", 1)):
        rows = data.rows(data.adult % 2 == remainder)
        tell(f"lifter from {len(rows)} pictures of people of {name} number")
        models.append(fit_lifter(rows, skeleton, options))
    return models[0], models[1]


class SequenceSource:
    """What the temporal network learns from, epoch by epoch.

    Args:
        parts: Pictures, rendered clips, simulated clips, all in halves.
        skeleton: That they belong to.
        seed: Of the choice and of the cameras' errors.
    """

    def __init__(self, parts: list[Half], skeleton: Skeleton, seed: int) -> None:
        self._parts, self._skeleton, self._seed = parts, skeleton, seed

    def __call__(self, epoch: int) -> list[TemporalClip]:
        """Sequences for one epoch; half of the parts are seen in a mirror."""
        rng = np.random.default_rng([self._seed, epoch])
        clips: list[TemporalClip] = []
        for part in self._parts:
            chosen = _some_clips(part, ROWS_PER_EPOCH / len(self._parts) / len(part.data), rng)
            flip = bool(rng.integers(2))
            clips += temporal_clips(chosen.data, chosen.dynamics, self._skeleton, part.lift, rng, flip=flip)
        return clips


def _some_clips(part: Half, share: float, rng: np.random.Generator) -> Half:
    mask = np.zeros(len(part.data), dtype=np.bool_)
    for rows in part.data.clips():
        mask[rows] = rng.random() < share
    if not mask.any():
        return part
    dynamics = Dynamics(part.dynamics.qdot[mask], part.dynamics.contact[mask])
    return replace(part, data=part.data.rows(mask), dynamics=dynamics)


def train_temporal(
    kind: str,
    source: SequenceSource,
    spread: Tensor,
    options: TemporalOptions,
    weights: LossWeights,
    on_epoch: Callable[[int, float, CausalNetwork], None] | None = None,
    *,
    width: int | None = None,
    dropout: float = 0.1,
    lines: LineColumns | None = None,
) -> CausalNetwork:
    """Fit one network.

    Args:
        kind: A key of `train.temporal_networks.NETWORKS`.
        source: What to learn from.
        spread: Of each coordinate among people, in rad. Shape: (n_coordinates,).
        options: How.
        weights: Of the loss's parts.
        on_epoch: Told the epoch, its mean loss and the network.
        width: Of the network; None: as its kind is meant.
        dropout: Share of hidden units left out in training.
        lines: See `line_columns`; None: it may add anything to coordinates, not only smooth them.
    """
    torch.manual_seed(options.seed)
    n = len(spread)
    layout = OutputLayout(n)
    network = make_network(
        kind, n_temporal_features(n), layout.size, width=width, dropout=dropout, lines=lines
    )
    first = source(0)
    normalise(network, first, _output_scale(first, layout) if lines is None else _line_scale(layout))

    def loss(batch: TemporalBatch, y: Tensor) -> Tensor:
        target = torch.where(batch.weight[..., None] > 0.0, batch.target, torch.nan)
        return temporal_loss(batch.x, y, target, batch.dt_s, spread, weights)

    return fit_temporal(network, source, loss, options, on_epoch)


def _output_scale(clips: list[TemporalClip], layout: OutputLayout) -> NDArray[np.float32]:
    """What an output of 1 is worth: as much as the lifter errs, and as fast as people move."""
    n = layout.n_coordinates
    error = np.concatenate([clip.target[:, :n] - clip.x[:, :n] for clip in clips])
    scale = np.ones(layout.size, dtype=np.float32)
    scale[layout.correction] = np.clip(np.abs(error).mean(0), np.radians(0.5), np.radians(30.0))
    scale[layout.speed] = SPEED_SCALE_RAD_S
    return scale


def _line_scale(layout: OutputLayout) -> NDArray[np.float32]:
    """The same where lines answer: trust, reach and slopes come first, in their own units."""
    n = layout.n_coordinates
    scale = np.ones(layout.size - 1 + 2 * n, dtype=np.float32)
    scale[4 * n : 5 * n] = SPEED_SCALE_RAD_S
    return scale


def line_columns(skeleton: Skeleton) -> LineColumns:
    """Where a frame's vector has what lines go through."""
    names = lifted_coordinates(skeleton)
    tilt, list_, rotation = (names.index(name) for name in PELVIS)
    turn = n_temporal_features(len(names)) - 2
    return LineColumns(0, len(names), turn, (tilt, list_, rotation))


@dataclass(frozen=True, slots=True)
class TemporalScore:
    """Errors in deg over the scored coordinates, of the lifter alone and with the temporal network."""

    lifter_deg: float
    refined_deg: float
    lifter_step_deg: float
    """Mean change of the error from frame to frame."""
    refined_step_deg: float


def score_temporal(network: CausalNetwork, clips: list[TemporalClip], skeleton: Skeleton) -> TemporalScore:
    """Compare with and without on sequences that nothing was learnt from."""
    names = lifted_coordinates(skeleton)
    scored = [names.index(name) for name in SCORED]
    errors: list[list[Array]] = [[], []]
    for clip in clips:
        x, y = torch.from_numpy(clip.x), torch.from_numpy(predict(network, clip))
        truth = clip.target[:, : len(names)]
        for kind, q in enumerate((x[:, : len(names)], refine(x, y).q)):
            errors[kind].append(np.degrees(q.numpy() - truth)[:, scored].astype(np.float64))
    mean = [float(np.abs(np.concatenate(e)).mean()) for e in errors]
    step = [float(np.abs(np.concatenate([np.diff(one, axis=0) for one in e])).mean()) for e in errors]
    return TemporalScore(mean[0], mean[1], step[0], step[1])


def crossed_lift(models: tuple[Lifter, Lifter], skeleton: Skeleton) -> tuple[Lift, Lift]:
    """The two lifters as they run live."""
    return lifter_of([models[0]], skeleton), lifter_of([models[1]], skeleton)
