"""Train the patch network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.blazepose.pose_landmark import N_LANDMARKS
from engines.features.patches import KINDS, N_PATCHES, PATCH_PX, POINT_PATCH, POINT_SLOT
from train.patches.data import MARGIN_PX, PatchData
from train.patches.network import PatchNetwork, patch_loss

Floats = NDArray[np.float32]
Report = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss."""
POINTS = list(zip(POINT_PATCH.tolist(), POINT_SLOT.tolist(), strict=True))
REACH = 1.0
"""Points further from the centre, in sides, are not to be found in a patch."""


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """Training options."""

    epochs: int = 4
    batch_images: int = 24
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 0


def fit_patches(
    data: PatchData,
    options: PatchOptions,
    report: Report | None = None,
    start: PatchNetwork | None = None,
) -> PatchNetwork:
    """Train a network on patches.

    Args:
        data: Training data.
        options: Training options.
        report: Progress callback, every hundred steps.
        start: Network to go on with; None starts a new one.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    model = PatchNetwork() if start is None else start
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    n_steps = options.epochs * (len(data) // options.batch_images)
    optimiser = torch.optim.AdamW(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=max(n_steps, 10), pct_start=0.1
    )
    model.train()
    losses: list[float] = []
    for step, (patches, context, truth, kind) in enumerate(_batches(data, options, rng)):
        with torch.autocast("cpu", torch.bfloat16):
            found = model(patches, context)
        loss = patch_loss(found.float(), truth, kind)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if report is not None and step % 100 == 99:
            report(step + 1, n_steps, float(np.mean(losses[-100:])))
    return model.eval()


def _batches(
    data: PatchData, options: PatchOptions, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    for _ in range(options.epochs):
        order = rng.permutation(len(data))
        for k in range(len(data) // options.batch_images):
            yield augmented(data.rows(order[k * options.batch_images : (k + 1) * options.batch_images]), rng)


def augmented(data: PatchData, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shifted and recoloured patches, their context, the truth and their kinds."""
    n = len(data) * N_PATCHES
    stored = data.patches.reshape(n, *data.patches.shape[2:])
    shift = rng.integers(0, 2 * MARGIN_PX + 1, (n, 2))
    pixels = np.empty((n, PATCH_PX, PATCH_PX, 3), np.float32)
    for k, (x, y) in enumerate(shift.tolist()):
        pixels[k] = stored[k, y : y + PATCH_PX, x : x + PATCH_PX, ::-1]
    pixels *= 1.0 / 255.0
    gain = np.exp(rng.normal(0.0, 0.15, (n, 1, 1, 1)) + rng.normal(0.0, 0.05, (n, 1, 1, 3)))
    pixels = pixels * gain.astype(np.float32) + rng.normal(0.0, 0.05, (n, 1, 1, 1)).astype(np.float32)
    by = (shift - MARGIN_PX)[:, None].astype(np.float32) / np.float32(PATCH_PX)
    truth = data.truth.reshape(n, *data.truth.shape[2:]) - by
    truth[np.abs(truth).max(-1) > REACH] = np.nan
    context = data.context.reshape(n, -1)
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    kind = torch.arange(N_PATCHES).repeat(len(data)) // 2
    return seen, torch.from_numpy(moved_context(context, by)), torch.from_numpy(truth), kind


def moved_context(context: Floats, by: Floats) -> Floats:
    """The context of patches whose centres have moved by some sides. Shape of `by`: (n, 1, 2)."""
    moved = context.copy()
    about = moved[:, : 2 * N_LANDMARKS].reshape(-1, N_LANDMARKS, 2)
    about -= by
    return moved


@torch.no_grad()
def look(model: PatchNetwork, data: PatchData, batch: int = 100) -> Floats:
    """Points and standard deviations in the unshifted patches. Shape: (n, N_PATCHES, MAX_POINTS, 3)."""
    found = []
    for start in range(0, len(data), batch):
        part = data.rows(slice(start, start + batch))
        inner = (
            part.patches[:, :, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX, ::-1].astype(np.float32) / 255.0
        )
        pixels = torch.from_numpy(np.ascontiguousarray(inner)).flatten(0, 1).permute(0, 3, 1, 2)
        out = model(pixels, torch.from_numpy(part.context).flatten(0, 1))
        found.append(out.unflatten(0, (len(part), N_PATCHES)).numpy())
    return np.concatenate(found)


def errors_of_region(found: Floats, truth: Floats) -> dict[str, float]:
    """Median distance from the truth of each point, in percent of the side of BlazePose's region."""
    side = np.array([KINDS[k // 2].side for k in range(N_PATCHES)])[None, :, None]
    error = 100.0 * side * np.linalg.norm(found[..., :2] - truth, axis=-1)
    names = [f"{KINDS[p // 2].name} {KINDS[p // 2].points[s]}" for p, s in POINTS]
    return {
        name: float(
            np.nanmedian([error[:, p, s] for (p, s), n in zip(POINTS, names, strict=True) if n == name])
        )
        for name in dict.fromkeys(names)
    }
