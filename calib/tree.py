"""Flattens a model's joints into the arrays that the compiled kernels run over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calib.functions import (
    Constant,
    Function,
    FunctionTable,
    Linear,
    PiecewisePolynomial,
    build_table,
    compile_function,
    split_multipliers,
)
from calib.osim_model import GROUND, BodyFrame, Coupler, Joint, Marker, Offset, TransformAxis

AXIS_X, AXIS_Y, AXIS_Z, AXIS_ROTATION, AXIS_TRANSLATION = range(5)


class KinematicTree(NamedTuple):
    """A model as read-only arrays. Bodies are in topological order, and -1 is ground.

    Every fixed translation is linear in the scale factors of one body, so it is kept as a matrix M:
    translation = M @ scale_factors[body].
    """

    parent: NDArray[np.int64]
    """Body that the body's joint is on. Shape: (n_bodies,)."""
    R_parent_joint: NDArray[np.float64]
    """Joint's parent frame in the parent body. Shape: (n_bodies, 3, 3)."""
    M_parent_joint: NDArray[np.float64]
    """Its origin per scale factor of the parent body, in m. Shape: (n_bodies, 3, 3)."""
    R_body_joint: NDArray[np.float64]
    """Joint's child frame in the body. Shape: (n_bodies, 3, 3)."""
    M_body_joint: NDArray[np.float64]
    """Its origin per scale factor of the body, in m. Shape: (n_bodies, 3, 3)."""
    radii_m: NDArray[np.float64]
    """Of the joint's ellipsoid, zeros where there is none. Shape: (n_bodies, 3)."""
    axis_start: NDArray[np.int64]
    """First transform axis of each body, and the end. Shape: (n_bodies + 1,)."""
    axis_kind: NDArray[np.int64]
    """AXIS_X to AXIS_Z and AXIS_ROTATION rotate, AXIS_TRANSLATION translates. Shape: (n_axes,)."""
    axis: NDArray[np.float64]
    """Unit vectors. Shape: (n_axes, 3)."""
    axis_is_scaled: NDArray[np.bool_]
    """Whether the displacement grows with the parent body. Shape: (n_axes,)."""
    axis_constant: NDArray[np.float64]
    """Displacement that follows no coordinate. Shape: (n_axes,)."""
    term_start: NDArray[np.int64]
    """First term of each axis, and the end; an axis moves by the sum of its terms. Shape: (n_axes + 1,)."""
    term_coordinate: NDArray[np.int64]
    """Shape: (n_terms,)."""
    term_function: NDArray[np.int64]
    """Shape: (n_terms,)."""
    term_column: NDArray[np.int64]
    """Column that the term's slope adds to. Shape: (n_terms,)."""
    column_start: NDArray[np.int64]
    """First column of each body, and the end. Shape: (n_bodies + 1,)."""
    column_coordinate: NDArray[np.int64]
    """A column is one independent coordinate that moves a body in its parent. Shape: (n_columns,)."""
    coupler_dependent: NDArray[np.int64]
    """Coordinates that follow others, in the order to compute them. Shape: (n_couplers,)."""
    coupler_independent: NDArray[np.int64]
    """Shape: (n_couplers,)."""
    coupler_function: NDArray[np.int64]
    """Shape: (n_couplers,)."""
    coupler_body: NDArray[np.int64]
    """Parent body of the dependent coordinate's joint. Shape: (n_couplers,)."""
    coupler_weight: NDArray[np.float64]
    """Times that body's scale factors it multiplies the function, unless zero. Shape: (n_couplers, 3)."""
    marker_body: NDArray[np.int64]
    """Shape: (n_markers,)."""
    M_marker: NDArray[np.float64]
    """Marker per scale factor of its body, in m. Shape: (n_markers, 3, 3)."""
    functions: FunctionTable
    """Every function that terms and couplers use."""


@dataclass(slots=True)
class _Builder:
    """Collects axes, terms and columns body by body."""

    coordinate_index: dict[str, int]
    root: dict[int, int]
    """Independent coordinate that each dependent one follows in the end."""
    functions: list[PiecewisePolynomial] = field(default_factory=list)
    axis_start: list[int] = field(default_factory=lambda: [0])
    axis_kind: list[int] = field(default_factory=list)
    axis: list[NDArray[np.float64]] = field(default_factory=list)
    axis_is_scaled: list[bool] = field(default_factory=list)
    axis_constant: list[float] = field(default_factory=list)
    term_start: list[int] = field(default_factory=lambda: [0])
    term_coordinate: list[int] = field(default_factory=list)
    term_function: list[int] = field(default_factory=list)
    term_column: list[int] = field(default_factory=list)
    column_start: list[int] = field(default_factory=lambda: [0])
    column_coordinate: list[int] = field(default_factory=list)

    def add_function(self, function: Function) -> int:
        self.functions.append(compile_function(function))
        return len(self.functions) - 1

    def add_joint(self, joint: Joint) -> None:
        """Add the axes of the next body's joint."""
        for axis in joint.rotations:
            self._add_axis(axis, rotates=True, is_scaled=False)
        on_ground = joint.parent.body == GROUND
        for axis in joint.translations:
            self._add_axis(axis, rotates=False, is_scaled=not (on_ground or is_free(axis)))
        self.axis_start.append(len(self.axis_kind))
        self.column_start.append(len(self.column_coordinate))

    def _add_axis(self, axis: TransformAxis, *, rotates: bool, is_scaled: bool) -> None:
        constant, terms = _split_terms(axis)
        if constant == 0.0 and not terms:
            return
        unit = np.array(axis.axis) / np.linalg.norm(axis.axis)
        self.axis_kind.append(_rotation_kind(unit) if rotates else AXIS_TRANSLATION)
        self.axis.append(unit)
        self.axis_is_scaled.append(is_scaled)
        self.axis_constant.append(constant)
        for name, function in terms:
            coordinate = self.coordinate_index[name]
            self.term_coordinate.append(coordinate)
            self.term_function.append(self.add_function(function))
            self.term_column.append(self._column(self.root.get(coordinate, coordinate)))
        self.term_start.append(len(self.term_coordinate))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of `KinematicTree` that were collected, by name."""
        return {
            "axis_start": _integers(self.axis_start),
            "axis_kind": _integers(self.axis_kind),
            "axis": np.array(self.axis).reshape(-1, 3),
            "axis_is_scaled": np.array(self.axis_is_scaled, dtype=np.bool_),
            "axis_constant": np.array(self.axis_constant, dtype=np.float64),
            "term_start": _integers(self.term_start),
            "term_coordinate": _integers(self.term_coordinate),
            "term_function": _integers(self.term_function),
            "term_column": _integers(self.term_column),
            "column_start": _integers(self.column_start),
            "column_coordinate": _integers(self.column_coordinate),
        }

    def _column(self, coordinate: int) -> int:
        """The current body's column of an independent coordinate."""
        first = self.column_start[-1]
        if coordinate not in self.column_coordinate[first:]:
            self.column_coordinate.append(coordinate)
        return self.column_coordinate.index(coordinate, first)


def _integers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


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


def _frames(frames: Iterable[BodyFrame]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [_chain(frame.offsets) for frame in frames]
    return (
        np.array([R for R, _ in pairs]).reshape(-1, 3, 3),
        np.array([M for _, M in pairs]).reshape(-1, 3, 3),
    )


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
        joints: One for each body, in topological order.
        couplers: In the order to compute them.
        markers: In the model's order.
        coordinate_names: Order of the coordinates.
    """
    index = {name: k for k, name in enumerate(coordinate_names)}
    body_index = {GROUND: -1} | {joint.child.body: k for k, joint in enumerate(joints)}
    joint_of = {c.name: joint for joint in joints for c in joint.coordinates}
    builder = _Builder(index, _roots(couplers, index))
    for joint in joints:
        builder.add_joint(joint)
    coupler_function = [builder.add_function(c.function) for c in couplers]
    R_parent, M_parent = _frames(joint.parent for joint in joints)
    R_body, M_body = _frames(joint.child for joint in joints)
    tree = KinematicTree(
        parent=_integers(body_index[joint.parent.body] for joint in joints),
        R_parent_joint=R_parent,
        M_parent_joint=M_parent,
        R_body_joint=R_body,
        M_body_joint=M_body,
        radii_m=np.array([joint.radii for joint in joints]).reshape(-1, 3),
        **builder.arrays(),
        coupler_dependent=_integers(index[c.dependent] for c in couplers),
        coupler_independent=_integers(index[c.independent] for c in couplers),
        coupler_function=_integers(coupler_function),
        coupler_body=_integers(body_index[joint_of[c.dependent].parent.body] for c in couplers),
        coupler_weight=np.array(
            [_coupler_weight(joint_of[c.dependent], c.dependent) for c in couplers]
        ).reshape(-1, 3),
        marker_body=_integers(body_index[m.frame.body] for m in markers),
        M_marker=np.array([_marker_matrix(m) for m in markers]).reshape(-1, 3, 3),
        functions=build_table(builder.functions),
    )
    for array in (*tree[:-1], *tree.functions):
        array.setflags(write=False)
    return tree
