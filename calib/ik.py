"""Coordinates from measured points: inverse kinematics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.errors import SkeletonError
from calib.root import find_root
from calib.scaling import check_scale_factors
from calib.skeleton import Skeleton
from calib.solver.ik_kernels import evaluate, solve
from calib.solver.ik_problem import (
    Problem,
    fill_information,
    fill_information_matrices,
    fill_prior_information,
    is_usable_prior,
    make_workspace,
)

MAX_ITERATIONS = 60
STEP_TOLERANCE = 5e-5
"""In rad and m."""


@dataclass(frozen=True, slots=True, eq=False)
class IkResult:
    """What a solve found."""

    q: NDArray[np.float64]
    """Coordinates in rad and m, dependent ones included. Shape: (n_q,)."""
    residual_rms_m: float
    """Root mean square distance between stations and the targets that count; NaN without targets."""
    cost: float
    """What was minimised, at q."""
    n_iterations: int
    converged: bool


class InverseKinematics:
    """Finds the coordinates that bring stations on bodies nearest to their targets.

    Minimises sum r' W r over stations plus (q - q_prior)' P (q - q_prior) over coordinates. Locked ones stay
    where they start, dependent ones follow their couplers, clamped ones stay in their range.

    Args:
        skeleton: The skeleton.
        station_body: Body of each station. Shape: (n,).
        station_m: Stations in their bodies, unscaled. Shape: (n, 3).
        bounded: Which coordinates keep to `q_lower` and `q_upper`; those that the model clamps, if
            left out. Shape: (n_q,).

    Raises:
        SkeletonError: an argument has the wrong shape or names a body that does not exist.
    """

    def __init__(
        self, skeleton: Skeleton, station_body: NDArray[np.int64], station_m: NDArray[np.float64], *,
        bounded: NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        self.skeleton = skeleton
        body = np.array(station_body, dtype=np.int64)
        station = np.array(station_m, dtype=np.float64)
        if body.ndim != 1 or station.shape != (len(body), 3):
            raise SkeletonError(
                f"stations have shapes {body.shape} and {station.shape}; accepted: (n,), (n, 3)"
            )
        if len(body) and not (0 <= body.min() and body.max() < skeleton.n_bodies):
            raise SkeletonError(f"station bodies go to {body.max()}; accepted: 0 to {skeleton.n_bodies - 1}")
        self._station_matrix = station[:, :, None] * np.eye(3)
        self._problem = _make_problem(skeleton, body, bounded)
        self._work = make_workspace(skeleton.tree, skeleton.n_q, len(body))
        self._root = find_root(skeleton)
        self.set_scale_factors(np.ones((skeleton.n_bodies, 3)))

    @classmethod
    def from_markers(
        cls, skeleton: Skeleton, marker_names: Sequence[str] | None = None, *,
        bounded: NDArray[np.bool_] | None = None,
    ) -> InverseKinematics:  # fmt: skip
        """A solver whose stations are markers of the skeleton, all of them if none are named.

        Raises:
            SkeletonError: the skeleton has no marker of that name.
        """
        names = skeleton.marker_names if marker_names is None else tuple(marker_names)
        index = np.array([skeleton.marker_index(name) for name in names], dtype=np.int64)
        body, matrix = skeleton.tree.marker_body[index], skeleton.tree.M_marker[index]
        solver = cls(skeleton, np.maximum(body, 0), np.zeros((len(index), 3)), bounded=bounded)
        solver._problem.station_body[:] = body
        solver._station_matrix = matrix
        solver.set_scale_factors(np.ones((skeleton.n_bodies, 3)))
        return solver

    def set_scale_factors(self, scale_factors: NDArray[np.float64]) -> None:
        """Change the size of the bodies. Shape: (n_bodies, 3).

        Raises:
            SkeletonError: wrong shape, or factors that are not positive numbers.
        """
        factors = check_scale_factors(self.skeleton, scale_factors)
        problem = self._problem
        problem.scale_factors[:] = factors
        on_body = np.where((problem.station_body >= 0)[:, None], factors[problem.station_body], 1.0)
        problem.station_m[:] = np.einsum("nij,nj->ni", self._station_matrix, on_body)

    def solve(
        self, targets_m: NDArray[np.float64], weights: NDArray[np.float64], q0: NDArray[np.float64] | None, *,
        q_prior: NDArray[np.float64] | None = None, prior_weight: NDArray[np.float64] | None = None,
    ) -> IkResult:  # fmt: skip
        """Find the coordinates of one moment.

        Args:
            targets_m: Where the stations should be, in ground; NaN where unknown. Shape: (n, 3).
            weights: One a station, or an information matrix a station, in 1/m^2 if costs are to mean
                anything; symmetric and not negative. Shape: (n,) or (n, 3, 3).
            q0: Where to start. None starts from the default pose, turned and moved to the targets.
                Shape: (n_q,).
            q_prior: Prior means, `q_default` if left out. Shape: (n_q,).
            prior_weight: Prior weights, in units of a weight times m^2 / rad^2, or a symmetric information
                matrix P, positive semidefinite; zero if left out. Shape: (n_q,) or (n_q, n_q).

        Raises:
            SkeletonError: an argument has the wrong shape or is not finite, or a weight is negative.
        """
        problem, work = self._problem, self._work
        self._set_targets(targets_m, weights)
        self._set_prior(q_prior, prior_weight)
        if q0 is None:
            q = self._cold_start()
        else:
            q = np.array(q0, dtype=np.float64)
            if q.shape != (self.skeleton.n_q,) or not np.isfinite(q).all():
                raise SkeletonError(f"q0 has shape {q.shape}; accepted: {self.skeleton.n_q} finite numbers")
        n_iterations, converged, rms_m, cost = solve(
            self.skeleton.tree, problem, q, work, MAX_ITERATIONS, STEP_TOLERANCE
        )
        return IkResult(q, rms_m, cost, n_iterations, converged)

    def _set_targets(self, targets_m: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        problem = self._problem
        targets, weights = np.asarray(targets_m), np.ascontiguousarray(weights, dtype=np.float64)
        if targets.shape != problem.targets_m.shape:
            raise SkeletonError(f"targets have shape {targets.shape}; accepted: {problem.targets_m.shape}")
        problem.targets_m[:] = targets
        if weights.shape == problem.information.shape:
            ok = fill_information_matrices(problem.targets_m, weights, problem.information)
        elif weights.shape == problem.targets_m.shape[:1]:
            ok = fill_information(problem.targets_m, weights, problem.information)
        else:
            n = len(targets)
            raise SkeletonError(f"weights have shape {weights.shape}; accepted: ({n},) or ({n}, 3, 3)")
        if not ok:
            raise SkeletonError("a weight is negative or not finite; accepted: 0 and more")

    def _set_prior(
        self, q_prior: NDArray[np.float64] | None, prior_weight: NDArray[np.float64] | None
    ) -> None:
        problem = self._problem
        if prior_weight is None:
            problem.prior_information[:] = 0.0
            return
        if np.ndim(prior_weight) == 2:
            problem.prior_information[:] = prior_weight
        else:
            fill_prior_information(np.ascontiguousarray(prior_weight, np.float64), problem.prior_information)
        problem.q_prior[:] = self.skeleton.q_default if q_prior is None else q_prior
        if not is_usable_prior(problem.q_prior, problem.prior_information):
            raise SkeletonError(
                "a prior is not finite or its weight is negative; accepted: finite, 0 and more"
            )

    def _cold_start(self) -> NDArray[np.float64]:
        problem, work = self._problem, self._work
        q = self.skeleton.q_default.copy()
        if self._root is None:
            return q
        evaluate(self.skeleton.tree, problem, q, work)
        weights = np.einsum("nii->n", problem.information)
        return self._root.align(
            q, work.T, problem.scale_factors, work.positions_m, problem.targets_m, weights
        )


def _make_problem(
    skeleton: Skeleton, station_body: NDArray[np.int64], bounded: NDArray[np.bool_] | None
) -> Problem:
    bounded = skeleton.is_clamped if bounded is None else np.asarray(bounded, dtype=np.bool_)
    if bounded.shape != (skeleton.n_q,):
        raise SkeletonError(f"bounded has shape {bounded.shape}; accepted: ({skeleton.n_q},)")
    n = len(station_body)
    return Problem(
        station_body=station_body,
        station_m=np.zeros((n, 3)),
        scale_factors=np.ones((skeleton.n_bodies, 3)),
        targets_m=np.zeros((n, 3)),
        information=np.zeros((n, 3, 3)),
        lower=np.where(bounded, skeleton.q_lower, -np.inf),
        upper=np.where(bounded, skeleton.q_upper, np.inf),
        is_free=~(skeleton.is_locked | skeleton.is_dependent),
        q_prior=skeleton.q_default.copy(),
        prior_information=np.zeros((skeleton.n_q, skeleton.n_q)),
    )
