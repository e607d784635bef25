"""Reads joints: every type becomes three rotations and three translations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from calib.osim.functions import Constant, Linear
from calib.osim.osim_model import BodyFrame, Coordinate, Joint, TransformAxis, Vec3
from calib.osim.osim_xml import Source

_AXES: dict[str, Vec3] = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
_AS_IS = Linear((1.0, 0.0))

# Axes of the rotations, then of the translations, in the order of the coordinates.
JOINT_KINDS: dict[str, tuple[str, str]] = {
    "WeldJoint": ("", ""),
    "PinJoint": ("z", ""),
    "SliderJoint": ("", "x"),
    "UniversalJoint": ("xy", ""),
    "BallJoint": ("xyz", ""),
    "GimbalJoint": ("xyz", ""),
    "EllipsoidJoint": ("xyz", ""),
    "PlanarJoint": ("z", "xy"),
    "FreeJoint": ("xyz", "xyz"),
}
ACCEPTED_JOINTS = ", ".join([*JOINT_KINDS, "CustomJoint"])

_MIN_AXIS_ANGLE = 1e-5


def read_joint(
    source: Source, element: Element, parent: BodyFrame, child: BodyFrame, coordinates: Sequence[Element]
) -> Joint:
    """Read one joint between two frames that are already known.

    Args:
        source: File that holds the joint.
        element: The joint, e.g. `<PinJoint name="ankle_r">`.
        parent: Frame that the joint is fixed in.
        child: Frame that the joint moves.
        coordinates: `<Coordinate>` elements of the joint.

    Raises:
        OsimError: an unknown type, or coordinates that do not fit the type.
    """
    own = tuple(_read_coordinate(source, c) for c in coordinates)
    if element.tag == "CustomJoint":
        rotations, translations = _read_spatial_transform(source, element, own)
        own = _in_order_of_use(source, element, own, rotations + translations)
    elif element.tag in JOINT_KINDS:
        rotations, translations = _fixed_axes(source, element, own)
    else:
        source.fail(element, "unknown joint", ACCEPTED_JOINTS)
    radii = _read_radii(source, element) if element.tag == "EllipsoidJoint" else (0.0, 0.0, 0.0)
    return Joint(source.name(element), element.tag, parent, child, own, rotations, translations, radii)


def _read_coordinate(source: Source, element: Element) -> Coordinate:
    if element.tag != "Coordinate":
        source.fail(element, "not a coordinate", "<Coordinate>")
    lower, upper = source.numbers(element, "range", 2, (-math.inf, math.inf), infinite=True)
    if lower > upper:
        source.fail(element, f"<range> is {lower} to {upper}", "lower then upper")
    return Coordinate(
        name=source.name(element),
        default_value=source.number(element, "default_value", 0.0),
        lower=lower,
        upper=upper,
        is_clamped=source.flag(element, "clamped"),
        is_locked=source.flag(element, "locked"),
    )


def _read_radii(source: Source, element: Element) -> Vec3:
    x, y, z = source.numbers(element, "radii_x_y_z", 3)
    return x, y, z


def _fixed_axes(
    source: Source, element: Element, own: tuple[Coordinate, ...]
) -> tuple[tuple[TransformAxis, ...], tuple[TransformAxis, ...]]:
    turns, shifts = JOINT_KINDS[element.tag]
    if len(own) != len(turns) + len(shifts):
        source.fail(element, f"{len(own)} coordinates", f"{len(turns) + len(shifts)}")
    axes = [
        TransformAxis(_AXES[axis], (coordinate.name,), _AS_IS)
        for axis, coordinate in zip(turns + shifts, own, strict=True)
    ]
    return tuple(axes[: len(turns)]), tuple(axes[len(turns) :])


def _read_spatial_transform(
    source: Source, element: Element, own: tuple[Coordinate, ...]
) -> tuple[tuple[TransformAxis, ...], tuple[TransformAxis, ...]]:
    transform = element.find("SpatialTransform")
    if transform is None:
        source.fail(element, "no <SpatialTransform>", "six transform axes")
    found = {axis.get("name"): axis for axis in transform.findall("TransformAxis")}
    names = {c.name for c in own}
    groups = []
    for kind in ("rotation", "translation"):
        axes = [
            _read_transform_axis(source, element, found.get(f"{kind}{k}"), default, names)
            for k, default in enumerate(_AXES.values(), start=1)
        ]
        _check_axes(source, element, kind, axes)
        groups.append(tuple(axes))
    return groups[0], groups[1]


def _in_order_of_use(
    source: Source, joint: Element, own: tuple[Coordinate, ...], axes: Sequence[TransformAxis]
) -> tuple[Coordinate, ...]:
    """OpenSim orders a CustomJoint's coordinates as its axes name them, and refuses unused ones."""
    order = list(dict.fromkeys(name for axis in axes for name in axis.coordinates))
    for coordinate in own:
        if coordinate.name not in order:
            source.fail(joint, f"no axis follows coordinate {coordinate.name!r}", "coordinates in use")
    return tuple(sorted(own, key=lambda coordinate: order.index(coordinate.name)))


def _read_transform_axis(
    source: Source, joint: Element, element: Element | None, default_axis: Vec3, names: set[str]
) -> TransformAxis:
    if element is None:
        return TransformAxis(default_axis, (), Constant(0.0))
    axis = source.numbers(element, "axis", 3, default_axis)
    coordinates = tuple(source.text(element, "coordinates").split())
    for name in coordinates:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            source.fail(joint, f"{element.get('name')} follows unknown coordinate {name!r}", known)
    function = source.function(element)
    if function is None:
        function = Constant(0.0) if not coordinates else _AS_IS
    source.check_arguments(joint, function, len(coordinates))
    return TransformAxis((axis[0], axis[1], axis[2]), coordinates, function)


def _check_axes(source: Source, joint: Element, kind: str, axes: Sequence[TransformAxis]) -> None:
    """Refuse axes that OpenSim refuses too: zero or along each other."""
    for a, b in ((0, 1), (0, 2), (1, 2)):
        u, v = axes[a].axis, axes[b].axis
        cross = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
        if math.hypot(*cross) < _MIN_AXIS_ANGLE:
            source.fail(joint, f"{kind} axes {a + 1} and {b + 1} are collinear or zero", "independent axes")
