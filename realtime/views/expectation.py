"""What several views expect together of a pose, and how far it counts where their rays cross.

The lift network errs alike in all views: it saw the same people, and knows the same about how they move. So
the views' opinions are not independent. Where rays cross, they tell more about hips and knees than it does.
What rays do not tell is how pelvis and lumbar joint share the bend of the trunk, since the line from hips to
shoulders is the same. There, people who flex both hips flex the lumbar joint as well: in squats, in sitting
down and in lifting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calib.skeleton import Skeleton
from realtime.person.personal_solver import EXPECTED_TRUST
from realtime.pose.solver import Prior

Array = NDArray[np.float64]

SHARED_OPINION = 0.5
"""Correlation of the errors of two views' expected poses."""
LIMB_SHARE = 0.1
"""Weight of what is expected of hips and knees of somebody whose landmarks are corrected. All else counts
fully, as with one view of somebody who is not known: on 16 synthetic people 0.4 of that made legs 0.3 degrees
worse, and arms 0.6."""
LUMBAR_REST_RAD, LUMBAR_PER_HIP = np.radians(-4.0), -0.25
SIGMA_LUMBAR_RAD = np.radians(5.0)
"""Lumbar extension where both hips are flexed, per angle of the one that is flexed less, and its deviation.
In marker-based squats it is -0.18, in those by two phones -0.3; L5/S1 of people who lift and sit bends by
0.35 to 0.5. On synthetic people lumbar extension is 5.3 degrees off with it, 6.3 without."""


def shared_prior(priors: Sequence[Prior], is_angle: NDArray[np.bool_]) -> Prior:
    """What several views expect together: means weighed by their inverse variances.

    Args:
        priors: Expected pose of each view, in one ground.
        is_angle: Which coordinates are angles. Shape: (n_q,).
    """
    first = priors[0]
    if len(priors) == 1:
        return first
    apart = np.array([prior.q - first.q for prior in priors])
    apart = np.where(is_angle, (apart + np.pi) % (2.0 * np.pi) - np.pi, apart)
    together = 1.0 + SHARED_OPINION * (len(priors) - 1)
    weights = np.array([prior.weight for prior in priors])
    total = weights.sum(0)
    spread = np.mean([prior.spread for prior in priors], axis=0)
    given = [prior.information for prior in priors if prior.information is not None]
    if len(given) < len(priors):
        q = first.q + (weights * apart).sum(0) / np.where(total > 0.0, total, 1.0)
        return replace(first, q=q, weight=total / together, spread=spread, information=None)
    information = np.sum(given, axis=0)
    pulls = np.einsum("nij,nj->i", np.array(given), apart)
    q = first.q + _solved(information, pulls)
    return replace(first, q=q, weight=total / together, spread=spread, information=information / together)


def _solved(information: Array, pulls: Array) -> Array:
    """How far coordinates move when they are pulled; 0 where nothing is known. Shapes: (n, n), (n,)."""
    known = np.flatnonzero(np.diag(information) > 0.0)
    moves = np.zeros(len(pulls))
    moves[known] = np.linalg.solve(information[np.ix_(known, known)], pulls[known])
    return moves


class CrossedExpectation:
    """Tempers what views expect together where their rays cross.

    Args:
        skeleton: The skeleton that the expected poses belong to.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        names = [f"{stem}_{side}" for stem in ("hip_flexion", "hip_adduction", "knee_angle") for side in "rl"]
        known = skeleton.coordinate_names
        self._limbs = [skeleton.coordinate_index(name) for name in names if name in known]
        self._hips = [skeleton.coordinate_index(name) for name in names[:2] if name in known]
        self._lumbar = skeleton.coordinate_index("lumbar_extension") if "lumbar_extension" in known else None

    def temper(self, prior: Prior, *, is_known: bool) -> Prior:
        """The expected pose with the share of its weight that counts against the landmarks.

        Args:
            prior: What the views expect together.
            is_known: Whether landmarks are corrected by the person's offsets.
        """
        trust = np.full(len(prior.q), EXPECTED_TRUST)
        if is_known:
            trust[self._limbs] *= LIMB_SHARE
        if self._lumbar is None or len(self._hips) < 2:
            return replace(prior, trust=trust)
        k, of_bend = self._lumbar, SIGMA_LUMBAR_RAD**-2.0
        both_flexed_rad = max(float(prior.q[self._hips].min()), 0.0)
        bend = LUMBAR_REST_RAD + LUMBAR_PER_HIP * both_flexed_rad
        tempered = replace(prior, trust=trust).against_landmarks
        information = np.diag(tempered) if tempered.ndim == 1 else tempered
        information[k, k] += of_bend
        pulls = np.zeros(len(prior.q))
        pulls[k] = of_bend * (bend - prior.q[k])
        q, weight = prior.q + _solved(information, pulls), prior.weight.copy()
        weight[k] += of_bend
        root = np.sqrt(trust)
        return replace(prior, q=q, weight=weight, trust=trust, information=information / np.outer(root, root))
