"""Bounded damped least squares over coordinates, compiled.

The cost is sum r' W r over stations plus d' P d with d = q - q_prior over coordinates. Gauss-Newton's matrix
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

from calib.kinematics import apply_couplers, propagate, station_positions
from calib.solver.box_step import solve_step, try_step
from calib.solver.ik_problem import Problem, Workspace
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
    W, targets, positions = problem.information, problem.targets_m, work.positions_m
    cost = 0.0
    for k in range(W.shape[0]):
        if W[k, 0, 0] + W[k, 1, 1] + W[k, 2, 2] > 0.0:
            x = positions[k, 0] - targets[k, 0]
            y = positions[k, 1] - targets[k, 1]
            z = positions[k, 2] - targets[k, 2]
            cost += x * (W[k, 0, 0] * x + 2.0 * (W[k, 0, 1] * y + W[k, 0, 2] * z))
            cost += y * (W[k, 1, 1] * y + 2.0 * W[k, 1, 2] * z) + W[k, 2, 2] * z * z
    P, apart = problem.prior_information, work.apart
    _set_apart(problem, q, work)
    for j in range(q.shape[0]):
        if apart[j] != 0.0:
            cost += P[j, j] * apart[j] ** 2
            for k in range(j + 1, q.shape[0]):
                cost += 2.0 * P[j, k] * apart[j] * apart[k]
    return cost


@njit(cache=True, nogil=True)
def _set_apart(problem: Problem, q: NDArray[np.float64], work: Workspace) -> None:
    """Distance of the free coordinates from the prior's means, 0 for the others."""
    for j in range(q.shape[0]):
        work.apart[j] = q[j] - problem.q_prior[j] if problem.is_free[j] else 0.0


@njit(cache=True, nogil=True)
def _add_stations(problem: Problem, work: Workspace) -> None:
    """Add stations to their bodies: A += P' W P, g += P' f, where P maps a twist to p's velocity, f = W r."""
    station_body, W, targets = problem.station_body, problem.information, problem.targets_m
    positions, composite, wrench, moment = work.positions_m, work.composite, work.wrench, work.moment
    for k in range(W.shape[0]):
        n = station_body[k]
        if n < 0 or not W[k, 0, 0] + W[k, 1, 1] + W[k, 2, 2] > 0.0:
            continue
        p0, p1, p2 = positions[k, 0], positions[k, 1], positions[k, 2]
        x, y, z = p0 - targets[k, 0], p1 - targets[k, 1], p2 - targets[k, 2]
        f0 = W[k, 0, 0] * x + W[k, 0, 1] * y + W[k, 0, 2] * z
        f1 = W[k, 1, 0] * x + W[k, 1, 1] * y + W[k, 1, 2] * z
        f2 = W[k, 2, 0] * x + W[k, 2, 1] * y + W[k, 2, 2] * z
        wrench[n, 0] += p1 * f2 - p2 * f1
        wrench[n, 1] += p2 * f0 - p0 * f2
        wrench[n, 2] += p0 * f1 - p1 * f0
        wrench[n, 3] += f0
        wrench[n, 4] += f1
        wrench[n, 5] += f2
        for i in range(3):
            moment[n, i, 0] += positions[k, i] * f0
            moment[n, i, 1] += positions[k, i] * f1
            moment[n, i, 2] += positions[k, i] * f2
            u, v = (i + 1) % 3, (i + 2) % 3
            # Row i of [p]x W, and times -[p]x.
            a = positions[k, u] * W[k, v, 0] - positions[k, v] * W[k, u, 0]
            b = positions[k, u] * W[k, v, 1] - positions[k, v] * W[k, u, 1]
            c = positions[k, u] * W[k, v, 2] - positions[k, v] * W[k, u, 2]
            composite[n, i, 0] += c * p1 - b * p2
            composite[n, i, 1] += a * p2 - c * p0
            composite[n, i, 2] += b * p0 - a * p1
            composite[n, i, 3] += a
            composite[n, i, 4] += b
            composite[n, i, 5] += c
            for j in range(3):
                composite[n, 3 + i, 3 + j] += W[k, i, j]


@njit(cache=True, nogil=True)
def _add_to_parents(tree: KinematicTree, work: Workspace) -> None:
    """Complete the composites' lower halves, and add every body to its parent, outermost first."""
    bodies, composite, wrench, moment = tree.bodies, work.composite, work.wrench, work.moment
    for n in range(bodies.shape[0] - 1, -1, -1):
        parent = bodies[n].parent
        for i in range(3, 6):
            for j in range(3):
                composite[n, i, j] = composite[n, j, i]
        if parent >= 0:
            for i in range(6):
                wrench[parent, i] += wrench[n, i]
                for j in range(6):
                    composite[parent, i, j] += composite[n, i, j]
            for i in range(3):
                for j in range(3):
                    moment[parent, i, j] += moment[n, i, j]


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
    _add_stations(problem, work)
    _add_to_parents(tree, work)
    for body in range(tree.bodies.shape[0]):
        _project_body(tree, body, work, second_order)
    P, apart = problem.prior_information, work.apart
    hessian, diagonal, gradient = work.hessian, work.diagonal, work.gradient
    _set_apart(problem, q, work)
    for j in range(q.shape[0]):
        diagonal[j] += P[j, j]
        for k in range(q.shape[0]):
            gradient[j] += P[j, k] * apart[k]
            if k >= j:
                hessian[j, k] += P[j, k]


@njit(cache=True, nogil=True)
def _project_body(tree: KinematicTree, body: int, work: Workspace, second_order: bool) -> None:
    """Add what moves one body's subtree: its own columns, by themselves and with those of its ancestors."""
    bodies, coordinate, S = tree.bodies, tree.column_coordinate, work.twists
    A, wrench, gradient = work.composite, work.wrench, work.gradient
    if A[body, 3, 3] + A[body, 4, 4] + A[body, 5, 5] == 0.0:
        return
    for c in range(bodies[body].first_column, bodies[body].end_column):
        f = work.force
        for i in range(6):
            f[i] = 0.0
            for k in range(6):
                f[i] += A[body, i, k] * S[c, k]
            gradient[coordinate[c]] += S[c, i] * wrench[body, i]
        m0, m1, m2 = 0.0, 0.0, 0.0
        if second_order:
            m0, m1, m2 = _turned_moment(work.moment, wrench, body, S, c)
        turns = S[c, 0] != 0.0 or S[c, 1] != 0.0 or S[c, 2] != 0.0
        _add_pairs(tree, work, body, c, m0, m1, m2, turns)


@njit(cache=True, nogil=True)
def _turned_moment(
    B: NDArray[np.float64], wrench: NDArray[np.float64], n: int, S: NDArray[np.float64], c: int
) -> tuple[float, float, float]:
    """Sum of (velocity of p) x f: how turning an outer axis changes the gradient of column c."""
    x, y, z, trace = S[c, 0], S[c, 1], S[c, 2], B[n, 0, 0] + B[n, 1, 1] + B[n, 2, 2]
    f0, f1, f2 = wrench[n, 3], wrench[n, 4], wrench[n, 5]
    return (
        B[n, 0, 0] * x + B[n, 0, 1] * y + B[n, 0, 2] * z - trace * x + S[c, 4] * f2 - S[c, 5] * f1,
        B[n, 1, 0] * x + B[n, 1, 1] * y + B[n, 1, 2] * z - trace * y + S[c, 5] * f0 - S[c, 3] * f2,
        B[n, 2, 0] * x + B[n, 2, 1] * y + B[n, 2, 2] * z - trace * z + S[c, 3] * f1 - S[c, 4] * f0,
    )


@njit(cache=True, nogil=True)
def _add_pairs(
    tree: KinematicTree, work: Workspace, body: int, c: int, m0: float, m1: float, m2: float, turns: bool
) -> None:
    """Second derivatives of column c of a body and every column up to it, on the way to ground."""
    bodies, coordinate, S = tree.bodies, tree.column_coordinate, work.twists
    hessian, diagonal, j = work.hessian, work.diagonal, coordinate[c]
    f0, f1, f2 = work.force[0], work.force[1], work.force[2]
    f3, f4, f5 = work.force[3], work.force[4], work.force[5]
    ancestor, end = body, c + 1
    while ancestor >= 0:
        for d in range(bodies[ancestor].first_column, end):
            i = coordinate[d]
            value = S[d, 0] * f0 + S[d, 1] * f1 + S[d, 2] * f2 + S[d, 3] * f3 + S[d, 4] * f4 + S[d, 5] * f5
            twice = 2.0 if i == j and d != c else 1.0
            if i == j:
                diagonal[j] += twice * value
            # A joint's own turns do not turn its translations.
            if turns or ancestor != body:
                value += S[d, 0] * m0 + S[d, 1] * m1 + S[d, 2] * m2
            hessian[min(i, j), max(i, j)] += twice * value
        ancestor = bodies[ancestor].parent
        if ancestor >= 0:
            end = bodies[ancestor].end_column


@njit(cache=True, nogil=True)
def _rms(problem: Problem, work: Workspace) -> float:
    """Root mean square distance to the targets that count, in m, where `evaluate` was called last."""
    W, targets, positions = problem.information, problem.targets_m, work.positions_m
    total, count = 0.0, 0
    for k in range(W.shape[0]):
        if W[k, 0, 0] + W[k, 1, 1] + W[k, 2, 2] > 0.0:
            count += 1
            for i in range(3):
                total += (positions[k, i] - targets[k, i]) ** 2
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
) -> tuple[int, bool, float, float]:  # fmt: skip
    """Move q to the nearest minimum: Levenberg and Marquardt's method with Newton's matrix.

    Args:
        tree: The skeleton's arrays.
        problem: Stations, targets, bounds and prior.
        q: Start, and result. Free coordinates are first moved into their bounds. Shape: (n_q,).
        work: Buffers.
        max_iterations: Largest number of steps to try.
        step_tolerance: Largest move of a coordinate in a step that counts as converged, in rad and m.

    Returns:
        How many steps were tried, whether it converged, the root mean square distance in m, and the cost.
    """
    lower, upper, is_free, q_trial = problem.lower, problem.upper, problem.is_free, work.q_trial
    for j in range(q.shape[0]):
        if is_free[j]:
            q[j] = min(max(q[j], lower[j]), upper[j])
        q_trial[j] = q[j]
    cost, rms_m, moved, last_moved = np.inf, np.nan, np.inf, np.inf
    damping, n_iterations, converged, use_gauss_newton = INITIAL_DAMPING, 0, False, False
    # Every part is called in one place: code that is there several times is slow to fetch.
    while True:
        trial_cost = evaluate(tree, problem, q_trial, work)
        accepted = trial_cost < cost
        if accepted:
            converged = _is_last(moved, last_moved, step_tolerance)
            cost, rms_m, last_moved = trial_cost, _rms(problem, work), moved
            damping = max(0.1 * damping, MIN_DAMPING)
            for j in range(q.shape[0]):
                q[j] = q_trial[j]
        elif not use_gauss_newton:
            converged = moved < step_tolerance
            damping *= 10.0
        if converged or n_iterations == max_iterations or damping > MAX_DAMPING or cost == np.inf:
            return n_iterations, converged, rms_m, cost
        if accepted or use_gauss_newton:
            _linearise(tree, problem, q, work, not use_gauss_newton)
        use_gauss_newton = not solve_step(problem, q, work, damping)
        if use_gauss_newton:
            # Back to q, for a matrix that is positive definite, if need be by more damping.
            damping *= 10.0
            for j in range(q.shape[0]):
                q_trial[j] = q[j]
        else:
            moved = try_step(problem, q, work)
            n_iterations += 1
