"""Bounded damped least squares over coordinates, compiled.

The cost is sum r' W r over stations plus sum w (q - q_prior)^2 over coordinates. Gauss-Newton's matrix
is built like a composite rigid body's inertia (Featherstone, Rigid Body Dynamics Algorithms, 2008,
section 6.2): the 6 x 6 information of the stations on a subtree, seen by the twists of its ancestors.

Noisy targets leave residuals as large as the distance of a hand's stations from its wrist, and there
Gauss-Newton creeps. So the second derivatives of rigid motion are added, which cost little more: turning
about an outer axis turns the motion of every inner one. Where the sum is not positive definite, the step
is Gauss-Newton's.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.box_step import solve_step, try_step
from calib.ik_problem import Problem, Workspace
from calib.kinematics import apply_couplers, propagate, station_positions
from calib.tree import KinematicTree

INITIAL_DAMPING = 1e-3
"""The first evaluation lowers it, as every success does."""
MIN_DAMPING = 1e-9
MAX_DAMPING = 1e9


@njit(cache=True, nogil=True)
def evaluate(tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace) -> float:
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
    composite: NDArray[np.float64], wrench: NDArray[np.float64], moment: NDArray[np.float64],
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
        moment[i, 0] += p[i] * f0
        moment[i, 1] += p[i] * f1
        moment[i, 2] += p[i] * f2
        # Row i of [p]x W times -[p]x.
        u, v = (i + 1) % 3, (i + 2) % 3
        a = p[u] * W[v, 0] - p[v] * W[u, 0]
        b = p[u] * W[v, 1] - p[v] * W[u, 1]
        c = p[u] * W[v, 2] - p[v] * W[u, 2]
        composite[i, 0] += c * p[1] - b * p[2]
        composite[i, 1] += a * p[2] - c * p[0]
        composite[i, 2] += b * p[0] - a * p[1]


@njit(cache=True, nogil=True)
def _linearise(
    tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace, second_order: bool
) -> None:
    """Gradient and second derivatives (halved) where `evaluate` was called last.

    Without second order, the matrix is Gauss-Newton's J' W J.
    """
    work.composite[:] = 0.0
    work.wrench[:] = 0.0
    work.moment[:] = 0.0
    work.hessian[:] = 0.0
    work.diagonal[:] = 0.0
    work.gradient[:] = 0.0
    for k in range(problem.station_body.shape[0]):
        body, W = problem.station_body[k], problem.information[k]
        if body >= 0 and W[0, 0] + W[1, 1] + W[2, 2] > 0.0:
            p, target = work.positions_m[k], problem.targets_m[k]
            _add_station(p, target, W, work.composite[body], work.wrench[body], work.moment[body])
    for body in range(tree.bodies.shape[0] - 1, -1, -1):
        parent = tree.bodies[body].parent
        A = work.composite[body]
        for i in range(3, 6):
            for j in range(3):
                A[i, j] = A[j, i]
        if parent >= 0:
            for i in range(6):
                work.wrench[parent, i] += work.wrench[body, i]
                for j in range(6):
                    work.composite[parent, i, j] += A[i, j]
            for i in range(3):
                for j in range(3):
                    work.moment[parent, i, j] += work.moment[body, i, j]
        _project_body(tree, body, work, second_order)
    for j in range(q.shape[0]):
        work.diagonal[j] += problem.prior_weight[j]
        work.hessian[j, j] += problem.prior_weight[j]
        work.gradient[j] += problem.prior_weight[j] * (q[j] - problem.q_prior[j])


@njit(cache=True, nogil=True)
def _project_body(tree: KinematicTree, body: int, work: Workspace, second_order: bool) -> None:
    """Add what moves one body's subtree: its own columns, by themselves and with those of its ancestors."""
    A, wrench, B = work.composite[body], work.wrench[body], work.moment[body]
    if A[3, 3] + A[4, 4] + A[5, 5] == 0.0:
        return
    for c in range(tree.bodies[body].first_column, tree.bodies[body].end_column):
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
        # Sum of (velocity of p) x f: how turning an outer axis changes this column's gradient.
        trace = B[0, 0] + B[1, 1] + B[2, 2]
        m0 = (B[0, 0] - trace) * S[0] + B[0, 1] * S[1] + B[0, 2] * S[2] + S[4] * wrench[5] - S[5] * wrench[4]
        m1 = B[1, 0] * S[0] + (B[1, 1] - trace) * S[1] + B[1, 2] * S[2] + S[5] * wrench[3] - S[3] * wrench[5]
        m2 = B[2, 0] * S[0] + B[2, 1] * S[1] + (B[2, 2] - trace) * S[2] + S[3] * wrench[4] - S[4] * wrench[3]
        if not second_order:
            m0, m1, m2 = 0.0, 0.0, 0.0
        turns = S[0] != 0.0 or S[1] != 0.0 or S[2] != 0.0
        ancestor, end = body, c + 1
        while ancestor >= 0:
            for d in range(tree.bodies[ancestor].first_column, end):
                i, Z = tree.column_coordinate[d], work.twists[d]
                value = Z[0] * f0 + Z[1] * f1 + Z[2] * f2 + Z[3] * f3 + Z[4] * f4 + Z[5] * f5
                twice = 2.0 if i == j and d != c else 1.0
                if i == j:
                    work.diagonal[j] += twice * value
                # A joint's own turns do not turn its translations.
                if turns or ancestor != body:
                    value += Z[0] * m0 + Z[1] * m1 + Z[2] * m2
                work.hessian[min(i, j), max(i, j)] += twice * value
            ancestor = tree.bodies[ancestor].parent
            if ancestor >= 0:
                end = tree.bodies[ancestor].end_column


@njit(cache=True, nogil=True)
def _rms(problem: Problem, work: Workspace) -> float:
    """Root mean square distance to the targets that count, in m, where `evaluate` was called last."""
    total, count = 0.0, 0
    for k in range(problem.station_body.shape[0]):
        W = problem.information[k]
        if W[0, 0] + W[1, 1] + W[2, 2] > 0.0:
            count += 1
            for i in range(3):
                total += (work.positions_m[k, i] - problem.targets_m[k, i]) ** 2
    return np.sqrt(total / count) if count > 0 else np.nan


@njit(cache=True, nogil=True)
def _is_last(moved: float, last_moved: float, tolerance: float) -> bool:
    """Whether the step after this one would be too small: it is shorter by at least as much again."""
    if last_moved < np.inf and last_moved > moved:
        moved *= moved / last_moved
    return moved < tolerance


@njit(cache=True, nogil=True)
def solve(
    tree: KinematicTree, problem: Problem, q: NDArray[np.float64], work: Workspace,
    max_iterations: int, step_tolerance: float,
) -> tuple[int, bool, float]:  # fmt: skip
    """Move q to the nearest minimum: Levenberg and Marquardt's method with Newton's matrix.

    Args:
        tree: The skeleton's arrays.
        problem: Stations, targets, bounds and prior.
        q: Start, and result. Free coordinates are moved into their bounds first. Shape: (n_q,).
        work: Buffers.
        max_iterations: How many steps to try at most.
        step_tolerance: Converged when no coordinate moves further, in rad and m.

    Returns:
        How many steps were tried, whether it converged, and the root mean square distance in m.
    """
    for j in range(q.shape[0]):
        if problem.is_free[j]:
            q[j] = min(max(q[j], problem.lower[j]), problem.upper[j])
        work.q_trial[j] = q[j]
    cost, rms_m, moved, last_moved = np.inf, np.nan, np.inf, np.inf
    damping, n_iterations, converged, use_gauss_newton = INITIAL_DAMPING, 0, False, False
    # Every part is called in one place: code that is there several times is slow to fetch.
    while True:
        trial_cost = evaluate(tree, problem, work.q_trial, work)
        accepted = trial_cost < cost
        if accepted:
            converged = _is_last(moved, last_moved, step_tolerance)
            cost, rms_m, last_moved = trial_cost, _rms(problem, work), moved
            damping = max(0.1 * damping, MIN_DAMPING)
            for j in range(q.shape[0]):
                q[j] = work.q_trial[j]
        elif not use_gauss_newton:
            converged = moved < step_tolerance
            damping *= 10.0
        if converged or n_iterations == max_iterations or damping > MAX_DAMPING or cost == np.inf:
            return n_iterations, converged, rms_m
        if accepted or use_gauss_newton:
            _linearise(tree, problem, q, work, not use_gauss_newton)
        use_gauss_newton = not solve_step(problem, q, work, damping)
        if use_gauss_newton:
            # Back to q, for a matrix that is positive definite, if need be by more damping.
            damping *= 10.0
            for j in range(q.shape[0]):
                work.q_trial[j] = q[j]
        else:
            moved = try_step(problem, q, work)
            n_iterations += 1
