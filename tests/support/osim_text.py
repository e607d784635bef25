"""Writes small `.osim` documents for the tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in values)


def body(name: str) -> str:
    return (
        f'<Body name="{name}"><mass>1</mass><mass_center>0.1 0.2 0.3</mass_center>'
        "<inertia>1 1 1 0 0 0</inertia></Body>"
    )


def offset(
    name: str,
    parent: str,
    translation: Sequence[float] = (0.0, 0.0, 0.0),
    orientation: Sequence[float] = (0.0, 0.0, 0.0),
) -> str:
    return (
        f'<PhysicalOffsetFrame name="{name}"><socket_parent>{parent}</socket_parent>'
        f"<translation>{numbers(translation)}</translation>"
        f"<orientation>{numbers(orientation)}</orientation></PhysicalOffsetFrame>"
    )


def coordinate(
    name: str,
    default: float = 0.0,
    bounds: Sequence[float] = (-2.0, 2.0),
    *,
    clamped: bool = False,
    locked: bool = False,
) -> str:
    return (
        f'<Coordinate name="{name}"><default_value>{default!r}</default_value>'
        f"<range>{numbers(bounds)}</range><clamped>{str(clamped).lower()}</clamped>"
        f"<locked>{str(locked).lower()}</locked></Coordinate>"
    )


def joint(
    kind: str,
    name: str,
    parent: str,
    child: str,
    coordinates: Iterable[str] = (),
    extra: str = "",
    *,
    in_parent: tuple[Sequence[float], Sequence[float]] = ((0.1, 0.2, 0.3), (0.2, -0.3, 0.4)),
    in_child: tuple[Sequence[float], Sequence[float]] = ((0.05, -0.1, 0.02), (0.5, 0.1, -0.2)),
) -> str:
    """A joint between offset frames of its own; `parent` is a body or "ground"."""
    where = "/ground" if parent == "ground" else f"/bodyset/{parent}"
    listed = "".join(c if c.startswith("<") else coordinate(c) for c in coordinates)
    return (
        f'<{kind} name="{name}"><socket_parent_frame>{parent}_offset</socket_parent_frame>'
        f"<socket_child_frame>{child}_offset</socket_child_frame><coordinates>{listed}</coordinates>"
        f"<frames>{offset(f'{parent}_offset', where, *in_parent)}"
        f"{offset(f'{child}_offset', f'/bodyset/{child}', *in_child)}</frames>{extra}</{kind}>"
    )


def constant(value: float) -> str:
    return f"<Constant><value>{value!r}</value></Constant>"


def linear(*coefficients: float) -> str:
    return f"<LinearFunction><coefficients>{numbers(coefficients)}</coefficients></LinearFunction>"


def polynomial(*coefficients: float) -> str:
    return f"<PolynomialFunction><coefficients>{numbers(coefficients)}</coefficients></PolynomialFunction>"


def points(kind: str, x: Iterable[float], y: Iterable[float]) -> str:
    return f"<{kind}><x>{numbers(x)}</x><y>{numbers(y)}</y></{kind}>"


def multiplier(scale: float, function: str) -> str:
    return f"<MultiplierFunction><function>{function}</function><scale>{scale!r}</scale></MultiplierFunction>"


def transform_axis(name: str, coordinates: str, axis: Sequence[float], function: str) -> str:
    """A transform axis, its function named after the property as OpenSim 4 writes it."""
    named = function.replace(">", ' name="function">', 1) if function else ""
    return (
        f'<TransformAxis name="{name}"><coordinates>{coordinates}</coordinates>'
        f"<axis>{numbers(axis)}</axis>{named}</TransformAxis>"
    )


def spatial(*axes: str) -> str:
    return f"<SpatialTransform>{''.join(axes)}</SpatialTransform>"


def marker(name: str, frame: str, location: Sequence[float]) -> str:
    return (
        f'<Marker name="{name}"><socket_parent_frame>{frame}</socket_parent_frame>'
        f"<location>{numbers(location)}</location></Marker>"
    )


def coupler(
    name: str, dependent: str, independent: str, function: str, scale: float = 1.0, enforced: bool = True
) -> str:
    return (
        f'<CoordinateCouplerConstraint name="{name}"><isEnforced>{str(enforced).lower()}</isEnforced>'
        f"<coupled_coordinates_function>{function}</coupled_coordinates_function>"
        f"<independent_coordinate_names>{independent}</independent_coordinate_names>"
        f"<dependent_coordinate_name>{dependent}</dependent_coordinate_name>"
        f"<scale_factor>{scale!r}</scale_factor></CoordinateCouplerConstraint>"
    )


def document(
    bodies: Iterable[str],
    joints: Iterable[str],
    markers: Iterable[str] = (),
    couplers: Iterable[str] = (),
    version: int = 40000,
) -> str:
    """An OpenSim 4 model; `bodies` are names or whole elements."""
    listed = "".join(b if b.startswith("<") else body(b) for b in bodies)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<OpenSimDocument Version="{version}"><Model name="small">'
        f'<Ground name="ground"/><BodySet name="bodyset"><objects>{listed}</objects></BodySet>'
        f'<JointSet name="jointset"><objects>{"".join(joints)}</objects></JointSet>'
        f'<ConstraintSet name="constraintset"><objects>{"".join(couplers)}</objects></ConstraintSet>'
        f'<MarkerSet name="markerset"><objects>{"".join(markers)}</objects></MarkerSet>'
        "</Model></OpenSimDocument>"
    )


FREE_ROOT = joint("FreeJoint", "root", "ground", "a", ["turn_x", "turn_y", "turn_z", "tx", "ty", "tz"])


def knee_axes(coordinate_name: str = "bend") -> str:
    """A joint whose one angle also slides the child, as OpenSim's knees do."""
    x = (-2.0, -1.2, -0.5, 0.1, 0.7, 1.5)
    turn = points("SimmSpline", x, (0.1, 0.2, 0, 0.3, 0.1, 0))
    forward = points("SimmSpline", x, (0.1, 0.05, 0.03, 0, 0.01, 0.1))
    up = multiplier(1.3, polynomial(0.02, -0.03, -0.4))
    return spatial(
        transform_axis("rotation1", coordinate_name, (0, 0, 1), linear(1, 0)),
        transform_axis("rotation2", coordinate_name, (1, 2, 0.5), turn),
        transform_axis("rotation3", "", (1, 0, 0), constant(0.2)),
        transform_axis("translation1", coordinate_name, (1, 0, 0), forward),
        transform_axis("translation2", coordinate_name, (0, 1, 0), up),
        transform_axis("translation3", "", (0, 0, 1), constant(0.05)),
    )


def small_model() -> str:
    """Four bodies on a free root: a knee, a coupled slide behind it, a pin, and markers on three of them."""
    slide = spatial(
        transform_axis("rotation2", "twist", (0, 1, 0), linear(1, 0)),
        transform_axis("translation1", "slide", (1, 0, 0), linear(1, 0)),
        transform_axis("translation2", "", (0, 1, 0), constant(0.0)),
    )
    bend = coordinate("bend", 0.1, (-1.5, 0.8), clamped=True)
    swing = coordinate("swing", 0.3, (-1.0, 1.0), locked=True)
    return document(
        ["a", "b", "c", "d"],
        [
            FREE_ROOT,
            joint("CustomJoint", "knee", "a", "b", [bend], knee_axes()),
            joint("CustomJoint", "slider", "b", "c", ["slide", "twist"], slide),
            joint("PinJoint", "pin", "a", "d", [swing]),
        ],
        [
            marker("m_a", "/bodyset/a", (0.1, 0.0, 0.2)),
            marker("m_b1", "/bodyset/b", (0.0, -0.3, 0.1)),
            marker("m_b2", "/jointset/knee/b_offset", (0.1, 0.2, -0.1)),
            marker("m_c", "/bodyset/c", (0.05, 0.1, 0.3)),
            marker("m_ground", "/ground", (1.0, 2.0, 3.0)),
        ],
        [coupler("follow", "slide", "bend", polynomial(0.05, 0.1, 0.02), 1.5)],
    )


def version_3(spline: str = "SimmSpline") -> str:
    """The model of `version_4`, as OpenSim 3 writes it."""

    def old_joint(kind: str, name: str, parent: str, coordinates: list[str], extra: str = "") -> str:
        return (
            f'<Joint><{kind} name="{name}"><parent_body>{parent}</parent_body>'
            "<location_in_parent>0.1 0.2 0.3</location_in_parent>"
            "<orientation_in_parent>0.2 -0.3 0.4</orientation_in_parent>"
            "<location>0.05 -0.1 0.02</location><orientation>0.5 0.1 -0.2</orientation>"
            f"<CoordinateSet><objects>{''.join(map(coordinate, coordinates))}</objects></CoordinateSet>"
            f"<reverse>false</reverse>{extra}</{kind}></Joint>"
        )

    def old_body(name: str, own_joint: str = "") -> str:
        return f'<Body name="{name}"><mass>1</mass>{own_joint}</Body>'

    def wrapped(function: str) -> str:
        return f"<function>{function}</function>"

    axes = (
        '<SpatialTransform><TransformAxis name="rotation1"><coordinates>k</coordinates>'
        f"<axis>0 0 1</axis>{wrapped(linear(1, 0))}</TransformAxis>"
        '<TransformAxis name="rotation2"><coordinates/><axis>0 1 0</axis></TransformAxis>'
        '<TransformAxis name="rotation3"><coordinates/><axis>1 0 0</axis></TransformAxis>'
        '<TransformAxis name="translation1"><coordinates>k</coordinates><axis>1 0 0</axis>'
        f"{wrapped(points(spline, (-1, 0, 0.5, 1), (0, 0.1, 0.3, 0.2)))}</TransformAxis></SpatialTransform>"
    )
    root = old_joint("FreeJoint", "root", "ground", [f"r{i}" for i in range(6)])
    bodies = (
        old_body("ground")
        + old_body("a", root)
        + old_body("b", old_joint("CustomJoint", "knee", "a", ["k"], axes))
        + old_body("c", old_joint("PinJoint", "pin", "b", ["p"]))
    )
    tie = coupler("tie", "p", "k", linear(2, 0.1)).replace("isEnforced>true<", "isDisabled>false<")
    tie = tie.replace("</isEnforced>", "</isDisabled>")
    return (
        '<?xml version="1.0"?><OpenSimDocument Version="30000"><Model name="old">'
        f"<BodySet><objects>{bodies}</objects></BodySet>"
        f"<ConstraintSet><objects>{tie}</objects></ConstraintSet><MarkerSet><objects>"
        '<Marker name="m"><body>b</body><location>0.1 0.2 0.3</location></Marker>'
        "</objects></MarkerSet></Model></OpenSimDocument>"
    )


def version_4() -> str:
    spline = points("SimmSpline", (-1, 0, 0.5, 1), (0, 0.1, 0.3, 0.2))
    axes = spatial(
        transform_axis("rotation1", "k", (0, 0, 1), linear(1, 0)),
        transform_axis("rotation2", "", (0, 1, 0), ""),
        transform_axis("rotation3", "", (1, 0, 0), ""),
        transform_axis("translation1", "k", (1, 0, 0), spline),
    )
    joints = [
        joint("FreeJoint", "root", "ground", "a", [f"r{i}" for i in range(6)]),
        joint("CustomJoint", "knee", "a", "b", ["k"], axes),
        joint("PinJoint", "pin", "b", "c", ["p"]),
    ]
    markers = [marker("m", "/bodyset/b", (0.1, 0.2, 0.3))]
    return document("abc", joints, markers, [coupler("tie", "p", "k", linear(2, 0.1))])
