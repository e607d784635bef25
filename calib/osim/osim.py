"""Reads the kinematic part of `.osim` files of OpenSim 3 and 4."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from calib.osim.functions import Multiplier
from calib.osim.osim_joints import read_joint
from calib.osim.osim_model import GROUND, BodyFrame, Coupler, Joint, Marker, Offset, OsimModel
from calib.osim.osim_xml import Source

logger = logging.getLogger(__name__)

FIRST_VERSION = 20000
FIRST_BETA_OF_4 = 30500
FIRST_VERSION_4 = 40000


def load_osim(path: Path) -> OsimModel:
    """Read bodies, joints, coordinates, couplers and markers of an `.osim` file.

    Muscles, geometry, masses and constraints other than enforced couplers are left out.

    Args:
        path: Model written by OpenSim 3 or 4. It is not trusted: document types and entities are refused.

    Raises:
        OsimError: the file cannot be read, is malformed, or uses something unsupported.
    """
    source = Source(Path(path))
    root = source.parse()
    model = root.find("Model") if root.tag == "OpenSimDocument" else None
    if model is None:
        source.fail(root, "no model in it", "<OpenSimDocument> with a <Model>")
    text = root.get("Version", "")
    version = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if version >= FIRST_VERSION_4:
        frames = Frames(source, model)
        joints, markers = list(_joints(source, model, frames)), list(_markers(source, model, frames))
    elif FIRST_VERSION <= version < FIRST_BETA_OF_4:
        joints, markers = list(_old_joints(source, model)), list(_old_markers(source, model))
    else:
        source.fail(
            root, f"Version={text[:20]!r}", "20000 to 30499, or 40000 and later (save it in OpenSim 4)"
        )
    bodies = [name for name in _body_names(source, model) if name != GROUND]
    couplers = list(_couplers(source, model))
    _check_unique(source, "body", bodies)
    _check_unique(source, "joint", [j.name for j in joints])
    _check_unique(source, "coordinate", [c.name for j in joints for c in j.coordinates])
    _check_unique(source, "marker", [m.name for m in markers])
    return OsimModel(model.get("name", ""), tuple(bodies), tuple(joints), tuple(couplers), tuple(markers))


def _objects(model: Element, *paths: str) -> Iterator[Element]:
    for path in paths:
        yield from model.findall(path)


def _body_names(source: Source, model: Element) -> Iterator[str]:
    for body in _objects(model, "BodySet/objects/Body", "components/Body"):
        yield source.name(body)


def _check_unique(source: Source, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            source.fail("Model", f"more than one {what} is called {name!r}", "distinct names")
        seen.add(name)


def _couplers(source: Source, model: Element) -> Iterator[Coupler]:
    """Couplers that are enforced; OpenSim lets the coordinates of the others move freely."""
    for element in _objects(model, "ConstraintSet/objects/*"):
        if not source.flag(element, "isEnforced", not source.flag(element, "isDisabled")):
            continue
        if element.tag != "CoordinateCouplerConstraint":
            logger.warning("%s: constraint <%s> is left out", source.path, element.tag)
            continue
        function = source.function(element, "coupled_coordinates_function")
        if function is None:
            source.fail(element, "no function", "<coupled_coordinates_function>")
        independent = source.text(element, "independent_coordinate_names").split()
        if len(independent) != 1:
            source.fail(element, f"{len(independent)} independent coordinates", "one")
        source.check_arguments(element, function, 1)
        scale = source.number(element, "scale_factor", 1.0)
        if scale != 1.0:
            function = Multiplier(scale, function)
        dependent = source.text(element, "dependent_coordinate_name")
        yield Coupler(source.name(element), dependent, independent[0], function)


# --- OpenSim 4: frames have paths, joints connect frames ---


class Frames:
    """The physical frames of an OpenSim 4 model by path."""

    def __init__(self, source: Source, model: Element) -> None:
        self.source = source
        self.bodies = {f"/{GROUND}": GROUND}
        self.offsets: dict[str, Element] = {}
        pending = [(model, "")]
        while pending:
            element, path = pending.pop()
            if element is not model:
                path = self._add(element, path)
            pending.extend((child, path) for child in element)

    def _add(self, element: Element, parent_path: str) -> str:
        """Note a frame, and return the path that its children extend."""
        if element.tag in ("objects", "frames", "components", "coordinates", "attached_geometry"):
            return parent_path
        own = element.get("name") or element.tag.lower()
        path = f"{parent_path}/{own}"
        if element.tag == "Body":
            self.bodies[path] = own
        elif element.tag == "PhysicalOffsetFrame":
            self.offsets[path] = element
        return path

    def resolve(self, owner: Element, owner_path: str, tag: str) -> BodyFrame:
        """Follow a socket to its body, through however many offset frames."""
        path = self._connectee(owner, owner_path, tag)
        chain: list[Offset] = []
        seen: set[str] = set()
        while path not in self.bodies:
            frame = self.offsets[path]
            if path in seen:
                self.source.fail(frame, "its parents lead back to itself", "a chain that ends at a body")
            seen.add(path)
            chain.append(
                Offset(self.source.vec3(frame, "translation"), self.source.vec3(frame, "orientation"))
            )
            path = self._connectee(frame, path, "socket_parent")
        return _frame(self.bodies[path], chain[::-1])

    def _connectee(self, owner: Element, owner_path: str, tag: str) -> str:
        name = self.source.text(owner, tag) or self.source.text(owner, f"{tag}_connectee_name")
        if not name:
            self.source.fail(owner, f"<{tag}> is missing or empty", "the path of a frame")
        path = posixpath.normpath(posixpath.join(owner_path, name))
        # Files converted from OpenSim 3 may give the bare name of a body.
        for candidate in (path, f"/bodyset/{name}", f"/{name}"):
            if candidate in self.bodies or candidate in self.offsets:
                return candidate
        self.source.fail(
            owner, f"<{tag}> is {name[:80]!r}", "the path of a body, of ground, or of an offset frame"
        )


def _frame(body: str, offsets: Iterable[Offset]) -> BodyFrame:
    """A frame without offsets that do nothing, so that equal models compare equal."""
    still = Offset((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return BodyFrame(body, tuple(offset for offset in offsets if offset != still))


def _joints(source: Source, model: Element, frames: Frames) -> Iterator[Joint]:
    loose = [(e, "") for e in model.findall("components/*") if e.tag.endswith("Joint")]
    listed = [(e, "/jointset") for e in model.findall("JointSet/objects/*")]
    for element, folder in loose + listed:
        path = f"{folder}/{source.name(element)}"
        parent = frames.resolve(element, path, "socket_parent_frame")
        child = frames.resolve(element, path, "socket_child_frame")
        yield read_joint(source, element, parent, child, element.findall("coordinates/*"))


def _markers(source: Source, model: Element, frames: Frames) -> Iterator[Marker]:
    loose = [(e, "") for e in model.findall("components/Marker")]
    listed = [(e, "/markerset") for e in model.findall("MarkerSet/objects/Marker")]
    for element, folder in loose + listed:
        name = source.name(element)
        frame = frames.resolve(element, f"{folder}/{name}", "socket_parent_frame")
        yield Marker(name, frame, source.vec3(element, "location"))


# --- OpenSim 3: joints stand inside the body they move ---


def _old_joints(source: Source, model: Element) -> Iterator[Joint]:
    bodies = set(_body_names(source, model)) | {GROUND}
    for body in model.findall("BodySet/objects/Body"):
        for element in body.findall("Joint/*"):
            parent = source.text(element, "parent_body")
            if parent not in bodies:
                source.fail(element, f"<parent_body> is {parent[:80]!r}", ", ".join(sorted(bodies)))
            in_parent = Offset(
                source.vec3(element, "location_in_parent"), source.vec3(element, "orientation_in_parent")
            )
            in_child = Offset(source.vec3(element, "location"), source.vec3(element, "orientation"))
            if source.flag(element, "reverse"):
                source.fail(element, "<reverse> is true", "false: joints that lead away from ground")
            coordinates = element.findall("CoordinateSet/objects/*")
            child = _frame(source.name(body), [in_child])
            yield read_joint(source, element, _frame(parent, [in_parent]), child, coordinates)


def _old_markers(source: Source, model: Element) -> Iterator[Marker]:
    bodies = set(_body_names(source, model)) | {GROUND}
    for element in model.findall("MarkerSet/objects/Marker"):
        body = source.text(element, "body")
        if body not in bodies:
            source.fail(element, f"<body> is {body[:80]!r}", ", ".join(sorted(bodies)))
        yield Marker(source.name(element), BodyFrame(body), source.vec3(element, "location"))
