"""Runs the temporal network: each frame's coordinates, refined by the frames before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from engines.stateful import StatefulEngine
from engines.temporal_features import MAX_LOG_SIGMA, MIN_LOG_SIGMA, OutputLayout, temporal_features
from realtime.lifter import Facing

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What the network makes of one frame and those before it."""

    facing: Facing
    """Better coordinates and standard deviations."""
    qdot: Array
    """Speeds in rad/s, the pelvis's in ground. Shape: (n_coordinates,)."""
    foot_contact: Array
    """Probability that the right and the left foot rest on the floor. Shape: (2,)."""


class TemporalNetwork:
    """A causal network with its memory of one person.

    Args:
        skeleton: The one that the network was trained with.
        model_path: The network's ONNX file, its spec beside it.

    Raises:
        EngineError: the network cannot be read, or belongs to another skeleton.
    """

    def __init__(self, skeleton: Skeleton, model_path: Path) -> None:
        self._engine = StatefulEngine(model_path)
        spec = self._engine.spec
        spec.check_skeleton(skeleton.coordinate_names, skeleton.sha)
        self._layout = OutputLayout(len(spec.coordinate_names))
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._engine.reset()
        self._t_ns: int | None = None
        self._heading_rad = 0.0

    def step(self, facing: Facing, t_ns: int) -> Refined:
        """Refine one frame; frames in which nobody is seen are left out."""
        is_first = self._t_ns is None
        dt_s = 0.0 if self._t_ns is None else max(0.0, 1e-9 * (t_ns - self._t_ns))
        turn_rad = 0.0 if is_first else facing.heading_rad - self._heading_rad
        self._t_ns, self._heading_rad = t_ns, facing.heading_rad
        x = temporal_features(facing.values[None], facing.q[None], facing.sigma[None], np.array([turn_rad]))
        y = self._engine.step(x, dt_s, True)[0].astype(np.float64)
        layout = self._layout
        log_sigma = np.log(facing.sigma) + y[layout.log_sigma]
        sigma = np.exp(np.clip(log_sigma, MIN_LOG_SIGMA, MAX_LOG_SIGMA))
        # The variance among people is the same; only what is left of it changes.
        doubt = (1.0 - facing.confidence) * (sigma / facing.sigma) ** 2
        return Refined(
            replace(
                facing,
                q=facing.q + y[layout.correction],
                sigma=sigma,
                confidence=np.clip(1.0 - doubt, 0.0, 1.0),
            ),
            y[layout.speed],
            1.0 / (1.0 + np.exp(-y[layout.contact])),
        )
