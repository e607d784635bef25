"""The step of a damped Newton method within bounds, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.solver.ik_problem import Problem, Workspace

UNOBSERVED = 1e-12
"""A coordinate about which stations say less than this part of the largest information stays."""
MAX_STEP = 1.0
"""Of one coordinate, in rad and m, so that angles do not jump by turns."""
MAX_BOUND_CHANGES = 5

FREE, HELD, AT_LOWER, AT_UPPER = range(4)


@njit(cache=True, nogil=True)
def _start_status(problem: Problem, q: NDArray[np.float64], work: Workspace) -> None:
    """Hold what is locked, dependent or unobserved, and what its gradient pushes against a bound."""
    lower, upper, is_free = problem.lower, problem.upper, problem.is_free
    status, step, gradient, diagonal = work.status, work.step, work.gradient, work.diagonal
    largest = 0.0
    for j in range(q.shape[0]):
        largest = max(largest, diagonal[j] - problem.prior_information[j, j])
    for j in range(q.shape[0]):
        status[j], step[j] = FREE, 0.0
        if not is_free[j] or diagonal[j] <= UNOBSERVED * largest:
            status[j] = HELD
        elif q[j] <= lower[j] and gradient[j] > 0.0:
            status[j], step[j] = AT_LOWER, lower[j] - q[j]
        elif q[j] >= upper[j] and gradient[j] < 0.0:
            status[j], step[j] = AT_UPPER, upper[j] - q[j]


@njit(cache=True, nogil=True)
def _solve_free(work: Workspace, damping: float) -> bool:
    """Solve (H + damping diag J'WJ) step = -gradient for the free coordinates, by Cholesky.

    The steps of the others are given. Returns False where the matrix is not positive definite.
    """
    status, active, step, gradient = work.status, work.active, work.step, work.gradient
    U, x, H, diagonal = work.factor, work.right, work.hessian, work.diagonal
    count, n_bound = 0, 0
    # Outermost coordinates first: eliminated in that order, limbs do not fill each other's zeros in
    # (Featherstone, Rigid Body Dynamics Algorithms, 2008, section 6.5).
    for j in range(status.shape[0] - 1, -1, -1):
        if status[j] == FREE:
            active[count] = j
            count += 1
        elif status[j] != HELD:
            n_bound += 1
    for a in range(count):
        i = active[a]
        for b in range(a, count):
            U[a, b] = H[active[b], i]
        U[a, a] += damping * diagonal[i]
        x[a] = -gradient[i]
        if n_bound > 0:
            for j in range(status.shape[0]):
                if status[j] == AT_LOWER or status[j] == AT_UPPER:
                    x[a] -= H[min(i, j), max(i, j)] * step[j]
    if not _cholesky_solve(U, x, count):
        return False
    for a in range(count):
        step[active[a]] = x[a]
    return True


@njit(cache=True, nogil=True)
def _cholesky_solve(U: NDArray[np.float64], x: NDArray[np.float64], count: int) -> bool:
    """Solve in place from the upper triangle; False where the matrix is not positive definite."""
    for k in range(count):
        pivot = U[k, k]
        if not pivot > 0.0:
            return False
        inverse = 1.0 / np.sqrt(pivot)
        for j in range(k, count):
            U[k, j] *= inverse
        x[k] *= inverse
        for i in range(k + 1, count):
            factor = U[k, i]
            if factor != 0.0:  # it mostly is, between limbs
                x[i] -= factor * x[k]
                for j in range(i, count):
                    U[i, j] -= factor * U[k, j]
    for k in range(count - 1, -1, -1):
        for j in range(k + 1, count):
            x[k] -= U[k, j] * x[j]
        x[k] /= U[k, k]
    return True


@njit(cache=True, nogil=True)
def _update_status(problem: Problem, q: NDArray[np.float64], work: Workspace, damping: float) -> bool:
    """Hold steps that leave the bounds, free those that a bound no longer stops; whether any changed."""
    lower, upper, status, step = problem.lower, problem.upper, work.status, work.step
    gradient, diagonal, H = work.gradient, work.diagonal, work.hessian
    changed = False
    for j in range(q.shape[0]):
        lowest, highest = max(lower[j] - q[j], -MAX_STEP), min(upper[j] - q[j], MAX_STEP)
        if status[j] == FREE:
            if step[j] < lowest:
                status[j], step[j], changed = AT_LOWER, lowest, True
            elif step[j] > highest:
                status[j], step[j], changed = AT_UPPER, highest, True
        elif status[j] != HELD:
            slope = gradient[j] + damping * diagonal[j] * step[j]
            for k in range(q.shape[0]):
                slope += H[min(j, k), max(j, k)] * step[k]
            if (status[j] == AT_LOWER and slope < 0.0) or (status[j] == AT_UPPER and slope > 0.0):
                status[j], changed = FREE, True
    return changed


@njit(cache=True, nogil=True)
def solve_step(problem: Problem, q: NDArray[np.float64], work: Workspace, damping: float) -> bool:
    """Minimise the quadratic model within the bounds (Voglis and Lagaris, BOXCQP, 2004).

    Returns False where the damped matrix is not positive definite.
    """
    _start_status(problem, q, work)
    for _ in range(MAX_BOUND_CHANGES):
        if not _solve_free(work, damping):
            return False
        if not _update_status(problem, q, work, damping):
            break
    return True


@njit(cache=True, nogil=True)
def try_step(problem: Problem, q: NDArray[np.float64], work: Workspace) -> float:
    """Take the step within the bounds into `q_trial`; the largest change of a coordinate."""
    lower, upper, step, q_trial = problem.lower, problem.upper, work.step, work.q_trial
    moved = 0.0
    for j in range(q.shape[0]):
        q_trial[j] = q[j]
        if step[j] != 0.0:
            short = min(max(step[j], -MAX_STEP), MAX_STEP)
            q_trial[j] = min(max(q[j] + short, lower[j]), upper[j])
        moved = max(moved, abs(q_trial[j] - q[j]))
    return moved
