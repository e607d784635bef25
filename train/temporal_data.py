"""Sequences that the temporal network learns from: what the lifter makes of clips, and the truth.

Blocks of pictures count as sequences too, very slow ones: they show one person from many sides, which is what
the network needs to learn how people differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.landmark_features import LandmarkBatch, landmark_features, mirrored, turn_about_vertical
from engines.temporal_features import temporal_features
from train.floor import Floor
from train.lift import (
    PELVIS,
    camera_noise,
    landmark_batch,
    lifted_coordinates,
    mirrored_truth,
    pelvis_angles,
    pelvis_rotations,
)
from train.lift_data import LiftData
from train.people import POSE_INTERVAL_S
from train.poses import mirror

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Lift = Callable[[LandmarkBatch], tuple[Array, Array]]
"""Landmarks to coordinates in the person's frame, and standard deviations. Shapes: (n, n_coordinates)."""

CONTACT_HEIGHT_M = 0.03
CONTACT_SPEED_M_S = 0.5
MAX_GAP_S = 0.2
"""Speeds are not learnt across longer gaps."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true of each frame of a sequence."""

    q: Floats
    """Coordinates in rad, the pelvis in the frame that the person faces. Shape: (n, n_coordinates)."""
    qdot: Floats
    """In rad/s, the pelvis in ground; NaN where not known. Shape: (n, n_coordinates)."""
    contact: Floats
    """Whether the right and the left foot rest on the floor; NaN where not known. Shape: (n, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class TemporalSequence:
    """One person before one camera, or one block of pictures."""

    x: Floats
    """What the network reads. Shape: (n, n_features)."""
    dt_s: Floats
    """Time since the frame before; 0 at the first. Shape: (n,)."""
    truth: Truth


def temporal_sequences(
    data: LiftData,
    skeleton: Skeleton,
    lift: Lift,
    rng: np.random.Generator | None = None,
    *,
    flip: bool = False,
) -> Iterator[TemporalSequence]:
    """Sequences of some data.

    Args:
        data: Clips or blocks.
        skeleton: That they belong to.
        lift: The single-frame network; not one that learnt from these people.
        rng: Noise of the cameras, one draw for each clip; None for exact ones.
        flip: In a mirror.
    """
    index = [skeleton.coordinate_index(name) for name in lifted_coordinates(skeleton)]
    pelvis = [skeleton.coordinate_index(name) for name in PELVIS]
    rotations = pelvis_rotations(data.q.astype(np.float64), skeleton)
    for rows in data.clips():
        clip = data.rows(rows)
        noise = None if rng is None else camera_noise(rng, len(clip), same=clip.t_s[-1] > 0)
        batch, q = landmark_batch(clip, noise), clip.q.astype(np.float64)
        R_pelvis = rotations[rows]
        if flip:
            batch = mirrored(batch)
            q, R_pelvis = mirrored_truth(q, R_pelvis, skeleton)
        features = landmark_features(batch)
        ground = np.unwrap(q, axis=0)
        q[:, pelvis] = pelvis_angles(turn_about_vertical(-features.heading_rad) @ R_pelvis)
        q_hat, sigma = lift(batch)
        turn_rad = np.diff(features.heading_rad, prepend=features.heading_rad[:1])
        is_clip = bool(clip.t_s[-1] > 0)
        t_s: Array = clip.t_s.astype(np.float64) if is_clip else POSE_INTERVAL_S * np.arange(float(len(clip)))
        yield TemporalSequence(
            temporal_features(features.values, q_hat, sigma, turn_rad),
            np.diff(t_s, prepend=t_s[:1]).astype(np.float32),
            Truth(
                q[:, index].astype(np.float32),
                _speeds(ground[:, index], t_s, is_clip),
                _contacts(clip, skeleton, t_s, is_clip, flip),
            ),
        )


def _speeds(q: Array, t_s: Array, is_clip: bool) -> Floats:
    if not is_clip or len(t_s) < 3:
        return np.full(q.shape, np.nan, dtype=np.float32)
    qdot = np.gradient(q, t_s, axis=0)
    qdot[_near_gaps(t_s)] = np.nan
    return qdot.astype(np.float32)


def _near_gaps(t_s: Array) -> NDArray[np.bool_]:
    gap = np.diff(t_s) > MAX_GAP_S
    return np.asarray(np.append(gap, False) | np.insert(gap, 0, False))


def _contacts(clip: LiftData, skeleton: Skeleton, t_s: Array, is_clip: bool, flip: bool) -> Floats:
    """A foot rests where its lowest point is low and slow."""
    if not is_clip or len(t_s) < 3:
        return np.full((len(clip), 2), np.nan, dtype=np.float32)
    floor = Floor(skeleton, clip.scale_factors[0].astype(np.float64))
    soles_m = np.array([floor.soles(q).reshape(2, -1, 3) for q in clip.q.astype(np.float64)])
    speed = np.linalg.norm(np.gradient(soles_m, t_s, axis=0), axis=-1)
    low = soles_m[..., 1] < soles_m[..., 1].min() + CONTACT_HEIGHT_M
    rests = (low & (speed < CONTACT_SPEED_M_S)).any(-1).astype(np.float32)
    rests[_near_gaps(t_s)] = np.nan
    return rests[:, ::-1] if flip else rests


def crossed_lift(even: Lift, odd: Lift, adult: int) -> Lift:
    """The network of the two that did not learn from an adult: `even` learnt from adults of even number."""
    return odd if adult % 2 == 0 else even


def lifter_of(models: list[torch.nn.Module], skeleton: Skeleton) -> Lift:
    """Some lifters as they run live: averaged with each other, and with what they see in a mirror."""
    index = [skeleton.coordinate_index(name) for name in lifted_coordinates(skeleton)]

    @torch.no_grad()
    def look(batch: LandmarkBatch) -> list[Array]:
        values = torch.from_numpy(landmark_features(batch).values)
        answers = [model(values)[:2] for model in models]
        return [torch.stack(parts).mean(0).numpy().astype(np.float64) for parts in zip(*answers, strict=True)]

    def turned_back(values: Array) -> Array:
        whole = np.zeros((len(values), skeleton.n_q))
        whole[:, index] = values
        return mirror(skeleton, whole)[:, index]

    def lift(batch: LandmarkBatch) -> tuple[Array, Array]:
        (q, sigma), (q_mirror, sigma_mirror) = look(batch), look(mirrored(batch))
        return 0.5 * (q + turned_back(q_mirror)), 0.5 * (sigma + np.abs(turned_back(sigma_mirror)))

    return lift
