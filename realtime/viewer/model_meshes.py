"""Meshes attached to the bodies of a user's model, in place of the viewer's own bones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from calib.osim.osim import FIRST_VERSION_4, Frames
from calib.osim.osim_xml import Source
from calib.skeleton import Skeleton, load_skeleton
from realtime.errors import RealtimeError
from realtime.viewer.anatomy import Anatomy
from realtime.viewer.posture import Posture
from realtime.viewer.shapes import EMPTY, Mesh, merge
from realtime.viewer.subject_scale import scale_factors_of
from realtime.viewer.surface_files import read_surface

logger = logging.getLogger(__name__)

SUFFIXES = (".vtp", ".stl", ".obj")
FINEST = 60_000
"""Largest total number of triangles; finer meshes are simplified for rendering in software."""


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A mesh file attached to a body."""

    body: str
    file: str
    matrix: NDArray[np.float64]
    """Linear map from file to body, without the body's scale factors. Shape: (3, 3)."""
    offset_m: NDArray[np.float64]
    """Translation from file to body. Shape: (3,)."""


class ModelMeshes:
    """Makes meshes for postures of a model; a `MeshMaker`.

    Args:
        model_path: Path of an `.osim` file of OpenSim 3 or 4.
        folder: Folder of its mesh files.

    Raises:
        OsimError: the model cannot be read.
        RealtimeError: none of its mesh files is in the folder, or one of them cannot be read.
    """

    def __init__(self, model_path: Path, folder: Path) -> None:
        self._skeleton: Skeleton = load_skeleton(model_path)
        attachments = read_attachments(model_path)
        files = {a.file: _find(folder, a.file) for a in attachments}
        found = {name: path for name, path in files.items() if path is not None}
        if not found:
            raise RealtimeError(
                f"{folder}: holds none of the {len(files)} meshes of {model_path.name}, such as "
                f"{', '.join(list(files)[:3]) or 'any'}; give the Geometry folder that comes with the model"
            )
        missing = sorted(set(files) - set(found))
        if missing:
            logger.warning("%s: %d meshes are missing: %s", folder, len(missing), ", ".join(missing[:5]))
        read = {name: read_surface(path) for name, path in found.items()}
        n = sum(len(read[a.file].triangles) for a in attachments if a.file in read)
        if n > FINEST:
            read = {name: _thinned(mesh, FINEST / n) for name, mesh in read.items()}
        self._meshes = {
            body: merge(
                read[a.file].mapped(a.matrix, a.offset_m)
                for a in attachments
                if a.body == body and a.file in read
            )
            for body in self._skeleton.body_names
        }
        self.described = f"{len(found)} of {len(files)} meshes, {min(n, FINEST)} triangles"

    def __call__(self, posture: Posture, anatomy: Anatomy) -> Sequence[Mesh]:
        """The meshes at the subject's size; empty for bodies that the model does not have."""
        factors = dict(zip(self._skeleton.body_names, scale_factors_of(self._skeleton, posture), strict=True))
        return [
            self._meshes[name].mapped(np.diag(factors[name])) if name in factors else EMPTY
            for name in posture.body_names
        ]


def read_attachments(model_path: Path) -> list[Attachment]:
    """Read which mesh files are attached to which bodies of an `.osim` file.

    Raises:
        OsimError: the file cannot be read or is malformed.
    """
    source = Source(Path(model_path))
    root = source.parse()
    model = root.find("Model")
    if model is None:
        source.fail(root, "no model in it", "<OpenSimDocument> with a <Model>")
    version = root.get("Version", "")
    is_new = version.isdigit() and int(version[:9]) >= FIRST_VERSION_4
    return list(_new(source, model) if is_new else _old(source, model))


def _new(source: Source, model: Element) -> Iterator[Attachment]:
    """OpenSim 4: meshes are attached to bodies and to frames fixed to them."""
    frames = Frames(source, model)
    for body in model.iterfind("BodySet/objects/Body"):
        yield from _meshes_on(source, body, source.name(body), np.eye(3), np.zeros(3))
    for path, frame in frames.offsets.items():
        if frame.find("attached_geometry/Mesh") is None:
            continue
        parent = frames.resolve(frame, path, "socket_parent")
        R, p = np.eye(3), np.zeros(3)
        for offset in parent.offsets:
            R, p = R @ rotation(offset.orientation), p + R @ np.array(offset.translation)
        own = rotation(source.vec3(frame, "orientation"))
        p = p + R @ np.array(source.vec3(frame, "translation"))
        yield from _meshes_on(source, frame, parent.body, R @ own, p)


def _meshes_on(
    source: Source, owner: Element, body: str, R: NDArray[np.float64], p: NDArray[np.float64]
) -> Iterator[Attachment]:
    for mesh in owner.iterfind("attached_geometry/Mesh"):
        scale = source.numbers(mesh, "scale_factors", 3, (1.0, 1.0, 1.0))
        file = source.text(mesh, "mesh_file")
        if file:
            yield Attachment(body, file, R @ np.diag(scale), p)


def _old(source: Source, model: Element) -> Iterator[Attachment]:
    """OpenSim 3: a body's visible object has geometries; both have a transform and scale factors."""
    for body in model.iterfind("BodySet/objects/Body"):
        visible = body.find("VisibleObject")
        if visible is None:
            continue
        outer = np.diag(source.numbers(visible, "scale_factors", 3, (1.0, 1.0, 1.0)))
        R, p = _transform(source, visible)
        for piece in visible.iterfind("GeometrySet/objects/DisplayGeometry"):
            inner = np.diag(source.numbers(piece, "scale_factors", 3, (1.0, 1.0, 1.0)))
            R_piece, p_piece = _transform(source, piece)
            file = source.text(piece, "geometry_file")
            if file:
                yield Attachment(
                    source.name(body), file, R @ outer @ R_piece @ inner, p + R @ outer @ p_piece
                )
        for name in source.text(visible, "geometry_files").split():
            yield Attachment(source.name(body), name, R @ outer, p)


def _transform(source: Source, element: Element) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y, z, *p = source.numbers(element, "transform", 6, (0.0,) * 6)
    return rotation((x, y, z)), np.array(p)


def rotation(xyz_rad: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation matrix R = Rx Ry Rz of OpenSim's body-fixed X-Y-Z angles. Shape: (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(xyz_rad), np.sin(xyz_rad)
    X = np.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
    Y = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    Z = np.array([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(X @ Y @ Z)


def _find(folder: Path, file: str) -> Path | None:
    """The file of that name in the folder; the model's own paths are not valid on another computer."""
    name = PureWindowsPath(file).name
    path = folder / name
    if name.lower().endswith(SUFFIXES) and path.is_file():
        return path
    return None


def _thinned(mesh: Mesh, share: float) -> Mesh:
    """The mesh simplified to about a share of its triangles, by quadric error metrics."""
    from realtime.viewer.window import import_open3d

    o3d = import_open3d()
    fine = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.triangles)
    )
    thin = fine.simplify_quadric_decimation(max(12, int(share * len(mesh.triangles))))
    vertices = np.array(thin.vertices)
    return Mesh(vertices, np.array(thin.triangles, dtype=np.int32), np.ones(len(vertices)))
