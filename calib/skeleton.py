"""The skeleton: an `.osim` model as names, limits and flat arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import OsimError, SkeletonError
from calib.osim.functions import Linear
from calib.osim.osim import load_osim
from calib.osim.osim_model import GROUND, Coordinate, Coupler, Joint, OsimModel
from calib.tree import KinematicTree, build_tree


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """A model ready for kinematics. Its arrays are read-only."""

    name: str
    body_names: tuple[str, ...]
    """Parents before children, without ground."""
    joint_names: tuple[str, ...]
    """The joint that moves each body."""
    coordinate_names: tuple[str, ...]
    """In the order of OpenSim's CoordinateSet."""
    marker_names: tuple[str, ...]
    q_default: NDArray[np.float64]
    """In rad and m. Shape: (n_q,)."""
    q_lower: NDArray[np.float64]
    """Shape: (n_q,)."""
    q_upper: NDArray[np.float64]
    """Shape: (n_q,)."""
    is_rotational: NDArray[np.bool_]
    """Whether files hold the coordinate in degrees. Shape: (n_q,)."""
    is_locked: NDArray[np.bool_]
    """Shape: (n_q,)."""
    is_clamped: NDArray[np.bool_]
    """Shape: (n_q,)."""
    is_dependent: NDArray[np.bool_]
    """Whether a coupler sets the coordinate. Shape: (n_q,)."""
    tree: KinematicTree
    sha: str
    """Hash of every name and number that kinematics uses, in hex."""

    @property
    def n_q(self) -> int:
        """Number of coordinates, dependent ones included."""
        return len(self.coordinate_names)

    @property
    def n_bodies(self) -> int:
        """Number of bodies, without ground."""
        return len(self.body_names)

    @property
    def n_markers(self) -> int:
        """Number of markers."""
        return len(self.marker_names)

    def coordinate_index(self, name: str) -> int:
        """Index of a coordinate in q.

        Raises:
            SkeletonError: there is none of that name.
        """
        return _index(self.coordinate_names, name, "coordinate", self.name)

    def body_index(self, name: str) -> int:
        """Index of a body.

        Raises:
            SkeletonError: there is none of that name.
        """
        return _index(self.body_names, name, "body", self.name)

    def marker_index(self, name: str) -> int:
        """Index of a marker.

        Raises:
            SkeletonError: there is none of that name.
        """
        return _index(self.marker_names, name, "marker", self.name)


def _index(names: Sequence[str], name: str, what: str, skeleton: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        known = ", ".join(names) or "none"
        raise SkeletonError(
            f"skeleton {skeleton!r} has no {what} {name!r}; it has: {known}",
            name=what,
            value=name,
            accepted=names,
        ) from None


def default_skeleton_path() -> Path:
    """The project's own skeleton."""
    return Path(__file__).parent / "data" / "kinecast.osim"


def load_skeleton(path: Path | None = None) -> Skeleton:
    """Read a skeleton.

    Args:
        path: `.osim` file of OpenSim 3 or 4; the project's own model if left out.

    Raises:
        OsimError: the file cannot be read, is malformed, or uses something unsupported.
    """
    return _own_skeleton() if path is None else _read_skeleton(Path(path))


@lru_cache(maxsize=1)
def _own_skeleton() -> Skeleton:
    """Read once: nothing in it can be changed, so that all may have the same."""
    return _read_skeleton(default_skeleton_path())


def _read_skeleton(path: Path) -> Skeleton:
    try:
        return build_skeleton(load_osim(path))
    except SkeletonError as error:
        raise OsimError(f"{path}: {error}") from error


def build_skeleton(model: OsimModel) -> Skeleton:
    """Flatten a model.

    Raises:
        SkeletonError: its joints do not make a tree rooted at ground, or its couplers make no sense.
    """
    joints = _sort_joints(model)
    coordinates = [c for joint in model.joints for c in joint.coordinates]
    names = tuple(c.name for c in coordinates)
    couplers = _sort_couplers(model.couplers, names)
    known = {GROUND, *model.bodies}
    for marker in model.markers:
        if marker.frame.body not in known:
            raise SkeletonError(f"marker {marker.name!r} is on unknown body {marker.frame.body!r}")
    dependent = {c.dependent for c in couplers}
    rotational = {c.name for joint in joints for c in joint.coordinates if _is_rotational(joint, c)}

    def flags(values: Iterable[bool]) -> NDArray[np.bool_]:
        array = np.array(list(values), dtype=np.bool_)
        array.setflags(write=False)
        return array

    def numbers(values: Iterable[float]) -> NDArray[np.float64]:
        array = np.array(list(values), dtype=np.float64)
        array.setflags(write=False)
        return array

    return Skeleton(
        name=model.name,
        body_names=tuple(joint.child.body for joint in joints),
        joint_names=tuple(joint.name for joint in joints),
        coordinate_names=names,
        marker_names=tuple(marker.name for marker in model.markers),
        q_default=numbers(c.default_value for c in coordinates),
        q_lower=numbers(c.lower for c in coordinates),
        q_upper=numbers(c.upper for c in coordinates),
        is_rotational=flags(name in rotational for name in names),
        is_locked=flags(c.is_locked for c in coordinates),
        is_clamped=flags(c.is_clamped for c in coordinates),
        is_dependent=flags(name in dependent for name in names),
        tree=build_tree(joints, couplers, list(model.markers), names),
        sha=_content_hash(model),
    )


def _content_hash(model: OsimModel) -> str:
    """Hash what was read rather than what was computed: the latter differs between machines."""
    content = asdict(model)
    del content["name"]
    # Functions of different types may hold equal numbers.
    content["function_types"] = [
        repr(axis.function) for joint in model.joints for axis in joint.rotations + joint.translations
    ] + [repr(coupler.function) for coupler in model.couplers]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_rotational(joint: Joint, coordinate: Coordinate) -> bool:
    """Whether the coordinate is the very angle of a rotation, in either sense."""
    for axis in joint.rotations:
        if coordinate.name in axis.coordinates and isinstance(axis.function, Linear):
            if abs(axis.function.coefficients[axis.coordinates.index(coordinate.name)]) == 1.0:
                return True
    return False


def _sort_joints(model: OsimModel) -> list[Joint]:
    """One joint for each body, parents first, in the file's order otherwise."""
    by_child: dict[str, Joint] = {}
    known = {GROUND, *model.bodies}
    for joint in model.joints:
        for body in (joint.parent.body, joint.child.body):
            if body not in known:
                raise SkeletonError(f"joint {joint.name!r} is on unknown body {body!r}")
        if joint.child.body == GROUND:
            raise SkeletonError(f"joint {joint.name!r} moves ground; accepted: ground as parent only")
        if joint.child.body in by_child:
            raise SkeletonError(
                f"body {joint.child.body!r} is moved by joints {by_child[joint.child.body].name!r} and "
                f"{joint.name!r}; accepted: one joint a body"
            )
        by_child[joint.child.body] = joint
    done: set[str] = {GROUND}
    order: list[Joint] = []
    for body in model.bodies:
        order += _climb(body, by_child, done)
    return order


def _climb(body: str, by_child: dict[str, Joint], done: set[str]) -> list[Joint]:
    """Joints from the nearest body that is done down to this one; marks them done."""
    chain: list[Joint] = []
    seen: set[str] = set()
    while body not in done:
        if body in seen:
            raise SkeletonError(f"the joints of body {body!r} lead back to it; accepted: a tree from ground")
        if body not in by_child:
            raise SkeletonError(f"body {body!r} has no joint; accepted: one joint a body")
        seen.add(body)
        chain.append(by_child[body])
        body = by_child[body].parent.body
    done |= seen
    return chain[::-1]


def _sort_couplers(couplers: Iterable[Coupler], names: Sequence[str]) -> list[Coupler]:
    """Couplers in an order in which each follows only what is already set."""
    by_dependent: dict[str, Coupler] = {}
    known = set(names)
    for coupler in couplers:
        for name in (coupler.dependent, coupler.independent):
            if name not in known:
                raise SkeletonError(f"coupler {coupler.name!r} names unknown coordinate {name!r}")
        if coupler.dependent in by_dependent:
            raise SkeletonError(f"coordinate {coupler.dependent!r} follows more than one coupler")
        by_dependent[coupler.dependent] = coupler
    order: list[Coupler] = []
    done: set[str] = set()
    for coupler in by_dependent.values():
        chain: dict[str, Coupler] = {}
        current: Coupler | None = coupler
        while current is not None and current.dependent not in done:
            if current.dependent in chain:
                raise SkeletonError(
                    f"coupler {current.name!r} follows itself; accepted: couplers without cycles"
                )
            chain[current.dependent] = current
            current = by_dependent.get(current.independent)
        done |= set(chain)
        order += reversed(chain.values())
    return order
