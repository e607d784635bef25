"""Writes the default skeleton: `python -m calib.default.skeleton` makes calib/data/kinecast.osim.

22 bodies and 40 coordinates, without muscles, for an adult of 1.75 m and 75 kg (`default_dimensions`).
Coordinates mean what they mean in Rajagopal2016 and LaiUhlrich2022: same names, zero pose, signs, axes
and order of rotations, so `.mot` files can be exchanged. What differs:

- `neck_flexion`, `neck_bending` and `neck_rotation` move neck and head together at C7/T1, with the axes of
  the lumbar coordinates: positive tips the head back, to the right, and turns it to the left. Positive
  `neck_flexion` is extension, in spite of its name, because that is its sign in Pose2Sim's models.
- The tibia turns with knee flexion as in those models, but does not shift: the knee's centre is fixed.
- Nothing is locked. Ranges are those of people rather than of gait, and the pelvis may turn many times.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from calib.default import dimensions as dims
from calib.default.dimensions import AxisRow, BodyRow, JointRow, MarkerRow, Vec3
from calib.skeleton import default_skeleton_path

OSIM_VERSION = 40000
CREDITS = "The kinecast developers, from published dimensions: see calib/default/dimensions.py."
SHAPE_SCALE = 0.7
_GROUND_AXES: tuple[Vec3, ...] = (dims.X, dims.Y, dims.Z)
_DEFAULTS = {"pelvis_ty": dims.PELVIS_HEIGHT_M}


def write_default_skeleton(path: Path) -> None:
    """Write the default skeleton as a model of OpenSim 4."""
    document = build_document()
    ElementTree.indent(document, "  ")
    text = ElementTree.tostring(document, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="UTF-8" ?>\n{text}\n', encoding="utf-8", newline="\n")


def build_document() -> Element:
    """The whole model as XML."""
    document = Element("OpenSimDocument", Version=str(OSIM_VERSION))
    model = SubElement(document, "Model", name="kinecast")
    _add_text(model, "credits", CREDITS)
    _add_text(model, "length_units", "meters")
    _add_text(model, "force_units", "N")
    _add_text(model, "gravity", "0 -9.80665 0")
    bodies = SubElement(SubElement(model, "BodySet"), "objects")
    for body in all_bodies():
        _add_body(bodies, body)
    joints = SubElement(SubElement(model, "JointSet"), "objects")
    for joint in all_joints():
        _add_joint(joints, joint)
    markers = SubElement(SubElement(model, "MarkerSet"), "objects")
    for marker in all_markers():
        element = SubElement(markers, "Marker", name=marker.name)
        _add_text(element, "socket_parent_frame", f"/bodyset/{marker.body}")
        _add_text(element, "location", _numbers(marker.location_m))
        _add_text(element, "fixed", "true")
    return document


def all_bodies() -> list[BodyRow]:
    """Every body, parents first."""
    legs = [_body_on(side, row) for side in "rl" for row in dims.LEG_BODIES]
    arms = [_body_on(side, row) for side in "rl" for row in dims.ARM_BODIES]
    pelvis, *trunk = dims.MIDLINE_BODIES
    return [pelvis, *legs, *trunk, *arms]


def all_joints() -> list[JointRow]:
    """Every joint, in the order of its coordinates in q."""
    legs = [_joint_on(side, row) for side in "rl" for row in dims.LEG]
    arms = [_joint_on(side, row) for side in "rl" for row in dims.ARM]
    return [dims.ROOT, *legs, *dims.TRUNK, *arms]


def all_markers() -> list[MarkerRow]:
    """Every marker: midline, right, left."""
    paired = [_marker_on(side, row, row.body) for side in "rl" for row in dims.SIDE_MARKERS]
    limbs = [
        _marker_on(side, row, f"{row.body}_{side}")
        for side in "rl"
        for row in dims.LEG_MARKERS + dims.ARM_MARKERS
    ]
    return [*dims.MIDLINE_MARKERS, *paired, *limbs]


def _marker_on(side: str, row: MarkerRow, body: str) -> MarkerRow:
    return MarkerRow(side.upper() + row.name, body, _mirrored(side, row.location_m))


def _mirrored(side: str, point: Vec3) -> Vec3:
    x, y, z = point
    return point if side == "r" else (x, y, -z)


def _body_on(side: str, row: BodyRow) -> BodyRow:
    return replace(row, name=f"{row.name}_{side}", mass_centre_m=_mirrored(side, row.mass_centre_m))


def _joint_on(side: str, row: JointRow) -> JointRow:
    limb_bodies = {joint.child for joint in dims.LEG + dims.ARM}
    return replace(
        row,
        name=f"{row.name}_{side}",
        parent=f"{row.parent}_{side}" if row.parent in limb_bodies else row.parent,
        child=f"{row.child}_{side}",
        location_m=_mirrored(side, row.location_m),
        rotations=tuple(_rotation_on(side, axis) for axis in row.rotations),
    )


def _rotation_on(side: str, row: AxisRow) -> AxisRow:
    """The mirror image of a rotation: its axis is a pseudovector, so X and Y change sign, not Z."""
    x, y, z = row.axis
    axis = row.axis if side == "r" else (-x, -y, z)
    return replace(row, axis=axis, coordinate=f"{row.coordinate}_{side}")


def _add_body(bodies: Element, row: BodyRow) -> None:
    mass_kg = row.mass_fraction * dims.MASS_KG
    inertia = [mass_kg * radius**2 for radius in row.gyration_m]
    element = SubElement(bodies, "Body", name=row.name)
    _add_text(element, "mass", _numbers([mass_kg]))
    _add_text(element, "mass_center", _numbers(row.mass_centre_m))
    _add_text(element, "inertia", _numbers([*inertia, 0.0, 0.0, 0.0]))
    _add_shape(element, row)


def _add_shape(body: Element, row: BodyRow) -> None:
    """Something to see in OpenSim's window: a slimmed ellipsoid of the same inertia."""
    squares = np.square(row.gyration_m)
    radii = SHAPE_SCALE * np.sqrt(2.5 * (squares.sum() - 2.0 * squares))
    frame = SubElement(SubElement(body, "components"), "PhysicalOffsetFrame", name=f"{row.name}_shape")
    geometry = SubElement(SubElement(frame, "attached_geometry"), "Ellipsoid", name="ellipsoid")
    _add_text(geometry, "socket_frame", "..")
    _add_text(geometry, "radii", _numbers(radii))
    _add_text(frame, "socket_parent", "..")
    _add_text(frame, "translation", _numbers(row.mass_centre_m))
    _add_text(frame, "orientation", "0 0 0")


def _add_joint(joints: Element, row: JointRow) -> None:
    offset = f"{row.parent}_offset"
    element = SubElement(joints, "CustomJoint" if row.rotations else "WeldJoint", name=row.name)
    _add_text(element, "socket_parent_frame", offset)
    _add_text(element, "socket_child_frame", f"/bodyset/{row.child}")
    if row.rotations:
        _add_coordinates(SubElement(element, "coordinates"), row)
    frame = SubElement(SubElement(element, "frames"), "PhysicalOffsetFrame", name=offset)
    _add_text(frame, "socket_parent", "/ground" if row.parent == "ground" else f"/bodyset/{row.parent}")
    _add_text(frame, "translation", _numbers(row.location_m))
    _add_text(frame, "orientation", "0 0 0")
    if row.rotations:
        transform = SubElement(element, "SpatialTransform")
        for kind, axes in (("rotation", row.rotations), ("translation", row.translations)):
            for number, axis in enumerate(_three_axes(axes), start=1):
                _add_axis(transform, f"{kind}{number}", axis)


def _add_coordinates(parent: Element, row: JointRow) -> None:
    names: set[str] = set()
    for axis in row.rotations + row.translations:
        if axis.coordinate in names:
            continue
        names.add(axis.coordinate)
        limits = np.radians(axis.range) if axis in row.rotations else axis.range
        element = SubElement(parent, "Coordinate", name=axis.coordinate)
        _add_text(element, "default_value", _numbers([_DEFAULTS.get(axis.coordinate, 0.0)]))
        _add_text(element, "default_speed_value", "0")
        _add_text(element, "range", _numbers(limits))
        _add_text(element, "clamped", "true")
        _add_text(element, "locked", "false")


def _three_axes(axes: tuple[AxisRow, ...]) -> list[AxisRow]:
    """Fill up with still axes; OpenSim wants three, no two of them collinear."""
    used = [np.array(axis.axis) for axis in axes]
    spare: list[AxisRow] = []
    for axis in sorted(_GROUND_AXES, key=lambda a: max((abs(u @ a) for u in used), default=0.0)):
        if len(axes) + len(spare) < 3:
            spare.append(AxisRow(axis, ""))
    return [*axes, *spare]


def _add_axis(transform: Element, name: str, row: AxisRow) -> None:
    element = SubElement(transform, "TransformAxis", name=name)
    _add_text(element, "coordinates", row.coordinate)
    _add_text(element, "axis", _numbers(row.axis))
    if not row.coordinate:
        _add_text(SubElement(element, "Constant", name="function"), "value", "0")
        return
    kind = "LinearFunction" if len(row.polynomial) == 2 else "PolynomialFunction"
    _add_text(SubElement(element, kind, name="function"), "coefficients", _numbers(row.polynomial))


def _add_text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _numbers(values: object) -> str:
    """Six decimals: a micrometre, and less than a thousandth of a degree."""
    return " ".join(f"{round(float(v), 6) + 0.0:.10g}" for v in np.atleast_1d(np.asarray(values)))


if __name__ == "__main__":
    target = default_skeleton_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_default_skeleton(target)
    print(target)
