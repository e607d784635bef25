"""What OpenSim itself makes of a model, to compare with."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calib.skeleton import Skeleton
from tests.support.environment import import_or_skip


def import_opensim() -> Any:
    """The opensim package. Without it tests skip, except in CI, where it must be there."""
    opensim = import_or_skip("opensim", "install it: pip install -e '.[opensim]'")
    opensim.Logger.setLevelString("off")
    opensim.Logger.removeFileSink()
    return opensim


class Reference:
    """A model that OpenSim has loaded."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.opensim = import_opensim()
        light = scratch / f"light_{path.name}"
        _without_muscles(path, light)
        self.model = self.opensim.Model(str(light))
        self.state = self.model.initSystem()

    @property
    def coordinates(self) -> list[Any]:
        coordinate_set = self.model.getCoordinateSet()
        return [coordinate_set.get(i) for i in range(coordinate_set.getSize())]

    def scale(self, skeleton: Skeleton, factors: np.ndarray) -> None:
        """Apply scale factors with OpenSim's own `Model::scale`."""
        scale_set = self.opensim.ScaleSet()
        for name, row in zip(skeleton.body_names, factors, strict=True):
            scale = self.opensim.Scale()
            scale.setSegmentName(name)
            scale.setScaleFactors(self.opensim.Vec3(*(float(v) for v in row)))
            scale.setApply(True)
            scale_set.cloneAndAppend(scale)
        self.model.scale(self.state, scale_set, True, -1.0)
        self.state = self.model.initSystem()

    def pose(self, q: np.ndarray) -> None:
        """Set every coordinate as it is, outside its range too, without enforcing constraints."""
        for coordinate in self.coordinates:
            coordinate.setLocked(self.state, False)
            coordinate.setClamped(self.state, False)
        for coordinate, value in zip(self.coordinates, q, strict=True):
            coordinate.setValue(self.state, float(value), False)
        self.model.realizePosition(self.state)

    def frame(self, component: Any) -> np.ndarray:
        transform = component.getTransformInGround(self.state)
        R, p = transform.R(), transform.p()
        T = np.eye(4)
        for i in range(3):
            T[i, 3] = p.get(i)
            for j in range(3):
                T[i, j] = R.get(i, j)
        return T

    def bodies(self, skeleton: Skeleton) -> np.ndarray:
        body_set = self.model.getBodySet()
        return np.array([self.frame(body_set.get(name)) for name in skeleton.body_names])

    def markers(self, skeleton: Skeleton) -> np.ndarray:
        marker_set = self.model.getMarkerSet()
        places = [marker_set.get(name).getLocationInGround(self.state) for name in skeleton.marker_names]
        return np.array([[p.get(0), p.get(1), p.get(2)] for p in places]).reshape(-1, 3)

    def follow_markers(self, skeleton: Skeleton, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Coordinates by OpenSim's own solver, all markers weighing the same. Shape of a frame: (n, 3)."""
        opensim, n = self.opensim, skeleton.n_markers
        table, labels, weights = (
            opensim.TimeSeriesTableVec3(),
            opensim.StdVectorString(),
            opensim.SetMarkerWeights(),
        )
        for name in skeleton.marker_names:
            labels.append(name)
            weights.cloneAndAppend(opensim.MarkerWeight(name, 1.0))
        table.setColumnLabels(labels)
        for k, frame in enumerate(frames):
            row = opensim.RowVectorVec3(n)
            for i, point in enumerate(frame):
                row[i] = opensim.Vec3(*(float(v) for v in point))
            table.appendRow(0.1 * k, row)
        table.addTableMetaDataString("DataRate", "10")
        table.addTableMetaDataString("Units", "m")
        markers = opensim.MarkersReference(table, weights)
        coordinates = opensim.SimTKArrayCoordinateReference()
        solver = opensim.InverseKinematicsSolver(self.model, markers, coordinates, float("inf"))
        solver.setAccuracy(1e-9)
        found = []
        for k in range(len(frames)):
            self.state.setTime(0.1 * k)
            solver.assemble(self.state)
            found.append(np.array([c.getValue(self.state) for c in self.coordinates]))
        return found

    def coupled(self, skeleton: Skeleton, q: np.ndarray) -> np.ndarray:
        """The coordinates after OpenSim's own coupler functions, the enforced ones."""
        q = q.copy()
        constraints = self.model.getConstraintSet()
        for i in range(constraints.getSize()):
            coupler = self.opensim.CoordinateCouplerConstraint.safeDownCast(constraints.get(i))
            if coupler is None or not coupler.get_isEnforced():
                continue
            independent = skeleton.coordinate_index(coupler.getIndependentCoordinateNames().get(0))
            dependent = skeleton.coordinate_index(coupler.getDependentCoordinateName())
            value = coupler.getFunction().calcValue(self.opensim.Vector(1, float(q[independent])))
            scale = coupler.getPropertyByName("scale_factor")
            q[dependent] = self.opensim.PropertyHelper.getValueDouble(scale) * value
        return q


def _without_muscles(path: Path, out: Path) -> None:
    """Muscles and contacts only slow OpenSim down here."""
    # OpenSim writes element names with two colons, which XML with namespaces does not have.
    tree = ElementTree.ElementTree(ElementTree.fromstring(path.read_bytes().replace(b"::", b".")))
    model = tree.getroot().find("Model")
    assert model is not None
    for tag in ("ForceSet", "ControllerSet", "ContactGeometrySet", "ProbeSet"):
        for element in model.findall(tag):
            model.remove(element)
    tree.write(out)


def angles_between(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Angle between the rotations of two stacks of transforms, in rad."""
    R = np.einsum("nji,njk->nik", A[:, :3, :3], B[:, :3, :3])
    skew = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], axis=1)
    return np.arctan2(np.linalg.norm(skew, axis=1) / 2.0, (np.trace(R, axis1=1, axis2=2) - 1.0) / 2.0)
