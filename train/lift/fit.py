"""Train the lifter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.coordinates import SCORED_COORDINATES
from calib.skeleton import Skeleton
from train.blazepose.data import LiftData, concatenated
from train.lift.network import LiftModel, Pairs, lifted_coordinates, make_pairs

Array = NDArray[np.float64]

KNEE_OF_LOSS_RAD = np.radians(5.0)
"""Error beyond which the loss is linear, against BlazePose's outliers."""
LARGEST_SPREAD_RAD = np.radians(20.0)
"""Upper limit of the standard deviation by which errors are divided."""


@dataclass(frozen=True, slots=True)
class LiftOptions:
    """Training options."""

    epochs: int = 40
    batch_size: int = 512
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    feature_noise: float = 0.03
    width: int = 768
    dropout: float = 0.15
    seed: int = 0
    tuning_epochs: int = 8
    tuning_rate: float = 4e-4
    """Learning rate of the final epochs on rendered images alone, after training with simulated ones."""


EpochReport = Callable[[int, float, LiftModel], None]
"""Callback with the epoch, its mean loss and the network."""


def fit_lift(
    data: LiftData,
    skeleton: Skeleton,
    options: LiftOptions,
    on_epoch: EpochReport | None = None,
    *,
    simulated: LiftData | None = None,
    start: LiftModel | None = None,
) -> LiftModel:
    """Train a lifter; half of every epoch is mirrored, and camera errors are drawn anew each epoch.

    Args:
        data: Training observations.
        skeleton: Skeleton of the data.
        options: Training options.
        on_epoch: Progress callback.
        simulated: Observations made by an observation model. Training starts on both sets together and
            ends on `data` alone, unless a network is trained further.
        start: Network that is trained further, on both sets, at `tuning_rate`; None begins anew.
    """
    torch.manual_seed(options.seed)
    if start is not None:
        model = copy.deepcopy(start)
        everything = data if simulated is None else concatenated([data, simulated])
        _fit(model, everything, skeleton, replace(options, learning_rate=options.tuning_rate), on_epoch)
        return model.eval()
    first = make_pairs(data, skeleton, None)
    model = LiftModel(first.q.shape[1], first.scale.shape[1], width=options.width, dropout=options.dropout)
    set_normalisation(model, first)
    if simulated is None:
        _fit(model, data, skeleton, options, on_epoch)
    else:
        _fit(model, concatenated([data, simulated]), skeleton, options, on_epoch)
        tuning = replace(
            options, epochs=options.tuning_epochs, learning_rate=options.tuning_rate, seed=options.seed + 1
        )
        _fit(model, data, skeleton, tuning, on_epoch)
    return model.eval()


def _fit(
    model: LiftModel, data: LiftData, skeleton: Skeleton, options: LiftOptions, on_epoch: EpochReport | None
) -> None:
    rng = np.random.default_rng(options.seed)
    n_steps = options.epochs * (2 * len(data) // options.batch_size)
    optimiser = torch.optim.AdamW(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=n_steps, pct_start=0.1
    )
    for epoch in range(options.epochs):
        pairs = [make_pairs(data, skeleton, rng, flip=flip) for flip in (False, True)]
        features, q, scale = (
            torch.cat([getattr(p, name) for p in pairs]) for name in ("features", "q", "scale")
        )
        order = torch.from_numpy(rng.permutation(len(q)))
        losses = []
        model.train()
        for step in range(len(q) // options.batch_size):
            rows = order[step * options.batch_size : (step + 1) * options.batch_size]
            noise = options.feature_noise * model.feature_scale * torch.randn(len(rows), features.shape[1])
            noisy = features[rows] + noise
            loss = lift_loss(model, noisy, q[rows], scale[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        if on_epoch is not None:
            on_epoch(epoch, float(np.mean(losses)), model)


def set_normalisation(model: LiftModel, pairs: Pairs) -> None:
    """Set the normalisation of inputs and outputs from the data."""
    model.feature_mean.copy_(pairs.features.mean(0))
    model.feature_scale.copy_(pairs.features.std(0).clamp_min(1e-2))
    mean = torch.nanmean(pairs.q, 0).nan_to_num()  # imported data lack coordinates
    model.target_mean.copy_(mean)
    spread = torch.nanmean((pairs.q - mean) ** 2, 0).nan_to_num().sqrt()
    model.target_scale.copy_(spread.clamp_min(float(np.radians(1.0))))
    model.log_scale_mean.copy_(torch.log(pairs.scale).mean(0))


def lift_loss(model: LiftModel, features: Tensor, q: Tensor, scale: Tensor) -> Tensor:
    """Robust error of coordinates and scale factors, and the negative log-likelihood of the uncertainty.

    Coordinates that are NaN do not count.
    """
    q_hat, sigma, scale_hat = model(features)
    is_known = torch.isfinite(q)
    q = torch.where(is_known, q, q_hat.detach())
    error = torch.abs(q_hat - q)
    weight = 1.0 / model.target_scale.clamp_max(LARGEST_SPREAD_RAD)
    robust = torch.nn.functional.smooth_l1_loss(q_hat, q, beta=KNEE_OF_LOSS_RAD, reduction="none") * weight
    # Negative log-likelihood of Laplace's distribution. The error is detached, so that a large uncertainty
    # never makes up for a large error.
    surprise = error.detach() / sigma + torch.log(sigma / model.target_scale)
    proportions = torch.abs(torch.log(scale_hat / scale))
    surprise = torch.where(is_known, surprise, 0.0)
    return robust.mean() + 0.05 * surprise.mean() + 0.2 * proportions.mean()


@torch.no_grad()
def predict(model: LiftModel, features: Tensor) -> tuple[Array, Array, Array]:
    """Coordinates, uncertainties and scale factors as float64 arrays."""
    model.eval()
    return tuple(t.numpy().astype(np.float64) for t in model(features))


def score(model: LiftModel, data: LiftData, skeleton: Skeleton) -> dict[str, float]:
    """Mean absolute error of each coordinate in deg, and of the scored ones under `mean`."""
    pairs = make_pairs(data, skeleton, None)
    q_hat, _, _ = predict(model, pairs.features)
    names = lifted_coordinates(skeleton)
    mae_deg = dict(
        zip(names, np.degrees(np.nanmean(np.abs(q_hat - pairs.q.numpy()), 0)).tolist(), strict=True)
    )
    return {"mean": float(np.nanmean([mae_deg[n] for n in SCORED_COORDINATES])), **mae_deg}
