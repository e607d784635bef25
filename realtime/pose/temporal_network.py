"""Runs the temporal network: it smooths each frame's coordinates with the frames before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS
from calib.pelvis import facing_of
from calib.skeleton import Skeleton
from engines.features.temporal import (
    MAX_LOG_SIGMA,
    MIN_LOG_SIGMA,
    N_PELVIS,
    OutputLayout,
    temporal_features,
)
from engines.stateful import StatefulEngine
from realtime.pose.estimate import Estimate

Array = NDArray[np.float64]


class TemporalNetwork:
    """A causal network with its memory of one person, for every estimator with standard deviations.

    Args:
        skeleton: Skeleton that the network was trained with.
        model_path: ONNX file of the network, with its spec beside it.

    Raises:
        EngineError: the network cannot be read, or belongs to another skeleton.
    """

    def __init__(self, skeleton: Skeleton, model_path: Path) -> None:
        self._engine = StatefulEngine(model_path)
        names = self._engine.spec.coordinate_names
        self._engine.spec.check_skeleton(skeleton.coordinate_names, skeleton.sha)
        self._layout = OutputLayout(len(names))
        self._n_q = skeleton.n_q
        self._index = np.array([skeleton.coordinate_index(n) for n in names])
        self._read = np.array([skeleton.coordinate_index(n) for n in (*PELVIS_ROTATIONS, *names)])
        self._lag_sum_s, self._n_frames = 0.0, 0
        self.reset()

    @property
    def lag_s(self) -> float:
        """Mean delay so far."""
        return self._lag_sum_s / max(1, self._n_frames)

    @property
    def index(self) -> NDArray[np.int64]:
        """Indices of the smoothed coordinates in the skeleton's. Shape: (n_coordinates,)."""
        return self._index

    def reset(self) -> None:
        """Forget the person."""
        self._engine.reset()
        self._t_ns: int | None = None
        self._heading_rad = 0.0

    def refine(self, estimate: Estimate, t_ns: int) -> Estimate:
        """Smooth one frame. Frames without a person are left out: only time passes.

        Args:
            estimate: Estimate of the frame; without standard deviations it is returned unchanged.
            t_ns: Capture time of the frame; one that does not advance counts as the same time.
        """
        if estimate.sigma is None:
            return estimate
        q, sigma = estimate.q[self._read], estimate.sigma[self._read]
        heading_rad, q[:N_PELVIS] = facing_of(*q[:N_PELVIS].tolist())
        dt_s = 0.0 if self._t_ns is None else max(0.0, 1e-9 * (t_ns - self._t_ns))
        turn_rad = np.array([0.0 if self._t_ns is None else heading_rad - self._heading_rad])
        self._t_ns, self._heading_rad = t_ns, heading_rad
        y = self._engine.step(temporal_features(q[None], sigma[None], turn_rad), dt_s, True)[0]
        layout = self._layout
        self._lag_sum_s += float(y[layout.lag])
        self._n_frames += 1
        return self._refined(estimate, q[N_PELVIS:] + y[layout.correction], y)

    def _refined(self, estimate: Estimate, q: Array, y: NDArray[np.float32]) -> Estimate:
        """The estimate with the network's output."""
        assert estimate.sigma is not None
        layout, index = self._layout, self._index
        old = estimate.sigma[index]
        log_sigma = np.clip(np.log(old) + y[layout.log_sigma], MIN_LOG_SIGMA, MAX_LOG_SIGMA)
        # Most of an error lasts for seconds: less jitter does not mean less error, so sigma never falls.
        new, sigma = np.maximum(old, np.exp(log_sigma)), estimate.sigma.copy()
        whole, confidence, qdot = estimate.q.copy(), estimate.confidence.copy(), np.full(self._n_q, np.nan)
        whole[index], sigma[index], qdot[index] = q, new, y[layout.speed]
        # The variance among people is the same; only what is left of it changes.
        confidence[index] = np.clip(1.0 - (1.0 - confidence[index]) * (new / old) ** 2, 0.0, 1.0)
        contact = 1.0 / (1.0 + np.exp(-y[layout.contact].astype(np.float64)))
        return replace(estimate, q=whole, sigma=sigma, confidence=confidence, qdot=qdot, foot_contact=contact)
