"""Training sequences of the temporal network: the lifter's output on clips, and the truth.

Blocks of images count as very slow sequences, in which earlier frames are of little use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from calib.coordinates import PELVIS_ROTATIONS
from calib.pelvis import facing, pelvis_rotation, turned
from calib.skeleton import Skeleton
from engines.features.landmarks import landmark_features, mirrored
from engines.features.temporal import N_PELVIS, UNDERRATED, temporal_features
from train.blazepose.data import LiftData
from train.errors import TrainError
from train.lift.exported import Lift
from train.lift.network import (
    camera_noise,
    landmark_batch,
    lifted_coordinates,
)
from train.motion.floor import Floor
from train.motion.library import mirror
from train.synth.people import POSE_INTERVAL_S
from train.temporal.fit import TemporalClip

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

CONTACT_HEIGHT_M = 0.03
CONTACT_SPEED_M_S = 0.5
CALM_FRAMES, MIN_JITTER = 33, 0.1
MAX_GAP_S = 0.2
"""Longest interval across which velocities are computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """Joint velocities and foot contacts in the rows of some data; NaN where unknown."""

    qdot: Floats
    """Velocities in rad/s. Shape: (n, n_q)."""
    contact: Floats
    """Whether the right and the left foot rest on the floor. Shape: (n, 2)."""

    @classmethod
    def of(cls, data: LiftData, skeleton: Skeleton) -> Dynamics:
        """Differentiate clips; images that stand alone stay unknown."""
        qdot = np.full(data.q.shape, np.nan, dtype=np.float32)
        contact = np.full((len(data), 2), np.nan, dtype=np.float32)
        for rows in data.clips():
            t_s, q = data.t_s[rows].astype(np.float64), data.q[rows].astype(np.float64)
            if t_s[-1] <= 0.0 or len(t_s) < 3:
                continue
            near_gap = _near_gaps(t_s)
            floor = Floor(skeleton, data.scale_factors[rows.start].astype(np.float64))
            qdot[rows] = np.gradient(np.unwrap(q, axis=0), t_s, axis=0)
            contact[rows] = _contacts(floor, q, t_s)
            qdot[rows][near_gap], contact[rows][near_gap] = np.nan, np.nan
        return cls(qdot, contact)


def steadied_coordinates(skeleton: Skeleton) -> tuple[str, ...]:
    """The coordinates that the temporal network smooths: the lifter's without the pelvis's."""
    names = lifted_coordinates(skeleton)
    if names[:N_PELVIS] != PELVIS_ROTATIONS:
        raise TrainError(
            f"the skeleton's coordinates begin with {names[:N_PELVIS]}; accepted: {PELVIS_ROTATIONS}"
        )
    return names[N_PELVIS:]


def temporal_clips(
    data: LiftData,
    dynamics: Dynamics,
    skeleton: Skeleton,
    lift: Lift,
    rng: np.random.Generator | None = None,
    *,
    flip: bool = False,
) -> Iterator[TemporalClip]:
    """Sequences of some data; targets are coordinates without the pelvis's, their velocities, and contacts.

    Args:
        data: Clips or blocks of images.
        dynamics: Velocities and contacts of the same rows.
        skeleton: Skeleton of the data.
        lift: Single-frame network, not trained on these people.
        rng: Random generator of camera errors, one draw per clip; None for exact cameras.
        flip: Whether to mirror the clips.
    """
    index = [skeleton.coordinate_index(name) for name in steadied_coordinates(skeleton)]
    q, contact = data.q.astype(np.float64), dynamics.contact
    qdot = dynamics.qdot.astype(np.float64)
    batch = landmark_batch(data, None if rng is None else camera_noise(rng, len(data), _cameras(data)))
    if flip:
        batch = mirrored(batch)
        q = mirror(skeleton, q)
        qdot, contact = mirror(skeleton, qdot), contact[:, ::-1]
    features = landmark_features(batch)
    q_hat, sigma = lift(batch)
    R_hat = turned(pelvis_rotation(q_hat[:, :N_PELVIS]), features.heading_rad)
    heading_rad, q_hat[:, :N_PELVIS] = facing(R_hat)
    sigma = np.sqrt(UNDERRATED) * sigma
    target = np.concatenate([q[:, index], qdot[:, index], contact], -1, dtype=np.float32)
    for rows in data.clips():
        dt_s = _intervals(data.t_s[rows])
        turn_rad = np.diff(heading_rad[rows], prepend=heading_rad[rows][:1])
        seen = q_hat[rows] if rng is None else _less_jitter(q_hat[rows], q[rows][:, index], rng)
        yield TemporalClip(
            x=temporal_features(seen, sigma[rows], turn_rad),
            dt_s=dt_s,
            valid=np.ones(len(dt_s), dtype=np.bool_),
            target=target[rows],
            weight=np.ones(len(dt_s), dtype=np.float32),
        )


def _less_jitter(q_hat: Array, truth: Array, rng: np.random.Generator) -> Array:
    """The same errors with less jitter, at random: some cameras are better than those of the training data.

    Args:
        q_hat: Estimated coordinates, the pelvis's angles first. Shape: (n, N_PELVIS + n_coordinates).
        truth: True coordinates without the pelvis's. Shape: (n, n_coordinates).
        rng: Random generator of the share of jitter that is left.
    """
    error = q_hat[:, N_PELVIS:] - truth
    slow = uniform_filter1d(error, CALM_FRAMES, axis=0, mode="nearest")
    calm = truth + slow + rng.uniform(MIN_JITTER, 1.0) * (error - slow)
    return np.concatenate([q_hat[:, :N_PELVIS], calm], 1)


def _intervals(t_s: Floats) -> Floats:
    if t_s[-1] > 0.0:
        return np.diff(t_s, prepend=t_s[:1]).astype(np.float32)
    return np.where(np.arange(len(t_s)) > 0, POSE_INTERVAL_S, 0.0).astype(np.float32)


def _cameras(data: LiftData) -> NDArray[np.int64]:
    """A number for each camera: clips have one, images one each. Shape: (n,)."""
    camera = np.arange(len(data))
    for rows in data.clips():
        if data.t_s[rows.stop - 1] > 0.0:
            camera[rows] = rows.start
    return camera


def _near_gaps(t_s: Array) -> NDArray[np.bool_]:
    gap = np.diff(t_s) > MAX_GAP_S
    return np.asarray(np.append(gap, False) | np.insert(gap, 0, False))


def _contacts(floor: Floor, q: Array, t_s: Array) -> Floats:
    """Whether each foot rests on the floor: a point of its sole is low and slow. Shape: (n, 2)."""
    soles_m = np.array([floor.soles(frame).reshape(2, -1, 3) for frame in q])
    speed = np.linalg.norm(np.gradient(soles_m, t_s, axis=0), axis=-1)
    low = soles_m[..., 1] < soles_m[..., 1].min() + CONTACT_HEIGHT_M
    return (low & (speed < CONTACT_SPEED_M_S)).any(-1).astype(np.float32)
