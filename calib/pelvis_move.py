"""Moves a pelvis from one ground to another: a rotation about the vertical, then a translation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from calib.pelvis import facing_of

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A rotation about the vertical followed by a translation."""

    turn_rad: float
    shift_m: Array
    """Shape: (3,)."""

    @classmethod
    def of(cls, matrix: Array) -> Move:
        """The move that a matrix of such a move stands for. Shape: (4, 4)."""
        return cls(math.atan2(matrix[0, 2], matrix[0, 0]), matrix[:3, 3].copy())

    @property
    def matrix(self) -> Array:
        """The move of points. Shape: (4, 4)."""
        c, s = math.cos(self.turn_rad), math.sin(self.turn_rad)
        T = np.eye(4)
        T[:3, :3] = [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
        T[:3, 3] = self.shift_m
        return T


class PelvisMover:
    """Moves the six coordinates of a pelvis from one ground to another.

    Args:
        coordinate_names: Names of a model with OpenSim's pelvis coordinates.
    """

    def __init__(self, coordinate_names: Sequence[str]) -> None:
        self._angles = np.array([coordinate_names.index(name) for name in PELVIS_ROTATIONS])
        self._position = np.array([coordinate_names.index(name) for name in PELVIS_TRANSLATIONS])

    def heading_rad(self, q: Array) -> float:
        """Where a pelvis faces, about the vertical from ground's X."""
        return facing_of(*q[self._angles].tolist())[0]

    def position_m(self, q: Array) -> Array:
        """Position of the pelvis. Shape: (3,)."""
        return q[self._position]

    def move(self, q: Array, qdot: Array, by: Move) -> None:
        """Move coordinates and speeds in place. Shapes: (n_q,) each."""
        _move(q, qdot, self._angles, self._position, by.turn_rad, by.shift_m)


@njit(cache=True, nogil=True)
def _move(
    q: Array, qdot: Array, angles: Indices, position: Indices, turn_rad: float, shift_m: Array
) -> None:  # fmt: skip
    """See `PelvisMover.move`. Compiled: every frame needs three of these."""
    before = q[angles]
    turned = turned_angles(before, turn_rad)
    qdot[angles] = turned_rates(before, qdot[angles], turned, turn_rad)
    q[angles] = turned
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    for values in (q, qdot):
        x, z = values[position[0]], values[position[2]]
        values[position[0]], values[position[2]] = c * x + s * z, c * z - s * x
    q[position] += shift_m


@njit(cache=True, nogil=True)
def turned_angles(angles_rad: Array, turn_rad: float) -> Array:
    """Tilt, list and rotation of a pelvis after a rotation about the vertical. Shapes: (3,) and (3,)."""
    tilt, list_, rotation = angles_rad
    ca, cb, cc = math.cos(tilt), math.cos(list_), math.cos(rotation)
    sa, sb, sc = math.sin(tilt), math.sin(list_), math.sin(rotation)
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    ahead = ca * cc - sa * sb * sc, -sa * cb, ca * sc + sa * sb * cc
    right = -cb * sc, sb, cb * cc
    x_up = c * ahead[1] + s * right[1]
    z_ahead, z_up, z_right = (
        c * right[0] - s * ahead[0],
        c * right[1] - s * ahead[1],
        c * right[2] - s * ahead[2],
    )
    sine = z_up if math.isnan(z_up) else max(-1.0, min(1.0, z_up))
    return np.array([math.atan2(-x_up, ca * cb), math.asin(sine), math.atan2(-z_ahead, z_right)])


@njit(cache=True, nogil=True)
def turned_rates(angles_rad: Array, rates: Array, turned_rad: Array, turn_rad: float) -> Array:
    """Speeds of tilt, list and rotation after a rotation about the vertical.

    Args:
        angles_rad: Tilt, list and rotation before. Shape: (3,).
        rates: Their speeds in rad/s. Shape: (3,).
        turned_rad: Tilt, list and rotation after, from `turned_angles`. Shape: (3,).
        turn_rad: Angle of the rotation.

    Returns:
        Speeds in rad/s, unbounded where the list comes near 90 degrees. Shape: (3,).
    """
    tilt, list_, _ = angles_rad
    tilt_rate, list_rate, rotation_rate = rates
    ct, st, cl = math.cos(tilt), math.sin(tilt), math.cos(list_)
    x = ct * list_rate - st * cl * rotation_rate
    y = st * list_rate + ct * cl * rotation_rate
    z = tilt_rate + math.sin(list_) * rotation_rate
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    x, z = c * x + s * z, c * z - s * x
    tilt, list_, _ = turned_rad
    ct, st, cl = math.cos(tilt), math.sin(tilt), math.cos(list_)
    rotation_rate = (y * ct - x * st) / math.copysign(max(abs(cl), 1e-6), cl)
    return np.array([z - rotation_rate * math.sin(list_), x * ct + y * st, rotation_rate])
