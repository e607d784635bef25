"""Bounded damped least squares over coordinates, compiled.

The cost is sum r' W r over stations plus sum w (q - q_prior)^2 over coordinates. Gauss-Newton's matrix
is built like a composite rigid body's inertia (Featherstone, Rigid Body Dynamics Algorithms, 2008,
section 6.2): the 6 x 6 information of the stations on a subtree, seen by the twists of its ancestors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.kinematics import apply_couplers, propagate, station_positions
from calib.tree import KinematicTree

INITIAL_DAMPING = 1e-4
MIN_DAMPING = 1e-9
MAX_DAMPING = 1e9
MAX_STEP = 1.0
"""In rad and m: a longer step is shortened, so that angles do not jump by turns."""
UNOBSERVED = 1e-12
"""A coordinate whose information is below this part of the largest one stays where it is."""


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
    prior_weight: NDArray[np.float64]
    """Shape: (n_q,)."""


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
    hessian: NDArray[np.float64]
    """Gauss-Newton's; the upper triangle is filled. Shape: (n_q, n_q)."""
    gradient: NDArray[np.float64]
    """Shape: (n_q,)."""
    factor: NDArray[np.float64]
    """Shape: (n_q, n_q)."""
    step: NDArray[np.float64]
    """Shape: (n_q,)."""
    active: NDArray[np.int64]
    """Coordinates that the step may move. Shape: (n_q,)."""


def make_workspace(tree: KinematicTree, n_q: int, n_stations: int) -> Workspace:
    """Allocate the buffers of a solver."""
    n_bodies = len(tree.parent)
    return Workspace(
        q_trial=np.zeros(n_q),
        gain=np.zeros(n_q),
        T=np.zeros((n_bodies, 4, 4)),
        twists=np.zeros((len(tree.column_coordinate), 6)),
        positions_m=np.zeros((n_stations, 3)),
        composite=np.zeros((n_bodies, 6, 6)),
        wrench=np.zeros((n_bodies, 6)),
        hessian=np.zeros((n_q, n_q)),
        gradient=np.zeros(n_q),
        factor=np.zeros((n_q, n_q)),
        step=np.zeros(n_q),
        active=np.zeros(n_q, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def fill_information(
    targets_m: NDArray[np.float64], weights: NDArray[np.float64], information: NDArray[np.float64]
) -> bool:
    """Spread one weight a station over the diagonal; False if a weight is negative or not a number."""
    for k in range(weights.shape[0]):
        if not weights[k] >= 0.0 or not np.isfinite(weights[k]):
            return False
        information[k] = 0.0
        if np.isfinite(targets_m[k, 0] + targets_m[k, 1] + targets_m[k, 2]):
            for i in range(3):
                information[k, i, i] = weights[k]
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
def _evaluate(tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace) -> float:
    """Cost at q, whose dependent coordinates are set; leaves positions and twists behind."""
    apply_couplers(tree, q, problem.scale_factors, work.gain)
    propagate(tree, q, work.gain, problem.scale_factors, work.T, work.twists)
    station_positions(work.T, problem.station_body, problem.station_m, work.positions_m)
    cost = 0.0
    for k in range(problem.station_body.shape[0]):
        W = problem.information[k]
        if W[0, 0] + W[1, 1] + W[2, 2] > 0.0:
            x = work.positions_m[k, 0] - problem.targets_m[k, 0]
            y = work.positions_m[k, 1] - problem.targets_m[k, 1]
            z = work.positions_m[k, 2] - problem.targets_m[k, 2]
            cost += x * (W[0, 0] * x + 2.0 * (W[0, 1] * y + W[0, 2] * z))
            cost += y * (W[1, 1] * y + 2.0 * W[1, 2] * z) + W[2, 2] * z * z
    for j in range(q.shape[0]):
        if problem.is_free[j]:
            cost += problem.prior_weight[j] * (q[j] - problem.q_prior[j]) ** 2
    return cost


@njit(cache=True, nogil=True)
def _add_station(
    p: NDArray[np.float64], target: NDArray[np.float64], W: NDArray[np.float64],
    composite: NDArray[np.float64], wrench: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add one station to its body: A += P' W P, g += P' W r, where P maps a twist to p's velocity."""
    f0, f1, f2 = 0.0, 0.0, 0.0
    for j in range(3):
        r = p[j] - target[j]
        f0 += W[0, j] * r
        f1 += W[1, j] * r
        f2 += W[2, j] * r
        # Column j of [p]x W, above row j of W.
        a = p[1] * W[2, j] - p[2] * W[1, j]
        b = p[2] * W[0, j] - p[0] * W[2, j]
        c = p[0] * W[1, j] - p[1] * W[0, j]
        composite[0, 3 + j] += a
        composite[1, 3 + j] += b
        composite[2, 3 + j] += c
        for i in range(3):
            composite[3 + i, 3 + j] += W[i, j]
    wrench[0] += p[1] * f2 - p[2] * f1
    wrench[1] += p[2] * f0 - p[0] * f2
    wrench[2] += p[0] * f1 - p[1] * f0
    wrench[3] += f0
    wrench[4] += f1
    wrench[5] += f2
    for i in range(3):
        # Row i of [p]x W times -[p]x.
        u, v = (i + 1) % 3, (i + 2) % 3
        a = p[u] * W[v, 0] - p[v] * W[u, 0]
        b = p[u] * W[v, 1] - p[v] * W[u, 1]
        c = p[u] * W[v, 2] - p[v] * W[u, 2]
        composite[i, 0] += c * p[1] - b * p[2]
        composite[i, 1] += a * p[2] - c * p[0]
        composite[i, 2] += b * p[0] - a * p[1]


@njit(cache=True, nogil=True)
def _linearise(tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace) -> None:
    """Gradient and Gauss-Newton matrix (halved) where `_evaluate` was called last."""
    work.composite[:] = 0.0
    work.wrench[:] = 0.0
    work.hessian[:] = 0.0
    work.gradient[:] = 0.0
    for k in range(problem.station_body.shape[0]):
        body, W = problem.station_body[k], problem.information[k]
        if body >= 0 and W[0, 0] + W[1, 1] + W[2, 2] > 0.0:
            _add_station(
                work.positions_m[k], problem.targets_m[k], W, work.composite[body], work.wrench[body]
            )
    for body in range(tree.parent.shape[0] - 1, -1, -1):
        parent = tree.parent[body]
        A = work.composite[body]
        for i in range(3, 6):
            for j in range(3):
                A[i, j] = A[j, i]
        if parent >= 0:
            for i in range(6):
                work.wrench[parent, i] += work.wrench[body, i]
                for j in range(6):
                    work.composite[parent, i, j] += A[i, j]
        _project_body(tree, body, work)
    for j in range(q.shape[0]):
        work.hessian[j, j] += problem.prior_weight[j]
        work.gradient[j] += problem.prior_weight[j] * (q[j] - problem.q_prior[j])


@njit(cache=True, nogil=True)
def _project_body(tree: KinematicTree, body: int, work: Workspace) -> None:
    """Add what moves one body's subtree: its own columns, by themselves and with those of its ancestors."""
    A, wrench = work.composite[body], work.wrench[body]
    if A[3, 3] + A[4, 4] + A[5, 5] == 0.0:
        return
    for c in range(tree.column_start[body], tree.column_start[body + 1]):
        j, S = tree.column_coordinate[c], work.twists[c]
        f0, f1, f2, f3, f4, f5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(6):
            work.gradient[j] += S[i] * wrench[i]
            f0 += A[0, i] * S[i]
            f1 += A[1, i] * S[i]
            f2 += A[2, i] * S[i]
            f3 += A[3, i] * S[i]
            f4 += A[4, i] * S[i]
            f5 += A[5, i] * S[i]
        ancestor, last = body, c
        while ancestor >= 0:
            first = tree.column_start[ancestor]
            for d in range(first, last + 1):
                i, Z = tree.column_coordinate[d], work.twists[d]
                value = Z[0] * f0 + Z[1] * f1 + Z[2] * f2 + Z[3] * f3 + Z[4] * f4 + Z[5] * f5
                if i == j and d != c:
                    value *= 2.0
                work.hessian[min(i, j), max(i, j)] += value
            ancestor = tree.parent[ancestor]
            last = tree.column_start[ancestor + 1] - 1


@njit(cache=True, nogil=True)
def _choose_active(problem: Problem, q: NDArray[np.float64], work: Workspace) -> int:
    """List the coordinates to move: free, observed, and not pushed against a bound."""
    largest = 0.0
    for j in range(q.shape[0]):
        largest = max(largest, work.hessian[j, j])
    count = 0
    for j in range(q.shape[0]):
        if not problem.is_free[j] or work.hessian[j, j] <= UNOBSERVED * largest:
            continue
        slope = work.gradient[j]
        if (q[j] <= problem.lower[j] and slope > 0.0) or (q[j] >= problem.upper[j] and slope < 0.0):
            continue
        work.active[count] = j
        count += 1
    return count


@njit(cache=True, nogil=True)
def _solve_step(work: Workspace, count: int, damping: float) -> bool:
    """Solve (H + damping diag H) step = -gradient over the active coordinates, by Cholesky."""
    U, x = work.factor, work.step
    for a in range(count):
        i = work.active[a]
        for b in range(a, count):
            U[a, b] = work.hessian[i, work.active[b]]
        U[a, a] *= 1.0 + damping
        x[a] = -work.gradient[i]
    for k in range(count):
        if not U[k, k] > 0.0:
            return False
        root = np.sqrt(U[k, k])
        for j in range(k, count):
            U[k, j] /= root
        x[k] /= root
        for i in range(k + 1, count):
            factor = U[k, i]
            if factor != 0.0:
                x[i] -= factor * x[k]
                for j in range(i, count):
                    U[i, j] -= factor * U[k, j]
    for k in range(count - 1, -1, -1):
        for j in range(k + 1, count):
            x[k] -= U[k, j] * x[j]
        x[k] /= U[k, k]
    return True


@njit(cache=True, nogil=True)
def _try_step(problem: Problem, q: NDArray[np.float64], work: Workspace, count: int) -> float:
    """Take the step within the bounds into `q_trial`; the largest change of a coordinate."""
    longest = 0.0
    for a in range(count):
        longest = max(longest, abs(work.step[a]))
    shorten = min(1.0, MAX_STEP / longest) if longest > 0.0 else 0.0
    work.q_trial[:] = q
    moved = 0.0
    for a in range(count):
        j = work.active[a]
        value = min(max(q[j] + shorten * work.step[a], problem.lower[j]), problem.upper[j])
        work.q_trial[j] = value
        moved = max(moved, abs(value - q[j]))
    return moved


@njit(cache=True, nogil=True)
def solve(
    tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace,
    max_iterations: int, step_tolerance: float,
) -> tuple[int, bool]:  # fmt: skip
    """Move q to the nearest minimum; how many steps were tried, and whether the last was small enough.

    Args:
        tree: The skeleton's arrays.
        problem: Stations, targets, bounds and prior.
        q: Start, and result. Free coordinates are moved into their bounds first. Shape: (n_q,).
        work: Buffers.
        max_iterations: How many steps to try at most.
        step_tolerance: Converged when no coordinate moves further, in rad and m.
    """
    for j in range(q.shape[0]):
        if problem.is_free[j]:
            q[j] = min(max(q[j], problem.lower[j]), problem.upper[j])
    damping = INITIAL_DAMPING
    cost = _evaluate(tree, problem, q, work)
    _linearise(tree, problem, q, work)
    for iteration in range(1, max_iterations + 1):
        count = _choose_active(problem, q, work)
        while not _solve_step(work, count, damping):
            damping *= 10.0
            if damping > MAX_DAMPING:
                return iteration, False
        moved = _try_step(problem, q, work, count)
        trial_cost = _evaluate(tree, problem, work.q_trial, work)
        if trial_cost < cost:
            q[:] = work.q_trial
            cost = trial_cost
            if moved < step_tolerance:
                return iteration, True
            damping = max(0.1 * damping, MIN_DAMPING)
            _linearise(tree, problem, q, work)
        elif moved < step_tolerance or damping > MAX_DAMPING:
            return iteration, True
        else:
            damping *= 10.0
    return max_iterations, False


@njit(cache=True, nogil=True)
def residual_rms(tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace) -> float:
    """Root mean square distance to the targets that count, in m; sets dependent coordinates."""
    _evaluate(tree, problem, q, work)
    total, count = 0.0, 0
    for k in range(problem.station_body.shape[0]):
        W = problem.information[k]
        if W[0, 0] + W[1, 1] + W[2, 2] > 0.0:
            count += 1
            for i in range(3):
                total += (work.positions_m[k, i] - problem.targets_m[k, i]) ** 2
    return np.sqrt(total / count) if count > 0 else np.nan
