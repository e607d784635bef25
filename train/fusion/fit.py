"""Train the fusion network, and measure it beside the mean of the views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from calib.coordinates import SCORED_COORDINATES
from calib.skeleton import Skeleton
from train.fusion.data import FusionRows, ViewsMoments, fusion_rows
from train.fusion.network import FusionModel
from train.lift.network import lifted_coordinates

Array = NDArray[np.float64]
Report = Callable[[int, float], None]
"""Called with the epoch and its mean loss."""

KNEE_OF_LOSS_RAD = np.radians(4.0)
"""Error beyond which the loss is linear."""
GROUPS = {
    "legs and trunk": SCORED_COORDINATES,
    "knees": ("knee_angle_r", "knee_angle_l"),
    "arms": ("arm_flex_r", "arm_flex_l", "arm_add_r", "arm_add_l", "elbow_flex_r", "elbow_flex_l"),
}
"""Columns of the table, the curves of `realtime.estimators.views_error`."""
SETTLED = 3
"""Frames at the beginning of a clip that do not count, as in `realtime.estimators.views_error`."""


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """Training options."""

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    noise: float = 0.3
    """Standard deviation of noise on the inputs, in their own deviations."""
    seed: int = 0


def training_rows(clips: Sequence[ViewsMoments], skeleton: Skeleton) -> list[FusionRows]:
    """Moments of all clips as every choice of two or more views sees them, a set for each number of views."""
    by_size: dict[int, list[FusionRows]] = {}
    for clip in clips:
        n_views = clip.seen.shape[1]
        for size in range(2, n_views + 1):
            for chosen in combinations(range(n_views), size):
                by_size.setdefault(size, []).append(fusion_rows(clip, list(chosen), skeleton))
    return [
        FusionRows(*(np.concatenate([getattr(rows, name) for rows in part]) for name in FusionRows.__slots__))
        for part in by_size.values()
    ]


def fit_fusion(
    sets: Sequence[FusionRows], options: FusionOptions, report: Report | None = None
) -> FusionModel:
    """Train a network.

    Args:
        sets: Rows of `training_rows`; a batch comes from one of them, so that all of it has as many views.
        options: Training options.
        report: Progress callback.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    first = sets[0]
    model = FusionModel(first.views.shape[-1], first.crossed.shape[-1], first.pooled.shape[-1])
    model.normalise(first)
    batches = [(k, n) for k, rows in enumerate(sets) for n in range(max(len(rows) // options.batch_size, 1))]
    optimiser = torch.optim.AdamW(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.epochs * len(batches), pct_start=0.1
    )
    model.train()
    for epoch in range(options.epochs):
        orders, losses = [rng.permutation(len(rows)) for rows in sets], []
        for which in rng.permutation(len(batches)):
            k, n = batches[which]
            chosen = orders[k][n * options.batch_size : (n + 1) * options.batch_size]
            loss = fusion_loss(model, sets[k], chosen, options.noise)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        if report is not None:
            report(epoch, float(np.mean(losses)))
    return model.eval()


def fusion_loss(
    model: FusionModel, rows: FusionRows, chosen: NDArray[np.int64], noise: float
) -> torch.Tensor:
    """Robust error of the coordinates, and Laplace's negative log-likelihood of their deviations."""
    views, crossed, pooled, truth = (
        torch.from_numpy(getattr(rows, name)[chosen]) for name in ("views", "crossed", "pooled", "truth")
    )
    views = views + noise * model.view_scale * torch.randn_like(views)
    crossed = crossed + noise * model.crossed_scale * torch.randn_like(crossed)
    q, sigma = model(views, crossed, pooled)
    robust = torch.nn.functional.smooth_l1_loss(q, truth, beta=KNEE_OF_LOSS_RAD, reduction="none")
    surprise = (q - truth).abs().detach() / sigma + torch.log(sigma / model.target_scale)
    return (robust / model.target_scale).mean() + 0.05 * surprise.mean()


@torch.no_grad()
def fuse(model: FusionModel, rows: FusionRows) -> tuple[Array, Array]:
    """Coordinates and standard deviations, as float64 arrays. Shapes: (n, n_coordinates)."""
    found = model(*(torch.from_numpy(getattr(rows, name)) for name in ("views", "crossed", "pooled")))
    return tuple(values.numpy().astype(np.float64) for values in found)


def errors_deg(
    model: FusionModel | None, clips: Sequence[ViewsMoments], n_views: int, skeleton: Skeleton
) -> Array:
    """Mean absolute errors from the first views of each clip, mean over clips.

    Args:
        model: Network; None for the mean of the views' coordinates.
        clips: Clips of held-out people.
        n_views: Number of views, two or more.
        skeleton: Skeleton of the coordinates.

    Returns:
        Shape: (n_coordinates,).
    """
    errors = []
    for clip in clips:
        rows = fusion_rows(clip, list(range(n_views)), skeleton)
        q = rows.pooled.astype(np.float64) if model is None else fuse(model, rows)[0]
        apart = (np.degrees(q - rows.truth) + 180.0) % 360.0 - 180.0
        if len(apart) > SETTLED:
            errors.append(np.abs(apart[SETTLED:]).mean(0))
    return np.asarray(np.mean(errors, axis=0), dtype=np.float64)


def format_errors(rows: dict[str, Array], skeleton: Skeleton) -> str:
    """Format a Markdown table of `errors_deg`, by what they are of."""
    names = lifted_coordinates(skeleton)
    lines = [f"| degrees | {' | '.join(GROUPS)} |", f"|---|{'---|' * len(GROUPS)}"]
    for what, errors in rows.items():
        means = [errors[[names.index(name) for name in group]].mean() for group in GROUPS.values()]
        lines.append(f"| {what} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    return "\n".join(lines)
