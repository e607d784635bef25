"""Where bodies and markers are for given coordinates, and how they move with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.errors import SkeletonError
from calib.osim.functions import evaluate
from calib.skeleton import Skeleton
from calib.tree import AXIS_TRANSLATION, AXIS_X, AXIS_Y, AXIS_Z, KinematicTree


@njit(cache=True, nogil=True)
def apply_couplers(
    tree: KinematicTree, q: NDArray[np.float64], scale_factors: NDArray[np.float64], gain: NDArray[np.float64]
) -> None:
    """Set dependent coordinates in place, and each coordinate's slope over the one it follows.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates; dependent ones are overwritten. Shape: (n_q,).
        scale_factors: Scale factors of each body along its axes. Shape: (n_bodies, 3).
        gain: Receives the slopes, 1 for independent coordinates. Shape: (n_q,).
    """
    couplers, (functions, segments, coefficients) = tree.couplers, tree.functions
    for j in range(gain.shape[0]):
        gain[j] = 1.0
    for k in range(couplers.shape[0]):
        coupler = couplers[k]
        argument = q[coupler.independent]
        value, slope = evaluate(functions, segments, coefficients, coupler.function, argument)
        weight, scale = coupler.weight, 1.0
        if weight[0] + weight[1] + weight[2] > 0.0:
            scale = 0.0
            for i in range(3):
                scale += weight[i] * scale_factors[coupler.body, i]
        q[coupler.dependent] = scale * value
        gain[coupler.dependent] = scale * slope * gain[coupler.independent]


@njit(cache=True, nogil=True)
def _rotate(R: NDArray[np.float64], kind: int, axis: NDArray[np.float64], angle: float) -> None:
    """R = R @ rotation about a unit axis, in place."""
    s, c = np.sin(angle), np.cos(angle)
    if kind == AXIS_X or kind == AXIS_Y or kind == AXIS_Z:
        u = kind + 1 if kind < AXIS_Z else AXIS_X
        v = kind - 1 if kind > AXIS_X else AXIS_Z
        for i in range(3):
            a, b = R[i, u], R[i, v]
            R[i, u] = c * a + s * b
            R[i, v] = c * b - s * a
        return
    x, y, z = axis[0], axis[1], axis[2]
    t = 1.0 - c
    for i in range(3):
        a, b, d = R[i, 0], R[i, 1], R[i, 2]
        # Rodrigues' formula, a row at a time.
        along = t * (a * x + b * y + d * z)
        R[i, 0] = c * a + along * x + s * (b * z - d * y)
        R[i, 1] = c * b + along * y + s * (d * x - a * z)
        R[i, 2] = c * d + along * z + s * (a * y - b * x)


@njit(cache=True, nogil=True)
def _scaled(
    M: NDArray[np.float64], scale_factors: NDArray[np.float64], body: int, out: NDArray[np.float64]
) -> None:
    """A fixed translation under the scale factors of its body; ground keeps its size."""
    if body < 0:
        for i in range(3):
            out[i] = M[i, 0] + M[i, 1] + M[i, 2]
    else:
        x, y, z = scale_factors[body, 0], scale_factors[body, 1], scale_factors[body, 2]
        for i in range(3):
            out[i] = M[i, 0] * x + M[i, 1] * y + M[i, 2] * z


@njit(cache=True, nogil=True)
def propagate(
    tree: KinematicTree,
    q: NDArray[np.float64],
    gain: NDArray[np.float64],
    scale_factors: NDArray[np.float64],
    T_out: NDArray[np.float64],
    twists: NDArray[np.float64],
) -> None:
    """Place every body, and note how each column of the tree moves it.

    A twist holds the angular velocity, then the velocity of the body's point at ground's origin, for
    a unit speed of the column's coordinate: a point p moves with omega x p + v.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates with couplers applied. Shape: (n_q,).
        gain: Slopes from `apply_couplers`. Shape: (n_q,).
        scale_factors: Scale factors of each body along its axes. Shape: (n_bodies, 3).
        T_out: Receives T_ground_body. Shape: (n_bodies, 4, 4).
        twists: Receives the twists, in ground; left alone if it has no rows. Shape: (n_columns, 6).
    """
    # Arrays out of the tuple, and subscripts down to single numbers, here and below: a reference to an
    # array that is taken in a loop costs two atomic operations.
    bodies, axes, terms = tree.bodies, tree.axes, tree.terms
    displacement, speed = np.empty(axes.shape[0]), np.empty(terms.shape[0])
    _displace(tree, q, gain, displacement, speed)
    R, R_F, o, t = np.empty((3, 3)), np.empty((3, 3)), np.empty(3), np.empty(3)
    for k in range(bodies.shape[0]):
        body = bodies[k]
        parent = body.parent
        _scaled(body.M_parent_joint, scale_factors, parent, t)
        _compose(T_out, parent, body.R_parent_joint, t, R_F, o)
        first, end = (body.first_column, body.end_column) if twists.shape[0] > 0 else (0, 0)
        for column in range(first, end):
            for i in range(6):
                twists[column, i] = 0.0
        for i in range(3):
            for j in range(3):
                R[i, j] = R_F[i, j]
        for a in range(body.first_axis, body.end_axis):
            _move(axes[a], displacement[a], scale_factors, parent, R_F, R, o, terms, speed, twists)
        radii = body.radii_m
        if radii[0] != 0.0 or radii[1] != 0.0 or radii[2] != 0.0:
            for i in range(3):
                t[i] = radii[i] * (scale_factors[parent, i] if parent >= 0 else 1.0)
            _move_to_ellipsoid(t, R_F, R, o, twists, first, end)
        _refer_to_ground(o, twists, first, end)
        _scaled(body.M_body_joint, scale_factors, k, t)
        _place_body(R, o, body.R_body_joint, t, T_out, k)


@njit(cache=True, nogil=True)
def _displace(
    tree: KinematicTree, q: NDArray[np.float64], gain: NDArray[np.float64],
    displacement: NDArray[np.float64], speed: NDArray[np.float64],
) -> None:  # fmt: skip
    """How far each axis moves, and the slope of each of its terms over the independent coordinate."""
    axes, terms, (functions, segments, coefficients) = tree.axes, tree.terms, tree.functions
    for a in range(axes.shape[0]):
        displacement[a] = axes[a].constant
        for k in range(axes[a].first_term, axes[a].end_term):
            coordinate = terms[k].coordinate
            value, slope = evaluate(functions, segments, coefficients, terms[k].function, q[coordinate])
            displacement[a] += value
            speed[k] = slope * gain[coordinate]


@njit(cache=True, nogil=True)
def _move(
    axis: Any, displacement: float, scale_factors: NDArray[np.float64], parent: int,
    R_F: NDArray[np.float64], R: NDArray[np.float64], o: NDArray[np.float64],
    terms: NDArray[np.void], speed: NDArray[np.float64], twists: NDArray[np.float64],
) -> None:  # fmt: skip
    """Turn R away from the joint's parent frame R_F, or shift o, along one axis; note velocities of o."""
    direction, kind, scale = axis.direction, axis.kind, 1.0
    if axis.is_scaled:
        # OpenSim adds up the axis's components times s, which stretches oblique axes even under
        # factors of one. This equals it on coordinate axes, and leaves an unscaled model as it is.
        scale = 0.0
        for i in range(3):
            scale += direction[i] ** 2 * scale_factors[parent, i]
    # Translations are along axes of the parent frame, rotations about axes that turned already.
    if kind == AXIS_TRANSLATION:
        x, y, z = _times(R_F, direction, scale)
        o[0] += displacement * x
        o[1] += displacement * y
        o[2] += displacement * z
    else:
        x, y, z = _times(R, direction, scale)
        _rotate(R, kind, direction, displacement)
    if twists.shape[0] > 0:
        first = 3 if kind == AXIS_TRANSLATION else 0
        for k in range(axis.first_term, axis.end_term):
            column = terms[k].column
            twists[column, first] += speed[k] * x
            twists[column, first + 1] += speed[k] * y
            twists[column, first + 2] += speed[k] * z


@njit(cache=True, nogil=True)
def _times(R: NDArray[np.float64], v: NDArray[np.float64], scale: float) -> tuple[float, float, float]:
    return (
        scale * (R[0, 0] * v[0] + R[0, 1] * v[1] + R[0, 2] * v[2]),
        scale * (R[1, 0] * v[0] + R[1, 1] * v[1] + R[1, 2] * v[2]),
        scale * (R[2, 0] * v[0] + R[2, 1] * v[1] + R[2, 2] * v[2]),
    )


@njit(cache=True, nogil=True)
def _compose(
    T: NDArray[np.float64], body: int, R_body: NDArray[np.float64], t_body: NDArray[np.float64],
    R_out: NDArray[np.float64], t_out: NDArray[np.float64],
) -> None:  # fmt: skip
    """A frame fixed in a body, seen from ground."""
    if body < 0:
        for i in range(3):
            t_out[i] = t_body[i]
            for j in range(3):
                R_out[i, j] = R_body[i, j]
        return
    for i in range(3):
        a, b, c = T[body, i, 0], T[body, i, 1], T[body, i, 2]
        for j in range(3):
            R_out[i, j] = a * R_body[0, j] + b * R_body[1, j] + c * R_body[2, j]
        t_out[i] = a * t_body[0] + b * t_body[1] + c * t_body[2] + T[body, i, 3]


@njit(cache=True, nogil=True)
def _move_to_ellipsoid(
    radii: NDArray[np.float64], R_F: NDArray[np.float64], R: NDArray[np.float64],
    o: NDArray[np.float64], twists: NDArray[np.float64], first: int, end: int,
) -> None:  # fmt: skip
    """Move the joint's origin to the point of the ellipsoid where the child's z axis points outwards."""
    for j in range(3):
        n = R_F[0, j] * R[0, 2] + R_F[1, j] * R[1, 2] + R_F[2, j] * R[2, 2]
        for i in range(3):
            o[i] += radii[j] * n * R_F[i, j]
        for c in range(first, end):
            x, y, z = twists[c, 0], twists[c, 1], twists[c, 2]
            n_rate = (
                R_F[0, j] * (y * R[2, 2] - z * R[1, 2])
                + R_F[1, j] * (z * R[0, 2] - x * R[2, 2])
                + R_F[2, j] * (x * R[1, 2] - y * R[0, 2])
            )
            for i in range(3):
                twists[c, 3 + i] += radii[j] * n_rate * R_F[i, j]


@njit(cache=True, nogil=True)
def _refer_to_ground(o: NDArray[np.float64], twists: NDArray[np.float64], first: int, end: int) -> None:
    """Turn velocities of a joint's origin o into those of the point at ground's origin."""
    for c in range(first, end):
        x, y, z = twists[c, 0], twists[c, 1], twists[c, 2]
        twists[c, 3] += o[1] * z - o[2] * y
        twists[c, 4] += o[2] * x - o[0] * z
        twists[c, 5] += o[0] * y - o[1] * x


@njit(cache=True, nogil=True)
def _place_body(
    R: NDArray[np.float64], o: NDArray[np.float64], R_body: NDArray[np.float64], t_body: NDArray[np.float64],
    T_out: NDArray[np.float64], body: int,
) -> None:  # fmt: skip
    """The body from its joint's child frame in ground, and that frame in the body."""
    for i in range(3):
        x = R[i, 0] * R_body[0, 0] + R[i, 1] * R_body[0, 1] + R[i, 2] * R_body[0, 2]
        y = R[i, 0] * R_body[1, 0] + R[i, 1] * R_body[1, 1] + R[i, 2] * R_body[1, 2]
        z = R[i, 0] * R_body[2, 0] + R[i, 1] * R_body[2, 1] + R[i, 2] * R_body[2, 2]
        T_out[body, i, 0], T_out[body, i, 1], T_out[body, i, 2] = x, y, z
        T_out[body, i, 3] = o[i] - x * t_body[0] - y * t_body[1] - z * t_body[2]
        T_out[body, 3, i] = 0.0
    T_out[body, 3, 3] = 1.0


@njit(cache=True, nogil=True)
def forward_kinematics(
    tree: KinematicTree,
    q: NDArray[np.float64],
    scale_factors: NDArray[np.float64],
    T_out: NDArray[np.float64],
) -> None:
    """Place every body; dependent coordinates follow their couplers whatever q says.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates in rad and m. Shape: (n_q,).
        scale_factors: Factors of each body along its x, y, z, as OpenSim's `Model::scale` applies them.
            Shape: (n_bodies, 3).
        T_out: Receives T_ground_body. Shape: (n_bodies, 4, 4).
    """
    q_coupled = q.copy()
    gain = np.empty(q.shape[0])
    apply_couplers(tree, q_coupled, scale_factors, gain)
    propagate(tree, q_coupled, gain, scale_factors, T_out, np.empty((0, 6)))


@njit(cache=True, nogil=True)
def station_positions(
    T: NDArray[np.float64],
    station_body: NDArray[np.int64],
    station_m: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Move points from their bodies to ground.

    Args:
        T: T_ground_body. Shape: (n_bodies, 4, 4).
        station_body: Body of each station, -1 for ground. Shape: (n,).
        station_m: Stations in their bodies, already scaled. Shape: (n, 3).
        out: Receives the positions in ground, in m. Shape: (n, 3).
    """
    for k in range(station_body.shape[0]):
        body = station_body[k]
        x, y, z = station_m[k, 0], station_m[k, 1], station_m[k, 2]
        if body < 0:
            out[k, 0], out[k, 1], out[k, 2] = x, y, z
            continue
        for i in range(3):
            out[k, i] = T[body, i, 0] * x + T[body, i, 1] * y + T[body, i, 2] * z + T[body, i, 3]


@njit(cache=True, nogil=True)
def station_jacobian(
    tree: KinematicTree,
    q: NDArray[np.float64],
    scale_factors: NDArray[np.float64],
    station_body: NDArray[np.int64],
    station_m: NDArray[np.float64],
    T_out: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Derivatives of stations over coordinates; a dependent coordinate counts for the one it follows.

    Args:
        tree: The skeleton's arrays.
        q: Coordinates in rad and m. Shape: (n_q,).
        scale_factors: Scale factors of each body along its axes. Shape: (n_bodies, 3).
        station_body: Body of each station, -1 for ground. Shape: (n,).
        station_m: Stations in their bodies, already scaled. Shape: (n, 3).
        T_out: Receives T_ground_body. Shape: (n_bodies, 4, 4).
        out: Receives the derivatives, in m/rad and m/m. Shape: (n, 3, n_q).
    """
    q_coupled = q.copy()
    gain = np.empty(q.shape[0])
    twists = np.empty((tree.column_coordinate.shape[0], 6))
    positions = np.empty((station_body.shape[0], 3))
    apply_couplers(tree, q_coupled, scale_factors, gain)
    propagate(tree, q_coupled, gain, scale_factors, T_out, twists)
    station_positions(T_out, station_body, station_m, positions)
    out[:] = 0.0
    for k in range(station_body.shape[0]):
        p = positions[k]
        body = station_body[k]
        while body >= 0:
            for c in range(tree.bodies[body].first_column, tree.bodies[body].end_column):
                j, w = tree.column_coordinate[c], twists[c]
                out[k, 0, j] += w[1] * p[2] - w[2] * p[1] + w[3]
                out[k, 1, j] += w[2] * p[0] - w[0] * p[2] + w[4]
                out[k, 2, j] += w[0] * p[1] - w[1] * p[0] + w[5]
            body = tree.bodies[body].parent


@njit(cache=True, nogil=True)
def scaled_markers(tree: KinematicTree, scale_factors: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Markers in their bodies under the scale factors, in m. Shape of `out`: (n_markers, 3)."""
    for k in range(tree.marker_body.shape[0]):
        _scaled(tree.M_marker[k], scale_factors, tree.marker_body[k], out[k])


@njit(cache=True, nogil=True)
def joint_origins(
    tree: KinematicTree, T: NDArray[np.float64], scale_factors: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Origin of each joint's child frame in ground, in m. Shape of `out`: (n_bodies, 3)."""
    t = np.empty(3)
    for body in range(tree.bodies.shape[0]):
        _scaled(tree.bodies[body].M_body_joint, scale_factors, body, t)
        for i in range(3):
            out[body, i] = T[body, i, 0] * t[0] + T[body, i, 1] * t[1] + T[body, i, 2] * t[2] + T[body, i, 3]


def _checked(
    skeleton: Skeleton, q: NDArray[np.float64], scale_factors: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Own, contiguous copies of the right shape: read-only input would compile every kernel again."""
    q = np.array(q, dtype=np.float64)
    scale = np.ones((skeleton.n_bodies, 3))
    if q.shape != (skeleton.n_q,):
        raise SkeletonError(f"q has shape {q.shape}; skeleton {skeleton.name!r} takes ({skeleton.n_q},)")
    if scale_factors is not None:
        if np.shape(scale_factors) != scale.shape:
            raise SkeletonError(
                f"scale factors have shape {np.shape(scale_factors)}; "
                f"skeleton {skeleton.name!r} takes {scale.shape}"
            )
        scale[:] = scale_factors
    return q, scale


def body_transforms(
    skeleton: Skeleton, q: NDArray[np.float64], scale_factors: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """T_ground_body of every body. Shape: (n_bodies, 4, 4).

    Args:
        skeleton: The skeleton.
        q: Coordinates in rad and m. Shape: (n_q,).
        scale_factors: Ones if left out. Shape: (n_bodies, 3).

    Raises:
        SkeletonError: an argument has the wrong shape.
    """
    q, scale = _checked(skeleton, q, scale_factors)
    T = np.empty((skeleton.n_bodies, 4, 4))
    forward_kinematics(skeleton.tree, q, scale, T)
    return T


def marker_positions(
    skeleton: Skeleton, q: NDArray[np.float64], scale_factors: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Markers in ground, in m; arguments as for `body_transforms`. Shape: (n_markers, 3)."""
    q, scale = _checked(skeleton, q, scale_factors)
    T, markers = np.empty((skeleton.n_bodies, 4, 4)), np.empty((skeleton.n_markers, 3))
    forward_kinematics(skeleton.tree, q, scale, T)
    scaled_markers(skeleton.tree, scale, markers)
    station_positions(T, skeleton.tree.marker_body, markers, markers)
    return markers


def joint_centres(
    skeleton: Skeleton, q: NDArray[np.float64], scale_factors: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Joint of each body in ground, in m; arguments as for `body_transforms`. Shape: (n_bodies, 3)."""
    q, scale = _checked(skeleton, q, scale_factors)
    T, centres = np.empty((skeleton.n_bodies, 4, 4)), np.empty((skeleton.n_bodies, 3))
    forward_kinematics(skeleton.tree, q, scale, T)
    joint_origins(skeleton.tree, T, scale, centres)
    return centres
