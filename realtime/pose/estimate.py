"""What an estimator makes of one frame, before it is smoothed, limited and placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.sample import Status

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What an estimator makes of one frame."""

    q: Array
    """Coordinates in rad and m; NaN where unknown. Shape: (n_q,)."""
    confidence: Array
    """From 0 to 1. Shape: (n_q,)."""
    scale_factors: Array
    """Shape: (n_bodies, 3)."""
    status: Status
    box_px: Array
    """Left, top, right, bottom. Shape: (4,)."""
    qdot: Array | None = None
    """Speeds in rad/s and m/s; NaN where unknown. None: by the smoothing. Shape: (n_q,)."""
    sigma: Array | None = None
    """Standard deviations in rad and m; None: all are trusted alike. Shape: (n_q,)."""
    in_picture: Array | None = None
    """How probably the picture shows anything of what each coordinate moves; None: it does. What is out of
    the picture may be likely, but nobody has seen it. Shape: (n_q,)."""
    foot_contact: Array | None = None
    """Probability that the right and the left foot rest on the floor. Shape: (2,)."""
