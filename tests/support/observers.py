"""Observation models made by hand: one that sees the truth, one that errs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from train.blazepose.events import NO_EVENTS, SWAPS, EventRates
from train.blazepose.model import N_GROUPS, N_PLACE, N_REGION, N_SIGHT, ObservationModel
from train.blazepose.network import MeanNetwork
from train.blazepose.noise import N_PARTS, ErrorClock, ResidualNoise
from train.blazepose.points import N_FEATURES


def silence(n: int) -> ResidualNoise:
    """No errors in n numbers."""
    return ResidualNoise(
        np.eye(n), np.zeros((n, N_PARTS)), np.zeros(n), np.eye(N_PARTS)[-1], np.zeros(N_PARTS)
    )


def noise(n: int, std: float) -> ResidualNoise:
    """Errors of one size in n numbers."""
    variance = np.full((n, N_PARTS), std**2 / N_PARTS)
    return replace(silence(n), variance=variance)


def perfect_model() -> ObservationModel:
    """Sees everything where it is; its region is a body's length about the hips."""
    region = MeanNetwork(N_FEATURES, N_REGION, width=8)
    region.target_mean[3] = -0.4
    sight = MeanNetwork(N_FEATURES, N_SIGHT, width=8)
    sight.target_mean[:] = 8.0
    place, spread = (MeanNetwork(N_FEATURES + 33, n, width=8) for n in (N_PLACE, N_GROUPS))
    return ObservationModel(
        region, sight, place, silence(N_REGION), silence(N_SIGHT), silence(N_PLACE), spread,
        ErrorClock(0.5, 1.0), np.ones((N_PLACE, 2)), np.zeros((2, N_SIGHT)), 1.0, NO_EVENTS,
    )  # fmt: skip


def noisy_model() -> ObservationModel:
    """Errs, swaps sides and loses people now and then."""
    rates = EventRates(
        np.full((len(SWAPS), 2), 0.3), ((0.2,),) * len(SWAPS), np.full(3, 0.2), (0.4,), (0.0, 0.3), 0.2
    )
    place = noise(N_PLACE, 0.02)
    return replace(
        perfect_model(),
        region_noise=noise(N_REGION, 0.01),
        sight_noise=noise(N_SIGHT, 2.0),
        place_noise=place,
        events=rates,
    )
