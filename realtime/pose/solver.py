"""The most probable coordinates given where landmarks are and how people hold themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.ik import IkResult, InverseKinematics
from calib.kinematics import station_jacobian
from calib.skeleton import Skeleton
from calib.tree import KinematicTree
from engines.blazepose.pose_landmark import HIPS, SHOULDERS
from realtime.pose.landmark_model import LandmarkModel
from realtime.pose.observation import LandmarkObservation
from realtime.pose.skeletal_layer import is_root

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FREE_COORDINATE_SIGMA_RAD = 1.0
"""Standard deviation that replaces a missing prior when confidence is computed."""
FAR_RAD = np.radians(30.0)
"""Distance of a joint's coordinate from the expected one at which a second solution is sought from there."""
LEFT_TO_RIGHT = (HIPS, SHOULDERS)
"""Hips and shoulders; some skeletons have no arms."""


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Normal distributions of the coordinates before the landmarks are used."""

    q: Array
    """Means in rad and m. Shape: (n_q,)."""
    weight: Array
    """Inverse variances; 0 without a prior. Shape: (n_q,)."""
    spread: Array
    """Standard deviations among people, against which confidence is measured. Shape: (n_q,)."""
    underrated: float = 1.0
    """Variance of real errors over the computed one, measured on people whose coordinates are known."""
    disagreement: float = 0.0
    """Share of the squared distance from this mean to the solution that is added to the variance."""
    information: Array | None = None
    """Inverse covariance of the errors of q; None if they are independent. Shape: (n_q, n_q)."""
    trust: Array | float = 1.0
    """Share of the weights that counts against landmarks, of all coordinates or of each; shape then (n_q,).
    Uncertainties keep the whole: a coordinate is not less certain for being found by landmarks rather than by
    expectation."""

    @property
    def against_landmarks(self) -> Array:
        """Inverse variances or inverse covariance that counts. Shape: (n_q,) or (n_q, n_q)."""
        if self.information is None:
            return np.asarray(self.trust * self.weight)
        root = np.sqrt(np.broadcast_to(self.trust, self.weight.shape))
        return np.asarray(root[:, None] * self.information * root)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Coordinates and their uncertainty after the landmarks are used."""

    q: Array
    """Coordinates in rad and m. Shape: (n_q,)."""
    sigma: Array
    """Standard deviations in rad and m; 0 for coordinates that others drive. Shape: (n_q,)."""
    confidence: Array
    """1 - variance / variance among people: 1 where the landmarks fix the coordinate, 0 where they add
    nothing to the prior. Shape: (n_q,)."""


def habit_prior(model: LandmarkModel) -> Prior:
    """How people hold themselves: the model's posture prior."""
    spread = np.maximum(model.prior_weight, FREE_COORDINATE_SIGMA_RAD**-2.0) ** -0.5
    return Prior(model.q_prior, model.prior_weight, spread)


class PoseSolver:
    """Maximum of the posterior over coordinates, warm-started from the frame before.

    Args:
        skeleton: The skeleton.
        model: Landmark stations and posture prior of the skeleton.
    """

    def __init__(self, skeleton: Skeleton, model: LandmarkModel) -> None:
        self._skeleton = skeleton
        self._model = model
        self._ik = InverseKinematics(
            skeleton, model.station_body, model.station_m, bounded=skeleton.is_clamped & ~is_root(skeleton)
        )
        self._free = np.flatnonzero(~skeleton.is_dependent)
        self._habit = habit_prior(model)
        self._is_limb = skeleton.is_rotational & ~is_root(skeleton)
        self._row = {int(landmark): k for k, landmark in enumerate(model.landmark)}
        self.set_scale_factors(np.ones((skeleton.n_bodies, 3)))
        self.reset()

    def reset(self) -> None:
        """Forget the frame before."""
        self._q: Array | None = None

    def set_scale_factors(self, scale_factors: Array) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3)."""
        self._ik.set_scale_factors(scale_factors)
        self._scale_factors = np.array(scale_factors, dtype=np.float64)
        self._station_m = self._model.station_m * scale_factors[self._model.station_body]

    def solve(self, seen: LandmarkObservation, prior: Prior | None = None) -> Posterior:
        """Coordinates, and their uncertainty.

        Args:
            seen: One point for each station of the model.
            prior: Prior of this frame; None takes the model's posture prior.
        """
        prior = self._habit if prior is None else prior
        return self.judge(self.find(seen, prior), seen, prior)

    def find(self, seen: LandmarkObservation, prior: Prior) -> Array:
        """The most probable coordinates. Shape: (n_q,)."""
        start = self._first_guess(seen, prior.q) if self._q is None else self._q
        best = self._descend(seen, prior, start)
        if self._q is not None and self._is_far(best.q, prior):
            # Limbs bent the wrong way round also look right: the expected pose leads out of there.
            start = np.where(self._is_limb, prior.q, best.q)
            best = min(best, self._descend(seen, prior, start), key=lambda solution: solution.cost)
        self._q = best.q
        return best.q

    def refine(self, seen: LandmarkObservation, prior: Prior) -> Array:
        """The most probable coordinates near the last ones, of points that moved little. Shape: (n_q,)."""
        assert self._q is not None
        self._q = self._descend(seen, prior, self._q).q
        return self._q

    def judge(self, q: Array, seen: LandmarkObservation, prior: Prior) -> Posterior:
        """Coordinates with their uncertainty."""
        variance = self._variance(q, seen, prior)
        confidence = np.clip(1.0 - variance / prior.spread**2, 0.0, 1.0)
        confidence[self._skeleton.is_dependent] = 0.0
        return Posterior(q, np.sqrt(variance), confidence)

    def _descend(self, seen: LandmarkObservation, prior: Prior, start: Array) -> IkResult:
        return self._ik.solve(
            seen.points_m, seen.information, start, q_prior=prior.q, prior_weight=prior.against_landmarks
        )

    def _is_far(self, q: Array, prior: Prior) -> bool:
        apart = np.where(self._is_limb & (prior.weight > 0.0), q - prior.q, 0.0)
        return bool(np.abs(apart).max() > FAR_RAD)

    def _first_guess(self, seen: LandmarkObservation, q_prior: Array) -> Array:
        """The expected pose, at the hips, turned as hips and shoulders are. Shape: (n_q,)."""
        q = q_prior.copy()
        row = self._row
        pairs = [(row[a], row[b]) for a, b in LEFT_TO_RIGHT if a in row and b in row]
        left, right = (seen.points_m[list(rows)] for rows in zip(*pairs, strict=True))
        to_right = (right - left).sum(0)
        hips_m = 0.5 * (right[0] + left[0])
        guess = {
            "pelvis_rotation": np.arctan2(to_right[0], to_right[2]),
            "pelvis_tx": hips_m[0],
            "pelvis_ty": hips_m[1],
            "pelvis_tz": hips_m[2],
        }
        for name, value in guess.items():
            if name in self._skeleton.coordinate_names:
                q[self._skeleton.coordinate_index(name)] = value
        return q

    def _variance(self, q: Array, seen: LandmarkObservation, prior: Prior) -> Array:
        free, variance = self._free, np.zeros(self._skeleton.n_q)
        variance[free] = prior.underrated * posterior_variances(
            self._skeleton.tree,
            q,
            self._scale_factors,
            self._model.station_body,
            self._station_m,
            seen.information,
            np.maximum(prior.weight, prior.spread**-2.0),
            free,
        )
        if prior.disagreement > 0.0:
            apart = np.where(prior.weight > 0.0, q - prior.q, 0.0)
            apart = np.where(self._skeleton.is_rotational, (apart + np.pi) % (2.0 * np.pi) - np.pi, apart)
            variance[free] += (prior.trust * prior.disagreement * apart**2)[free]
        return variance


@njit(cache=True, nogil=True)
def posterior_variances(
    tree: KinematicTree, q: Array, scale_factors: Array, station_body: Indices, station_m: Array,
    information: Array, belief: Array, free: Indices,
) -> Array:  # fmt: skip
    """Diagonal of (sum_k J_k' W_k J_k + diag(belief))^-1 over the free coordinates.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates. Shape: (n_q,).
        scale_factors: Shape: (n_bodies, 3).
        station_body: Body of each station. Shape: (n,).
        station_m: Stations in their bodies, scaled. Shape: (n, 3).
        information: Inverse covariances W of the stations. Shape: (n, 3, 3).
        belief: Inverse variances before the stations are used, positive for free coordinates. Shape: (n_q,).
        free: Indices of the free coordinates. Shape: (n_free,).

    Returns:
        Shape: (n_free,).
    """
    J = np.empty((station_body.shape[0], 3, q.shape[0]))
    T_ground_body = np.empty((tree.bodies.shape[0], 4, 4))
    station_jacobian(tree, q, scale_factors, station_body, station_m, T_ground_body, J)
    n = free.shape[0]
    P, moved, WJ = np.zeros((n, n)), np.empty(n, np.int64), np.empty(3)
    for a in range(n):
        P[a, a] = belief[free[a]]
    for k in range(station_body.shape[0]):
        # A station moves with few of the coordinates.
        n_moved = 0
        for a in range(n):
            if J[k, 0, free[a]] != 0.0 or J[k, 1, free[a]] != 0.0 or J[k, 2, free[a]] != 0.0:
                moved[n_moved] = a
                n_moved += 1
        for m in range(n_moved):
            a = moved[m]
            for i in range(3):
                WJ[i] = 0.0
                for j in range(3):
                    WJ[i] += information[k, i, j] * J[k, j, free[a]]
            for o in range(m + 1):
                b = free[moved[o]]
                P[a, moved[o]] += WJ[0] * J[k, 0, b] + WJ[1] * J[k, 1, b] + WJ[2] * J[k, 2, b]
    return inverse_diagonal(P)


@njit(cache=True, nogil=True)
def inverse_diagonal(P: Array) -> Array:
    """Diagonal of the inverse of a positive definite matrix, whose lower triangle is overwritten.

    With Cholesky's P = L L', (P^-1)_jj = sum_i (L^-1)_ij^2.

    Args:
        P: Lower triangle of the matrix. Shape: (n, n).

    Returns:
        Shape: (n,).
    """
    n = P.shape[0]
    for i in range(n):
        for j in range(i + 1):
            rest = P[i, j]
            for k in range(j):
                rest -= P[i, k] * P[j, k]
            P[i, j] = np.sqrt(rest) if i == j else rest / P[j, j]
    diagonal, column = np.zeros(n), np.empty(n)
    for j in range(n):
        # Column j of L^-1, by forward substitution.
        for i in range(j, n):
            rest = 1.0 if i == j else 0.0
            for k in range(j, i):
                rest -= P[i, k] * column[k]
            column[i] = rest / P[i, i]
            diagonal[j] += column[i] ** 2
    return diagonal
