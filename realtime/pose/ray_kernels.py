"""The arithmetic of `realtime.pose.ray_solver` and `realtime.pose.solver` over small arrays, compiled.

A frame needs a few hundred operations on arrays of 3 to 40 numbers, each of which costs numpy longer than the
numbers themselves. Tests hold every function to the same formula in numpy.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.kinematics import forward_kinematics, station_jacobian, station_positions
from calib.tree import KinematicTree
from realtime.pose.observation import MIN_DEPTH_M

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@njit(cache=True, nogil=True)
def fill_targets(
    rays: Array, believed_m: Array, across: Array, along: Array, T_ground_cam: Array,
    points_m: Array, information: Array,
) -> None:  # fmt: skip
    """Points on rays, p = R (z ray) + t, with W = across (I - d d') + along d d', where d = R ray / |ray|.

    Args:
        rays: Rays in the camera, at depth 1. Shape: (n, 3).
        believed_m: Depth z of each point; at least `MIN_DEPTH_M` is taken. Shape: (n,).
        across: Inverse variance across the ray, 1/m^2. Shape: (n,).
        along: Inverse variance along the ray, 1/m^2. Shape: (n,).
        T_ground_cam: Pose of the camera. Shape: (4, 4).
        points_m: Receives the points in ground. Shape: (n, 3).
        information: Receives the inverse covariances. Shape: (n, 3, 3).
    """
    T = T_ground_cam
    for k in range(rays.shape[0]):
        x, y, z = rays[k, 0], rays[k, 1], rays[k, 2]
        depth_m = max(believed_m[k], MIN_DEPTH_M)
        length = np.sqrt(x * x + y * y + z * z)
        for i in range(3):
            turned = T[i, 0] * x + T[i, 1] * y + T[i, 2] * z
            points_m[k, i] = depth_m * turned + T[i, 3]
            # The matrix's first row holds the direction until the products replace it.
            information[k, 0, i] = turned / length
        d0, d1, d2 = information[k, 0, 0], information[k, 0, 1], information[k, 0, 2]
        more = along[k] - across[k]
        information[k, 0, 0] = across[k] + more * d0 * d0
        information[k, 1, 1] = across[k] + more * d1 * d1
        information[k, 2, 2] = across[k] + more * d2 * d2
        information[k, 0, 1] = information[k, 1, 0] = more * d0 * d1
        information[k, 0, 2] = information[k, 2, 0] = more * d0 * d2
        information[k, 1, 2] = information[k, 2, 1] = more * d1 * d2


@njit(cache=True, nogil=True)
def station_depths(
    tree: KinematicTree, q: Array, scale_factors: Array, station_body: Indices, station_m: Array,
    T_ground_cam: Array,
) -> Array:  # fmt: skip
    """Depths of stations in the camera, z = R[:, 2]' (p - t).

    Args:
        tree: The skeleton's arrays.
        q: Coordinates. Shape: (n_q,).
        scale_factors: Shape: (n_bodies, 3).
        station_body: Body of each station. Shape: (n,).
        station_m: Stations in their bodies, scaled. Shape: (n, 3).
        T_ground_cam: Pose of the camera. Shape: (4, 4).

    Returns:
        Shape: (n,).
    """
    T_ground_body = np.empty((tree.bodies.shape[0], 4, 4))
    points_m = np.empty(station_m.shape)
    forward_kinematics(tree, q, scale_factors, T_ground_body)
    station_positions(T_ground_body, station_body, station_m, points_m)
    depths_m = np.zeros(station_m.shape[0])
    for k in range(station_m.shape[0]):
        for i in range(3):
            depths_m[k] += T_ground_cam[i, 2] * (points_m[k, i] - T_ground_cam[i, 3])
    return depths_m


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
