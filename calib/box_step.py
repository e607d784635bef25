"""The step of a damped Newton method within bounds, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.ik_problem import Problem, Workspace

UNOBSERVED = 1e-12
"""A coordinate about which stations say less than this part of the largest information stays."""
MAX_STEP = 1.0
"""Of one coordinate, in rad and m, so that angles do not jump by turns."""
MAX_BOUND_CHANGES = 5

FREE, HELD, AT_LOWER, AT_UPPER = range(4)


@njit(cache=True, nogil=True)
def _start_status(problem: Problem, q: NDArray[np.float64], work: Workspace) -> None:
    """Hold what is locked, dependent or unobserved, and what its gradient pushes against a bound."""
    largest = 0.0
    for j in range(q.shape[0]):
        largest = max(largest, work.diagonal[j] - problem.prior_weight[j])
    for j in range(q.shape[0]):
        slope = work.gradient[j]
        if not problem.is_free[j] or work.diagonal[j] <= UNOBSERVED * largest:
            work.status[j] = HELD
        elif q[j] <= problem.lower[j] and slope > 0.0:
            work.status[j] = AT_LOWER
        elif q[j] >= problem.upper[j] and slope < 0.0:
            work.status[j] = AT_UPPER
        else:
            work.status[j] = FREE


@njit(cache=True, nogil=True)
def _solve_free(work: Workspace, count: int, n_bound: int, damping: float) -> bool:
    """Solve (H + damping diag J'WJ) step = -gradient for the free coordinates, by Cholesky.

    The steps of the others are given. Returns False where the matrix is not positive definite.
    """
    U, x, H = work.factor, work.right, work.hessian
    for a in range(count):
        i = work.active[a]
        for b in range(a, count):
            U[a, b] = H[i, work.active[b]]
        U[a, a] += damping * work.diagonal[i]
        x[a] = -work.gradient[i]
        if n_bound > 0:
            for j in range(work.step.shape[0]):
                if work.status[j] == AT_LOWER or work.status[j] == AT_UPPER:
                    x[a] -= H[min(i, j), max(i, j)] * work.step[j]
    if not _cholesky_solve(U, x, count):
        return False
    for a in range(count):
        work.step[work.active[a]] = x[a]
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
def _update_status(problem: Problem, q: NDArray[np.float64], work: Workspace, damping: float) -> bool:
    """Hold steps that leave the bounds, free those that a bound no longer stops; whether any changed."""
    changed = False
    for j in range(q.shape[0]):
        lowest = max(problem.lower[j] - q[j], -MAX_STEP)
        highest = min(problem.upper[j] - q[j], MAX_STEP)
        if work.status[j] == FREE:
            if work.step[j] < lowest:
                work.status[j], work.step[j], changed = AT_LOWER, lowest, True
            elif work.step[j] > highest:
                work.status[j], work.step[j], changed = AT_UPPER, highest, True
        elif work.status[j] != HELD:
            slope = work.gradient[j] + damping * work.diagonal[j] * work.step[j]
            for k in range(q.shape[0]):
                slope += work.hessian[min(j, k), max(j, k)] * work.step[k]
            if (work.status[j] == AT_LOWER and slope < 0.0) or (work.status[j] == AT_UPPER and slope > 0.0):
                work.status[j], changed = FREE, True
    return changed


@njit(cache=True, nogil=True)
def solve_step(problem: Problem, q: NDArray[np.float64], work: Workspace, damping: float) -> bool:
    """Minimise the quadratic model within the bounds (Voglis and Lagaris, BOXCQP, 2004).

    Returns False where the damped matrix is not positive definite.
    """
    _start_status(problem, q, work)
    for j in range(q.shape[0]):
        work.step[j] = 0.0
        if work.status[j] == AT_LOWER:
            work.step[j] = problem.lower[j] - q[j]
        elif work.status[j] == AT_UPPER:
            work.step[j] = problem.upper[j] - q[j]
    for _ in range(MAX_BOUND_CHANGES):
        count, n_bound = 0, 0
        for j in range(q.shape[0]):
            if work.status[j] == FREE:
                work.active[count] = j
                count += 1
            elif work.status[j] != HELD:
                n_bound += 1
        if not _solve_free(work, count, n_bound, damping):
            return False
        if not _update_status(problem, q, work, damping):
            break
    return True


@njit(cache=True, nogil=True)
def try_step(problem: Problem, q: NDArray[np.float64], work: Workspace) -> float:
    """Take the step within the bounds into `q_trial`; the largest change of a coordinate."""
    moved = 0.0
    for j in range(q.shape[0]):
        value = q[j]
        if work.step[j] != 0.0:
            step = min(max(work.step[j], -MAX_STEP), MAX_STEP)
            value = min(max(q[j] + step, problem.lower[j]), problem.upper[j])
        work.q_trial[j] = value
        moved = max(moved, abs(value - q[j]))
    return moved
