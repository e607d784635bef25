"""The estimate of one frame, before smoothing, limits and forward kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.sample import Status

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Coordinates of one frame, with their uncertainty."""

    q: Array
    """Coordinates in rad and m; NaN where unknown. Shape: (n_q,)."""
    confidence: Array
    """Confidence, from 0 to 1. Shape: (n_q,)."""
    scale_factors: Array
    """OpenSim scale factors. Shape: (n_bodies, 3)."""
    status: Status
    box_px: Array
    """Left, top, right, bottom of the person. Shape: (4,)."""
    qdot: Array | None = None
    """Speeds in rad/s and m/s; NaN where unknown. None takes those of the smoothing. Shape: (n_q,)."""
    sigma: Array | None = None
    """Standard deviations in rad and m; None trusts all alike. Shape: (n_q,)."""
    in_picture: Array | None = None
    """Probability that the image shows a part of what each coordinate moves; None: 1 for all. A pose outside
    the image may be likely, but it is not seen. Shape: (n_q,)."""
    foot_contact: Array | None = None
    """Probability that the right and the left foot rest on the floor. Shape: (2,)."""
