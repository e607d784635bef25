"""Scale factors: how much larger each body is than in the model, along its own axes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
from numpy.typing import NDArray

from calib.errors import OsimError, SkeletonError
from calib.osim.functions import Linear
from calib.osim.osim import FIRST_VERSION_4, Frames
from calib.osim.osim_model import GROUND
from calib.osim.osim_xml import Source
from calib.skeleton import Skeleton, load_skeleton


def check_scale_factors(skeleton: Skeleton, scale_factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale factors as an array of the right shape, in the order of `skeleton.body_names`.

    Raises:
        SkeletonError: wrong shape, or factors that are not finite and positive.
    """
    factors = np.asarray(scale_factors, dtype=np.float64)
    if factors.shape != (skeleton.n_bodies, 3):
        raise SkeletonError(
            f"scale factors have shape {factors.shape}; "
            f"skeleton {skeleton.name!r} takes ({skeleton.n_bodies}, 3)"
        )
    bad = ~(np.isfinite(factors) & (factors > 0.0)).all(axis=1)
    if bad.any():
        body = int(np.flatnonzero(bad)[0])
        raise SkeletonError(
            f"scale factors of {skeleton.body_names[body]} are {factors[body].tolist()}; "
            "accepted: positive numbers",
            name=skeleton.body_names[body],
            value=factors[body],
        )
    return factors


def write_scaled_osim(model_path: Path, scale_factors: NDArray[np.float64], out_path: Path) -> None:
    """Write a model in which the bodies have another size, for OpenSim to open.

    Frames, joints, couplers, markers, points of muscle paths, centres of mass and meshes grow; masses,
    inertias, wrap objects, and lengths of muscles and ligaments stay as they are.

    Args:
        model_path: Model written by OpenSim 4.
        scale_factors: Factors in the order of `load_skeleton(model_path).body_names`. Shape: (n_bodies, 3).
        out_path: File to write.

    Raises:
        OsimError: the model cannot be read, is not of version 4, or the file cannot be written.
        SkeletonError: the scale factors do not fit the model.
    """
    skeleton = load_skeleton(model_path)
    factors = check_scale_factors(skeleton, scale_factors)
    source = Source(Path(model_path))
    root = source.parse()
    model = root.find("Model")
    if model is None or int(root.get("Version", "0")) < FIRST_VERSION_4:
        source.fail(root, f"Version={root.get('Version')!r}", f"{FIRST_VERSION_4} and later")
    scaler = _Scaler(source, model, dict(zip(skeleton.body_names, factors, strict=True)))
    scaler.scale_bodies()
    scaler.scale_joints()
    scaler.scale_points()
    scaler.scale_couplers(_coupler_factors(skeleton, factors))
    indent(root, "\t")
    try:
        ElementTree(root).write(out_path, encoding="UTF-8", xml_declaration=True)
    except OSError as error:
        raise OsimError(f"{out_path}: cannot be written ({error.strerror}); give another place") from error


def _coupler_factors(skeleton: Skeleton, factors: NDArray[np.float64]) -> dict[str, float]:
    """What multiplies the coupler of each dependent coordinate that is a length."""
    return {
        skeleton.coordinate_names[coupler["dependent"]]: float(coupler["weight"] @ factors[coupler["body"]])
        for coupler in skeleton.tree.couplers
        if coupler["weight"].any()
    }


class _Scaler:
    """Multiplies the lengths in a document."""

    def __init__(self, source: Source, model: Element, factors: dict[str, NDArray[np.float64]]) -> None:
        self.source = source
        self.model = model
        self.factors = factors | {GROUND: np.ones(3)}
        self.frames = Frames(source, model)

    def scale_bodies(self) -> None:
        """Scale centres of mass and meshes."""
        for body in self.model.iter("Body"):
            factor = self.factors[self.source.name(body)]
            self._multiply(body, "mass_center", factor)
            for mesh in body.iterfind("attached_geometry/Mesh"):
                self._multiply(mesh, "scale_factors", factor)

    def scale_joints(self) -> None:
        """Scale offset frames, translations of CustomJoints, and radii of EllipsoidJoints."""
        for path, frame in self.frames.offsets.items():
            self._multiply(frame, "translation", self._factor(frame, path, "socket_parent"))
        for joint in self.model.iterfind("JointSet/objects/*"):
            path = f"/jointset/{self.source.name(joint)}"
            body = self.frames.resolve(joint, path, "socket_parent_frame").body
            self._multiply(joint, "radii_x_y_z", self.factors[body])
            for axis in joint.iterfind("SpatialTransform/TransformAxis"):
                if body != GROUND and axis.get("name", "").startswith("translation"):
                    self._multiply_function(axis, self.factors[body])

    def scale_points(self) -> None:
        """Scale markers, and points of muscle paths and the like."""
        for element in self.model.iter():
            if element.find("location") is not None and element.find("socket_parent_frame") is not None:
                self._multiply(element, "location", self._factor(element, "", "socket_parent_frame"))

    def scale_couplers(self, factors: dict[str, float]) -> None:
        """Scale the functions of couplers, by the name of the dependent coordinate."""
        for element in self.model.iterfind("ConstraintSet/objects/CoordinateCouplerConstraint"):
            factor = factors.get(self.source.text(element, "dependent_coordinate_name"))
            if factor is not None:
                _write(element, "scale_factor", [self.source.number(element, "scale_factor", 1.0) * factor])

    def _factor(self, element: Element, path: str, socket: str) -> NDArray[np.float64]:
        return self.factors[self.frames.resolve(element, path, socket).body]

    def _multiply(self, element: Element, tag: str, factor: NDArray[np.float64]) -> None:
        if element.find(tag) is not None:
            _write(element, tag, np.array(self.source.vec3(element, tag)) * factor)

    def _multiply_function(self, axis: Element, factor: NDArray[np.float64]) -> None:
        """Wrap the function of a translation, unless the translation is a coordinate itself."""
        function = self.source.function(axis)
        if function is None or (isinstance(function, Linear) and function.coefficients[:2] == (1.0, 0.0)):
            return
        default = np.eye(3)[int(axis.get("name", "")[-1]) - 1]
        direction = np.array(self.source.numbers(axis, "axis", 3, tuple(default)))
        scale = float(direction**2 @ factor / (direction @ direction))
        inner = self.source.function_element(axis, "function")
        if inner is None:
            return
        if inner.tag == "MultiplierFunction":
            _write(inner, "scale", [self.source.number(inner, "scale", 1.0) * scale])
            return
        owner = axis if inner in list(axis) else axis.find("function")
        assert owner is not None
        owner.remove(inner)
        wrapper = SubElement(owner, "MultiplierFunction", {"name": "function"})
        SubElement(wrapper, "function").append(inner)
        _write(wrapper, "scale", [scale])


def _write(element: Element, tag: str, values: Iterable[float]) -> None:
    child = element.find(tag)
    if child is None:
        child = SubElement(element, tag)
    child.text = " ".join(repr(float(value)) for value in values)
