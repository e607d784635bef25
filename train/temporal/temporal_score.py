"""What the temporal network is worth on clips that nothing was learnt from: as recordings to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from calib.coordinates import PELVIS_ROTATIONS, SCORED_COORDINATES
from calib.skeleton import Skeleton
from engines.features.motion_metrics import Motion
from engines.features.temporal import N_PELVIS
from train.temporal.data import steadied_coordinates
from train.temporal.fit import TemporalClip, predict
from train.temporal.loss import refine
from train.temporal.network import CausalNetwork

STEADIED = tuple(name for name in SCORED_COORDINATES if name not in PELVIS_ROTATIONS)
ALONE = "lifter"
"""Estimates without any temporal network."""


def motions_of(
    networks: Mapping[str, CausalNetwork], clips: Sequence[TemporalClip], skeleton: Skeleton
) -> list[Motion]:
    """The scored coordinates of clips: the truth, the lifter alone, and behind each network.

    Args:
        networks: By name.
        clips: As `train.temporal.data.temporal_clips` makes them.
        skeleton: That they belong to.
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
        motions.append(Motion(STEADIED, clip.dt_s.cumsum(dtype=np.float64), truth, estimates))
    return motions
