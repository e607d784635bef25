"""What an `.osim` file says about kinematics, before it becomes flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

from calib.osim.functions import Function

GROUND = "ground"

Vec3 = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Offset:
    """A frame fixed in its parent frame: translation in m, body-fixed x-y-z angles in rad."""

    translation: Vec3
    orientation: Vec3


@dataclass(frozen=True, slots=True)
class BodyFrame:
    """A frame on a body (or ground), reached through a chain of offsets from the body outwards."""

    body: str
    offsets: tuple[Offset, ...] = ()


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A generalized coordinate, in rad or m."""

    name: str
    default_value: float
    lower: float
    upper: float
    is_clamped: bool
    is_locked: bool


@dataclass(frozen=True, slots=True)
class TransformAxis:
    """Motion about or along one axis, as a function of coordinates."""

    axis: Vec3
    coordinates: tuple[str, ...]
    function: Function


@dataclass(frozen=True, slots=True)
class Joint:
    """How a child frame moves in a parent frame.

    Every type of joint is written as OpenSim's CustomJoint is: three body-fixed rotations, and
    three translations in the parent frame. An ellipsoid's radii add the point on its surface.
    """

    name: str
    kind: str
    parent: BodyFrame
    child: BodyFrame
    coordinates: tuple[Coordinate, ...]
    rotations: tuple[TransformAxis, ...]
    translations: tuple[TransformAxis, ...]
    radii: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Coupler:
    """A coordinate that follows another one."""

    name: str
    dependent: str
    independent: str
    function: Function


@dataclass(frozen=True, slots=True)
class Marker:
    """A point on a frame, in m."""

    name: str
    frame: BodyFrame
    location: Vec3


@dataclass(frozen=True, slots=True)
class OsimModel:
    """The kinematic part of a model, in the order of its file."""

    name: str
    bodies: tuple[str, ...]
    joints: tuple[Joint, ...]
    couplers: tuple[Coupler, ...]
    markers: tuple[Marker, ...]
