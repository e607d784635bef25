"""Flattens a model's joints into the arrays that the compiled kernels run over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calib.osim.functions import (
    Constant,
    Function,
    FunctionTable,
    Linear,
    PiecewisePolynomial,
    build_table,
    compile_function,
    split_multipliers,
)
from calib.osim.osim_model import GROUND, Coupler, Joint, Marker, Offset, TransformAxis

AXIS_X, AXIS_Y, AXIS_Z, AXIS_ROTATION, AXIS_TRANSLATION = range(5)


_ROW, _MATRIX = (3,), (3, 3)

# Every fixed translation is linear in the scale factors of one body, so it is kept as a matrix M:
# translation = M @ scale_factors[body].
BODY = np.dtype(
    [
        ("parent", "i8"),  # body that its joint is on, -1 for ground
        ("R_parent_joint", "f8", _MATRIX),  # the joint's parent frame in the parent body
        ("M_parent_joint", "f8", _MATRIX),  # its origin, in m per scale factor of the parent body
        ("R_body_joint", "f8", _MATRIX),  # the joint's child frame in the body
        ("M_body_joint", "f8", _MATRIX),  # its origin, in m per scale factor of the body
        ("radii_m", "f8", _ROW),  # of the joint's ellipsoid, zeros where there is none
        ("first_axis", "i8"),
        ("end_axis", "i8"),
        ("first_column", "i8"),
        ("end_column", "i8"),
    ],
    align=True,
)
AXIS = np.dtype(
    [
        ("kind", "i8"),  # AXIS_X to AXIS_Z and AXIS_ROTATION rotate, AXIS_TRANSLATION translates
        ("direction", "f8", _ROW),  # a unit vector
        ("is_scaled", "i8"),  # whether the displacement grows with the parent body
        ("constant", "f8"),  # displacement that follows no coordinate
        ("first_term", "i8"),  # the rest is the sum of the terms
        ("end_term", "i8"),
    ],
    align=True,
)
TERM = np.dtype([("coordinate", "i8"), ("function", "i8"), ("column", "i8")], align=True)
COUPLER = np.dtype(
    [
        ("dependent", "i8"),  # coordinate
        ("independent", "i8"),
        ("function", "i8"),
        ("body", "i8"),  # parent body of the dependent coordinate's joint
        ("weight", "f8", _ROW),  # times the body's scale factors it multiplies the function, unless zero
    ],
    align=True,
)


class KinematicTree(NamedTuple):
    """A model as read-only arrays of records. Bodies are in topological order, and -1 is ground.

    Records keep the number of arrays low: handing one to a kernel costs as much as placing a body.
    """

    bodies: NDArray[np.void]
    """Of dtype BODY. Shape: (n_bodies,)."""
    axes: NDArray[np.void]
    """Of dtype AXIS. Shape: (n_axes,)."""
    terms: NDArray[np.void]
    """Of dtype TERM. Shape: (n_terms,)."""
    column_coordinate: NDArray[np.int64]
    """A column is one independent coordinate that moves a body in its parent. Shape: (n_columns,)."""
    couplers: NDArray[np.void]
    """Of dtype COUPLER, in the order to compute them. Shape: (n_couplers,)."""
    marker_body: NDArray[np.int64]
    """Shape: (n_markers,)."""
    M_marker: NDArray[np.float64]
    """Marker per scale factor of its body, in m. Shape: (n_markers, 3, 3)."""
    functions: FunctionTable
    """Every function that terms and couplers use."""

    @property
    def parent(self) -> NDArray[np.int64]:
        """Body that each body's joint is on. Shape: (n_bodies,)."""
        return self.bodies["parent"]

    @property
    def M_parent_joint(self) -> NDArray[np.float64]:
        """Origin of each joint in the parent body, per scale factor of that. Shape: (n_bodies, 3, 3)."""
        return self.bodies["M_parent_joint"]

    @property
    def M_body_joint(self) -> NDArray[np.float64]:
        """Origin of each joint in its body, per scale factor of that. Shape: (n_bodies, 3, 3)."""
        return self.bodies["M_body_joint"]


@dataclass(slots=True)
class _Builder:
    """Collects records body by body."""

    coordinate_index: dict[str, int]
    body_index: dict[str, int]
    root: dict[int, int]
    """Independent coordinate that each dependent one follows in the end."""
    functions: list[PiecewisePolynomial] = field(default_factory=list)
    bodies: list[tuple[object, ...]] = field(default_factory=list)
    axes: list[tuple[object, ...]] = field(default_factory=list)
    terms: list[tuple[int, int, int]] = field(default_factory=list)
    column_coordinate: list[int] = field(default_factory=list)

    def add_function(self, function: Function) -> int:
        self.functions.append(compile_function(function))
        return len(self.functions) - 1

    def add_joint(self, joint: Joint) -> None:
        """Add the next body, and the axes of its joint."""
        first_axis, first_column = len(self.axes), len(self.column_coordinate)
        on_ground = joint.parent.body == GROUND
        for axis in joint.rotations:
            self._add_axis(axis, first_column, rotates=True, is_scaled=False)
        for axis in joint.translations:
            self._add_axis(axis, first_column, rotates=False, is_scaled=not (on_ground or is_free(axis)))
        frames = *_chain(joint.parent.offsets), *_chain(joint.child.offsets)
        ends = first_axis, len(self.axes), first_column, len(self.column_coordinate)
        self.bodies.append((self.body_index[joint.parent.body], *frames, joint.radii, *ends))

    def _add_axis(self, axis: TransformAxis, first_column: int, *, rotates: bool, is_scaled: bool) -> None:
        constant, terms = _split_terms(axis)
        if constant == 0.0 and not terms:
            return
        first_term = len(self.terms)
        for name, function in terms:
            coordinate = self.coordinate_index[name]
            column = self._column(self.root.get(coordinate, coordinate), first_column)
            self.terms.append((coordinate, self.add_function(function), column))
        unit = np.array(axis.axis) / np.linalg.norm(axis.axis)
        kind = _rotation_kind(unit) if rotates else AXIS_TRANSLATION
        self.axes.append((kind, unit, is_scaled, constant, first_term, len(self.terms)))

    def _column(self, coordinate: int, first_column: int) -> int:
        """The current body's column of an independent coordinate."""
        if coordinate not in self.column_coordinate[first_column:]:
            self.column_coordinate.append(coordinate)
        return self.column_coordinate.index(coordinate, first_column)


def is_free(axis: TransformAxis) -> bool:
    """Whether a translation is a coordinate itself, which OpenSim does not scale."""
    return isinstance(axis.function, Linear) and axis.function.coefficients[:2] == (1.0, 0.0)


def _split_terms(axis: TransformAxis) -> tuple[float, list[tuple[str, Function]]]:
    """A constant, and a function of each coordinate, that add up to the axis's displacement."""
    scale, inner = split_multipliers(axis.function)
    if isinstance(inner, Constant):
        return scale * inner.value, []
    if isinstance(inner, Linear):
        *slopes, offset = inner.coefficients
        terms: list[tuple[str, Function]] = [
            (name, Linear((scale * k, 0.0))) for name, k in zip(axis.coordinates, slopes, strict=True)
        ]
        return scale * offset, terms
    return 0.0, [(axis.coordinates[0], axis.function)]


def _rotation_kind(unit: NDArray[np.float64]) -> int:
    for kind in (AXIS_X, AXIS_Y, AXIS_Z):
        if unit[kind] == 1.0:
            return kind
    return AXIS_ROTATION


def _euler_xyz(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation about x, then the new y, then the new z."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    Rx = np.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
    Ry = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    Rz = np.array([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]])
    return Rx @ Ry @ Rz


def _chain(offsets: Iterable[Offset]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation of a chain of offset frames, and its translation per scale factor.

    OpenSim scales each translation along the axes of the frame it is written in.
    """
    R, M = np.eye(3), np.zeros((3, 3))
    for offset in offsets:
        M = M + R * np.array(offset.translation)
        R = R @ _euler_xyz(offset.orientation)
    return R, M


def _marker_matrix(marker: Marker) -> NDArray[np.float64]:
    R, M = _chain(marker.frame.offsets)
    return M + R * np.array(marker.location)


def _roots(couplers: list[Coupler], index: dict[str, int]) -> dict[int, int]:
    """The independent coordinate that each dependent one follows in the end."""
    root: dict[int, int] = {}
    for coupler in couplers:
        independent = index[coupler.independent]
        root[index[coupler.dependent]] = root.get(independent, independent)
    return root


def _coupler_weight(joint: Joint, dependent: str) -> tuple[float, float, float]:
    """How a coupler grows with the parent body: only if its coordinate is a translation.

    OpenSim refuses unequal scale factors here. Weights that sum to one agree with it on equal ones.
    """
    if joint.parent.body != GROUND:
        for axis in joint.translations:
            if is_free(axis) and axis.coordinates == (dependent,):
                x, y, z = np.square(axis.axis) / np.dot(axis.axis, axis.axis)
                return float(x), float(y), float(z)
    return 0.0, 0.0, 0.0


def build_tree(
    joints: list[Joint], couplers: list[Coupler], markers: list[Marker], coordinate_names: tuple[str, ...]
) -> KinematicTree:
    """Flatten a model that is already sorted and known to be consistent.

    Args:
        joints: Joints in topological order, one for each body.
        couplers: Couplers in the order of computation.
        markers: Markers in the model's order.
        coordinate_names: Order of the coordinates.
    """
    index = {name: k for k, name in enumerate(coordinate_names)}
    body_index = {GROUND: -1} | {joint.child.body: k for k, joint in enumerate(joints)}
    joint_of = {c.name: joint for joint in joints for c in joint.coordinates}
    builder = _Builder(index, body_index, _roots(couplers, index))
    for joint in joints:
        builder.add_joint(joint)
    coupled = []
    for coupler in couplers:
        joint = joint_of[coupler.dependent]
        coordinates = index[coupler.dependent], index[coupler.independent]
        function, body = builder.add_function(coupler.function), body_index[joint.parent.body]
        coupled.append((*coordinates, function, body, _coupler_weight(joint, coupler.dependent)))
    tree = KinematicTree(
        bodies=np.array(builder.bodies, BODY),
        axes=np.array(builder.axes, AXIS),
        terms=np.array(builder.terms, TERM),
        column_coordinate=np.array(builder.column_coordinate, np.int64),
        couplers=np.array(coupled, COUPLER),
        marker_body=np.array([body_index[m.frame.body] for m in markers], np.int64),
        M_marker=np.array([_marker_matrix(m) for m in markers]).reshape(-1, 3, 3),
        functions=build_table(builder.functions),
    )
    for array in (*tree[:-1], *tree.functions):
        array.setflags(write=False)
    return tree
