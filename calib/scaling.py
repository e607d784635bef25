"""Scale factors: how much larger each body is than in the model, along its own axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calib.errors import SkeletonError
from calib.skeleton import Skeleton


def check_scale_factors(skeleton: Skeleton, scale_factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale factors as an array of the right shape, in the order of `skeleton.body_names`.

    Raises:
        SkeletonError: wrong shape, or factors that are not finite and positive.
    """
    factors = np.asarray(scale_factors, dtype=np.float64)
    if factors.shape != (skeleton.n_bodies, 3):
        raise SkeletonError(
            f"scale factors have shape {factors.shape}; "
            f"skeleton {skeleton.name!r} takes ({skeleton.n_bodies}, 3)"
        )
    bad = ~(np.isfinite(factors) & (factors > 0.0)).all(axis=1)
    if bad.any():
        body = int(np.flatnonzero(bad)[0])
        raise SkeletonError(
            f"scale factors of {skeleton.body_names[body]} are {factors[body].tolist()}; "
            "accepted: positive numbers"
        )
    return factors
