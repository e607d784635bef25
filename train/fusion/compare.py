"""BANet's networks on two views as rows of `kinecast train compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from train.direct.compare import ComparisonRow, fastest_ms, suiting_px
from train.direct.distributed import Rank
from train.direct.examples import DirectExamples
from train.direct.fit import FitOptions
from train.direct.layout import DirectLayout
from train.direct.loader import loader
from train.direct.loop import run_fit
from train.direct.metrics import AngleScore, joint_angle_errors
from train.fusion.banet import ENCODER, ClipBatch, TwoViewNetwork
from train.fusion.banet_fit import NAME, TwoViewFit
from train.fusion.pictures import N_VIEWS, ViewsPictures

Array = NDArray[np.float64]

ROWS = (f"{NAME}:hourglass", f"{NAME}:unet")
"""Estimates of each moment alone, and with the moments before."""


def compare_views(
    layout: DirectLayout,
    source: ViewsPictures,
    held_out: ViewsPictures,
    folder: Path,
    options: FitOptions,
    input_px: int = 0,
) -> Iterator[ComparisonRow]:
    """Train BANet's networks, or resume their training, and score them: both heads, trained together.

    Args:
        layout: Layout of the outputs.
        source: Clips to train on.
        held_out: Clips of other people.
        folder: Parent of the folder of the networks.
        options: Training options, as for the other rows.
        input_px: Side of the images, if the encoder can take it; 0 for its own.

    Raises:
        TrainError: the folder holds another network.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    side_px = suiting_px(ENCODER, input_px)
    fit = TwoViewFit(side_px, layout, source, options, folder / NAME, Rank(0, 1, device))
    run_fit(fit)
    network, side_px = fit.average, fit.spec.network.side_px
    parameters = sum(p.numel() for p in network.parameters())
    without = (network.sequence_parameters, 0)
    times_ms = _times_ms(network, side_px)
    scores = _scores(network, layout, held_out, side_px)
    for name, unused, time_ms, score in zip(ROWS, without, times_ms, scores, strict=True):
        yield ComparisonRow(
            variant=name,
            side_px=side_px,
            parameters=parameters - unused,
            learnt_parameters=parameters - unused,
            ms_per_picture=time_ms,
            hours=fit.spec.hours,
            score=score,
        )


@torch.no_grad()
def _scores(
    network: TwoViewNetwork, layout: DirectLayout, held_out: ViewsPictures, side_px: int
) -> list[AngleScore]:
    """Scores of both heads over all moments, a moment as often as it has images."""
    examples = DirectExamples(held_out, layout, side_px)
    device = network.mean.device
    errors: tuple[list[Array], ...] = ([], [])
    for clip in range(held_out.n_clips):
        order = [[(int(k), int(k)) for k in held_out.moments(clip).ravel()]]
        (images,) = loader(examples, order, workers=0)
        batch = ClipBatch(images, torch.from_numpy(held_out.dt_s(clip)).float()).to(device)
        truth = batch.images.q[::N_VIEWS].cpu().double().numpy()
        for parts, q in zip(errors, network(batch.images.image.float() / 255.0, batch.dt_s), strict=True):
            parts.append(joint_angle_errors(q.cpu().double().numpy(), truth, layout))
    return [_score(np.concatenate(parts), layout) for parts in errors]


def _score(errors_rad: Array, layout: DirectLayout) -> AngleScore:
    mean_deg = np.degrees(errors_rad.mean(0)).tolist()
    return AngleScore(
        pictures=N_VIEWS * len(errors_rad),
        joint_angle_mae_deg=float(np.mean(mean_deg)),
        mae_deg=dict(zip(layout.coordinate_names, mean_deg, strict=True)),
    )


def _times_ms(network: TwoViewNetwork, side_px: int) -> tuple[float, float]:
    """A moment of all views through the network, over its images: alone, and with those before."""
    device = network.mean.device
    images, dt_s = torch.rand(N_VIEWS, 3, side_px, side_px, device=device), torch.zeros(1, device=device)
    return (
        fastest_ms(lambda: network.of_moment(network.vectors(images)), device) / N_VIEWS,
        fastest_ms(lambda: network(images, dt_s), device) / N_VIEWS,
    )
