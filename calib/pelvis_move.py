"""Moves a pelvis from one ground to another: a rotation about the vertical, then a translation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.coordinates import PELVIS_ROTATIONS, PELVIS_TRANSLATIONS
from calib.pelvis import facing_of, pelvis_angles, pelvis_rotation, turned

Array = NDArray[np.float64]


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
        self._angles = [coordinate_names.index(name) for name in PELVIS_ROTATIONS]
        self._position = [coordinate_names.index(name) for name in PELVIS_TRANSLATIONS]

    def heading_rad(self, q: Array) -> float:
        """Where a pelvis faces, about the vertical from ground's X."""
        return facing_of(*q[self._angles].tolist())[0]

    def position_m(self, q: Array) -> Array:
        """Position of the pelvis. Shape: (3,)."""
        return q[self._position]

    def move(self, q: Array, qdot: Array, by: Move) -> None:
        """Move coordinates and speeds in place. Shapes: (n_q,) each."""
        angles = q[self._angles]
        turned = turned_angles(angles, by.turn_rad)
        qdot[self._angles] = turned_rates(angles, qdot[self._angles], turned, by.turn_rad)
        q[self._angles] = turned
        R = by.matrix[:3, :3]
        q[self._position] = R @ q[self._position] + by.shift_m
        qdot[self._position] = R @ qdot[self._position]


def turned_angles(angles_rad: Array, turn_rad: float) -> Array:
    """Tilt, list and rotation of a pelvis after a rotation about the vertical. Shapes: (3,) and (3,)."""
    return pelvis_angles(turned(pelvis_rotation(angles_rad[None]), np.array([turn_rad])))[0]


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
    x, y, z = _rate_axes(angles_rad) @ rates
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    velocity = np.array([c * x + s * z, y, c * z - s * x])
    tilt, list_ = turned_rad[0], turned_rad[1]
    forward = velocity[1] * math.cos(tilt) - velocity[0] * math.sin(tilt)
    rotation = forward / math.copysign(max(abs(math.cos(list_)), 1e-6), math.cos(list_))
    list_rate = velocity[0] * math.cos(tilt) + velocity[1] * math.sin(tilt)
    return np.array([velocity[2] - rotation * math.sin(list_), list_rate, rotation])


def _rate_axes(angles_rad: Array) -> Array:
    """Axes in ground about which tilt, list and rotation turn the pelvis, as columns. Shape: (3, 3)."""
    tilt, list_ = float(angles_rad[0]), float(angles_rad[1])
    ct, st, cl, sl = math.cos(tilt), math.sin(tilt), math.cos(list_), math.sin(list_)
    return np.array([[0.0, ct, -st * cl], [0.0, st, ct * cl], [1.0, 0.0, sl]])
