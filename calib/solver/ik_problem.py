"""What inverse kinematics minimises, and the buffers it works in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.tree import KinematicTree


class Problem(NamedTuple):
    """What one solve reads."""

    station_body: NDArray[np.int64]
    """Shape: (n,)."""
    station_m: NDArray[np.float64]
    """In their bodies, scaled. Shape: (n, 3)."""
    scale_factors: NDArray[np.float64]
    """Shape: (n_bodies, 3)."""
    targets_m: NDArray[np.float64]
    """In ground. Shape: (n, 3)."""
    information: NDArray[np.float64]
    """Zero for missing targets. Shape: (n, 3, 3)."""
    lower: NDArray[np.float64]
    """Infinite where there is no bound. Shape: (n_q,)."""
    upper: NDArray[np.float64]
    """Shape: (n_q,)."""
    is_free: NDArray[np.bool_]
    """Neither locked nor dependent. Shape: (n_q,)."""
    q_prior: NDArray[np.float64]
    """Shape: (n_q,)."""
    prior_information: NDArray[np.float64]
    """Symmetric. Shape: (n_q, n_q)."""


class Workspace(NamedTuple):
    """Buffers of one solver, so that a solve allocates nothing."""

    q_trial: NDArray[np.float64]
    """Shape: (n_q,)."""
    gain: NDArray[np.float64]
    """Shape: (n_q,)."""
    T: NDArray[np.float64]
    """Shape: (n_bodies, 4, 4)."""
    twists: NDArray[np.float64]
    """Shape: (n_columns, 6)."""
    positions_m: NDArray[np.float64]
    """Shape: (n, 3)."""
    composite: NDArray[np.float64]
    """Information of the stations on each subtree, over twists. Shape: (n_bodies, 6, 6)."""
    wrench: NDArray[np.float64]
    """Gradient of their cost, over twists. Shape: (n_bodies, 6)."""
    moment: NDArray[np.float64]
    """Sum of p f' over them, where f = W r: what second derivatives need. Shape: (n_bodies, 3, 3)."""
    force: NDArray[np.float64]
    """Composite information times one twist. Shape: (6,)."""
    hessian: NDArray[np.float64]
    """Second derivatives of half the cost; the upper triangle is filled. Shape: (n_q, n_q)."""
    diagonal: NDArray[np.float64]
    """Of J' W J and the prior's weights, which is never negative. Shape: (n_q,)."""
    gradient: NDArray[np.float64]
    """Shape: (n_q,)."""
    factor: NDArray[np.float64]
    """Shape: (n_q, n_q)."""
    step: NDArray[np.float64]
    """Shape: (n_q,)."""
    status: NDArray[np.int64]
    """FREE, HELD, AT_LOWER or AT_UPPER. Shape: (n_q,)."""
    active: NDArray[np.int64]
    """The free coordinates. Shape: (n_q,)."""
    right: NDArray[np.float64]
    """Right-hand side of their equations. Shape: (n_q,)."""
    apart: NDArray[np.float64]
    """Distance of the free coordinates from the prior's means. Shape: (n_q,)."""


def make_workspace(tree: KinematicTree, n_q: int, n_stations: int) -> Workspace:
    """Allocate the buffers of a solver."""
    n_bodies = len(tree.bodies)
    return Workspace(
        q_trial=np.zeros(n_q),
        gain=np.zeros(n_q),
        T=np.zeros((n_bodies, 4, 4)),
        twists=np.zeros((len(tree.column_coordinate), 6)),
        positions_m=np.zeros((n_stations, 3)),
        composite=np.zeros((n_bodies, 6, 6)),
        wrench=np.zeros((n_bodies, 6)),
        moment=np.zeros((n_bodies, 3, 3)),
        force=np.zeros(6),
        hessian=np.zeros((n_q, n_q)),
        diagonal=np.zeros(n_q),
        gradient=np.zeros(n_q),
        factor=np.zeros((n_q, n_q)),
        step=np.zeros(n_q),
        status=np.zeros(n_q, dtype=np.int64),
        active=np.zeros(n_q, dtype=np.int64),
        right=np.zeros(n_q),
        apart=np.zeros(n_q),
    )


@njit(cache=True, nogil=True)
def fill_information(
    targets_m: NDArray[np.float64], weights: NDArray[np.float64], information: NDArray[np.float64]
) -> bool:
    """Spread one weight a station over the diagonal; False if a weight is negative or not a number."""
    for k in range(weights.shape[0]):
        if not weights[k] >= 0.0 or not np.isfinite(weights[k]):
            return False
        known = np.isfinite(targets_m[k, 0] + targets_m[k, 1] + targets_m[k, 2])
        for i in range(3):
            for j in range(3):
                information[k, i, j] = weights[k] if known and i == j else 0.0
    return True


@njit(cache=True, nogil=True)
def fill_information_matrices(
    targets_m: NDArray[np.float64], matrices: NDArray[np.float64], information: NDArray[np.float64]
) -> bool:
    """Copy one matrix a station; False if one is not finite or has a negative diagonal."""
    for k in range(matrices.shape[0]):
        W = matrices[k]
        if not np.isfinite(W.sum()) or W[0, 0] < 0.0 or W[1, 1] < 0.0 or W[2, 2] < 0.0:
            return False
        known = np.isfinite(targets_m[k, 0] + targets_m[k, 1] + targets_m[k, 2])
        if known:
            information[k] = W
        else:
            information[k] = 0.0
    return True


@njit(cache=True, nogil=True)
def fill_prior_information(weights: NDArray[np.float64], information: NDArray[np.float64]) -> None:
    """Put one weight a coordinate on the diagonal. Shapes: (n_q,), (n_q, n_q)."""
    information[:] = 0.0
    for j in range(weights.shape[0]):
        information[j, j] = weights[j]


@njit(cache=True, nogil=True)
def is_usable_prior(q_prior: NDArray[np.float64], information: NDArray[np.float64]) -> bool:
    """Whether all means and weights are finite and none on the diagonal is negative.

    Shapes: (n_q,), (n_q, n_q).
    """
    for j in range(q_prior.shape[0]):
        if not np.isfinite(q_prior[j]) or not information[j, j] >= 0.0:
            return False
    return bool(np.isfinite(information.sum()))
