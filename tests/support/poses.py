"""Samples of the default skeleton for tests of what happens after estimation."""

from __future__ import annotations

import time

import numpy as np

from calib.kinematics import body_transforms, marker_positions
from calib.skeleton import Skeleton
from realtime.sample import PoseSample, Status


def random_sample(skeleton: Skeleton, frame_id: int = 0, *, t_capture_ns: int | None = None) -> PoseSample:
    """A pose within the joints' limits, different for each `frame_id`."""
    rng = np.random.default_rng(frame_id)
    q = rng.uniform(np.maximum(skeleton.q_lower, -2.0), np.minimum(skeleton.q_upper, 2.0))
    return sample_of(skeleton, q, frame_id, t_capture_ns=t_capture_ns)


def sample_of(
    skeleton: Skeleton, q: np.ndarray, frame_id: int = 0, *, t_capture_ns: int | None = None
) -> PoseSample:
    """The sample of given coordinates."""
    return PoseSample(
        frame_id=frame_id,
        t_capture_ns=time.perf_counter_ns() if t_capture_ns is None else t_capture_ns,
        status=Status.TRACKING,
        q=q,
        qdot=np.linspace(-1.0, 1.0, len(q)),
        confidence=np.linspace(0.2, 1.0, len(q)),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        T_ground_body=body_transforms(skeleton, q),
        markers_m=marker_positions(skeleton, q),
        box_px=np.array([1.0, 2.0, 3.0, 4.0]),
    )


def lost_sample(skeleton: Skeleton, frame_id: int = 0, *, t_capture_ns: int = 0) -> PoseSample:
    """A sample without a person."""
    return PoseSample(
        frame_id=frame_id,
        t_capture_ns=t_capture_ns,
        status=Status.LOST,
        q=np.full(skeleton.n_q, np.nan),
        qdot=np.full(skeleton.n_q, np.nan),
        confidence=np.zeros(skeleton.n_q),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        T_ground_body=np.full((skeleton.n_bodies, 4, 4), np.nan),
        markers_m=np.full((skeleton.n_markers, 3), np.nan),
        box_px=np.full(4, np.nan),
    )
