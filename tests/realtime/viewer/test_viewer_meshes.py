"""Meshes of a user's model: VTK's files in all their encodings, and where models hang them."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import CalibError
from calib.kinematics import body_transforms, joint_centres, marker_positions
from calib.skeleton import load_skeleton
from realtime.errors import RealtimeError
from realtime.viewer import model_meshes
from realtime.viewer.model_meshes import ModelMeshes, read_attachments, rotation
from realtime.viewer.posture import Posture
from realtime.viewer.shapes import Mesh
from realtime.viewer.surface_files import read_surface
from realtime.viewer.vtp import read_vtp
from tests.support.opensim_reference import import_opensim

POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1.25]], dtype=np.float64)
POLYGONS = [[0, 3, 2, 1], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
"""A pyramid: one square, four triangles."""
TRIANGLES = {(0, 3, 2), (0, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)}
VOLUME = 1.25 / 3.0


class Writer:
    """Writes `.vtp` as VTK's file formats are described, one encoding at a time."""

    def __init__(
        self, encoding: str, *, compressed: bool = False, order: str = "<", header: str = "I"
    ) -> None:
        self.encoding, self.compressed = encoding, compressed
        self.order, self.header = order, header
        self.appended = b""

    def pack(self, data: bytes) -> bytes:
        def words(*values: int) -> bytes:
            return struct.pack(f"{self.order}{len(values)}{self.header}", *values)

        raw = self.encoding == "appended raw"
        if not self.compressed:
            whole = words(len(data)) + data
            return whole if raw else base64.b64encode(whole)
        block = 64
        blocks = [data[k : k + block] for k in range(0, len(data), block)]
        packed = [zlib.compress(part) for part in blocks]
        head = words(len(blocks), block, len(data) % block, *map(len, packed))
        body = b"".join(packed)
        return head + body if raw else base64.b64encode(head) + base64.b64encode(body)

    def array(self, name: str, values: np.ndarray, kind: str, dtype: str, components: int = 1) -> str:
        attributes = f'type="{kind}" Name="{name}" NumberOfComponents="{components}"'
        if self.encoding == "ascii":
            text = " ".join(repr(v) for v in values.ravel().tolist())
            return f'<DataArray {attributes} format="ascii">{text}</DataArray>'
        data = self.pack(values.astype(self.order + dtype).tobytes())
        if self.encoding == "binary":
            return f'<DataArray {attributes} format="binary">\n  {data.decode()}\n</DataArray>'
        start = len(self.appended)
        self.appended += data
        return f'<DataArray {attributes} format="appended" offset="{start}"/>'

    def write(
        self, path: Path, points: np.ndarray = POINTS, cells: list[list[int]] = POLYGONS, kind: str = "Polys"
    ) -> None:
        connectivity = np.array([k for cell in cells for k in cell])
        offsets = np.cumsum([len(cell) for cell in cells])
        piece = (
            f'<Piece NumberOfPoints="{len(points)}" NumberOf{kind}="{len(cells)}">'
            f"<Points>{self.array('Points', points, 'Float32', 'f4', 3)}</Points>"
            f"<{kind}>{self.array('connectivity', connectivity, 'Int32', 'i4')}"
            f"{self.array('offsets', offsets, 'Int64', 'i8')}</{kind}></Piece>"
        )
        compressor = ' compressor="vtkZLibDataCompressor"' if self.compressed else ""
        order = "BigEndian" if self.order == ">" else "LittleEndian"
        header = {"I": "UInt32", "Q": "UInt64"}[self.header]
        text = (
            f'<?xml version="1.0"?><VTKFile type="PolyData" version="1.0" byte_order="{order}" '
            f'header_type="{header}"{compressor}><PolyData>{piece}</PolyData>'
        ).encode()
        if self.encoding.startswith("appended"):
            name = self.encoding.split()[1]
            text += f'<AppendedData encoding="{name}">\n _'.encode() + self.appended + b"</AppendedData>"
        path.write_bytes(text + b"</VTKFile>")


WRITERS = [
    Writer("ascii"), Writer("binary"), Writer("binary", compressed=True), Writer("appended base64"),
    Writer("appended base64", compressed=True, header="Q"), Writer("appended raw"),
    Writer("appended raw", compressed=True), Writer("binary", order=">", header="Q"),
]  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: f"{w.encoding} {w.compressed} {w.order}{w.header}")
def test_every_encoding_is_read(writer: Writer, tmp_path: Path) -> None:
    writer.appended = b""
    writer.write(tmp_path / "a.vtp")
    mesh = read_vtp(tmp_path / "a.vtp")
    np.testing.assert_allclose(mesh.vertices, POINTS)
    assert {tuple(row) for row in mesh.triangles.tolist()} == TRIANGLES
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0 == pytest.approx(VOLUME)


def test_strips_are_read_with_one_sense_of_turning(tmp_path: Path) -> None:
    points = np.array([[x, y, 0.0] for x in range(4) for y in (0, 1)], dtype=np.float64)
    Writer("ascii").write(tmp_path / "a.vtp", points, [list(range(8))], "Strips")
    mesh = read_vtp(tmp_path / "a.vtp")
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    z = np.cross(b - a, c - a)[:, 2]
    assert len(z) == 6 and (z == z[0]).all() and abs(z[0]) == 1.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read|no element"),
        ("<a/>", "not a VTKFile"),
        ('<VTKFile type="ImageData"/>', "not a VTKFile"),
        ('<VTKFile type="PolyData"><PolyData/></VTKFile>', "no polygons"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><VTKFile type="PolyData"/>', "vtp"),
        ('<VTKFile type="PolyData" compressor="vtkLZ4DataCompressor"/>', "vtkZLibDataCompressor"),
        ('<VTKFile type="PolyData"><PolyData><Piece/></PolyData></VTKFile>', "Points: missing"),
    ],
)
def test_what_is_no_surface_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.vtp"
    path.write_text(text)
    with pytest.raises(RealtimeError, match=says):
        read_vtp(path)
    with pytest.raises(RealtimeError, match="cannot be read"):
        read_vtp(tmp_path / "missing.vtp")


def test_points_that_are_not_there_are_refused(tmp_path: Path) -> None:
    Writer("ascii").write(tmp_path / "a.vtp", cells=[[0, 1, 5]])
    with pytest.raises(RealtimeError, match="refers to a missing point"):
        read_vtp(tmp_path / "a.vtp")


def test_a_size_beyond_all_measure_takes_no_memory(tmp_path: Path) -> None:
    """A few bytes that announce gigabytes, plain and compressed."""
    for head in (struct.pack("<I", 2**32 - 1), struct.pack("<4I", 2**31, 2**31, 0, 1)):
        writer = Writer("binary", compressed=len(head) > 4)
        writer.write(tmp_path / "a.vtp")
        text = (tmp_path / "a.vtp").read_text()
        start = text.index('format="binary">') + len('format="binary">')
        end = text.index("</DataArray>")
        (tmp_path / "a.vtp").write_text(text[:start] + base64.b64encode(head).decode() + text[end:])
        with pytest.raises(RealtimeError, match="bytes"):
            read_vtp(tmp_path / "a.vtp")


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, len(WRITERS) - 1), data=st.data())
def test_damaged_files_are_read_or_refused(
    which: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.vtp"
    WRITERS[which].appended = b""
    WRITERS[which].write(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    try:
        mesh = read_vtp(path)
    except RealtimeError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(mesh.vertices).all() and mesh.triangles.max() < len(mesh.vertices)


def model_with_meshes(path: Path) -> None:
    """OpenSim writes it: a body with a mesh, and a mesh on a frame on a frame on that body."""
    opensim = import_opensim()
    model = opensim.Model()
    model.setName("meshed")
    body = opensim.Body("thing", 1.0, opensim.Vec3(0.0), opensim.Inertia(1.0))
    joint = opensim.FreeJoint("joint", model.getGround(), body)
    model.addBody(body)
    model.addJoint(joint)
    outer = opensim.PhysicalOffsetFrame(
        "outer",
        body,
        opensim.Transform(opensim.Rotation(0.3, opensim.CoordinateAxis(0)), opensim.Vec3(0.1, 0.2, 0.3)),
    )
    body.addComponent(outer)
    turn = opensim.Rotation()
    turn.setRotationToBodyFixedXYZ(opensim.Vec3(0.5, -0.4, 0.9))
    inner = opensim.PhysicalOffsetFrame(
        "inner", outer, opensim.Transform(turn, opensim.Vec3(-0.2, 0.05, 0.4))
    )
    outer.addComponent(inner)
    for frame, file, scale in ((body, "plain.vtp", (1.0, 2.0, 3.0)), (inner, "placed.vtp", (1.5, 1.0, 0.5))):
        mesh = opensim.Mesh(file)
        mesh.set_scale_factors(opensim.Vec3(*scale))
        frame.attachGeometry(mesh)
    model.finalizeConnections()
    model.printToXML(str(path))
    model.initSystem()
    found = inner.findTransformInBaseFrame()
    R = np.array([[found.R().asMat33().get(i, j) for j in range(3)] for i in range(3)])
    p = np.array([found.p().get(i) for i in range(3)])
    np.save(path.with_suffix(".npy"), np.column_stack([R, p]))


@pytest.mark.opensim
def test_meshes_hang_where_opensim_hangs_them(tmp_path: Path) -> None:
    path = tmp_path / "model.osim"
    model_with_meshes(path)
    expected = np.load(path.with_suffix(".npy"))
    found = {a.file: a for a in read_attachments(path)}
    assert set(found) == {"plain.vtp", "placed.vtp"} and {a.body for a in found.values()} == {"thing"}
    np.testing.assert_allclose(found["plain.vtp"].matrix, np.diag([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found["plain.vtp"].offset_m, 0.0)
    np.testing.assert_allclose(
        found["placed.vtp"].matrix, expected[:, :3] @ np.diag([1.5, 1.0, 0.5]), atol=1e-9
    )
    np.testing.assert_allclose(found["placed.vtp"].offset_m, expected[:, 3], atol=1e-9)


OLD = """<OpenSimDocument Version="30000"><Model name="old"><BodySet><objects>
<Body name="ground"/>
<Body name="shin"><Joint><PinJoint name="j"><parent_body>ground</parent_body>
<CoordinateSet><objects><Coordinate name="q"><range>-1 1</range></Coordinate></objects></CoordinateSet>
</PinJoint></Joint>
<VisibleObject><GeometrySet><objects>
<DisplayGeometry><geometry_file>bone.vtp</geometry_file><transform>0.1 -0.2 0.3 0.01 0.02 0.03</transform>
<scale_factors>1 1 2</scale_factors></DisplayGeometry>
<DisplayGeometry><geometry_file>C:\\models\\other.vtp</geometry_file></DisplayGeometry>
</objects></GeometrySet><scale_factors>2 1 1</scale_factors><transform>0 0 0 0 0 1</transform></VisibleObject>
</Body></objects></BodySet></Model></OpenSimDocument>"""


def test_models_of_opensim_3_are_read(tmp_path: Path) -> None:
    (tmp_path / "old.osim").write_text(OLD)
    bone, other = read_attachments(tmp_path / "old.osim")
    outer = np.diag([2.0, 1.0, 1.0])
    np.testing.assert_allclose(bone.matrix, outer @ rotation((0.1, -0.2, 0.3)) @ np.diag([1.0, 1.0, 2.0]))
    np.testing.assert_allclose(bone.offset_m, [0.02, 0.02, 1.03])
    np.testing.assert_allclose(other.matrix, outer)
    Writer("ascii").write(tmp_path / "other.vtp")
    assert "1 of 2 meshes" in ModelMeshes(tmp_path / "old.osim", tmp_path).described


def test_a_model_without_its_meshes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.osim").write_text(OLD)
    with pytest.raises(RealtimeError, match=r"none of the 2 meshes of old\.osim, such as bone\.vtp"):
        ModelMeshes(tmp_path / "old.osim", tmp_path)
    (tmp_path / "old.osim").write_text("nonsense")
    with pytest.raises(CalibError):
        ModelMeshes(tmp_path / "old.osim", tmp_path)


def test_meshes_take_the_size_of_the_subject(tmp_path: Path) -> None:
    """Meshes on kinecast's own skeleton, as a user might add them."""
    skeleton = load_skeleton()
    text = (Path(model_meshes.__file__).parents[2] / "calib" / "data" / "kinecast.osim").read_text()
    hung = "<attached_geometry><Mesh><mesh_file>femur.vtp</mesh_file></Mesh></attached_geometry>"
    (tmp_path / "mine.osim").write_text(text.replace('<Body name="femur_r">', f'<Body name="femur_r">{hung}'))
    Writer("ascii").write(tmp_path / "femur.vtp", points=POINTS * (0.1, -0.4, 0.1))
    meshes = ModelMeshes(tmp_path / "mine.osim", tmp_path)
    factors = np.full((skeleton.n_bodies, 3), 1.15)
    q = skeleton.q_default
    posture = Posture(
        0,
        skeleton.body_names,
        tuple(skeleton.tree.parent.tolist()),
        body_transforms(skeleton, q, factors),
        joint_centres(skeleton, q, factors),
        dict(zip(skeleton.marker_names, marker_positions(skeleton, q, factors), strict=True)),
        np.ones(skeleton.n_bodies),
    )
    made = meshes(posture, posture.anatomy())
    femur = skeleton.body_index("femur_r")
    np.testing.assert_allclose(made[femur].vertices, 1.15 * POINTS * (0.1, -0.4, 0.1), rtol=2e-3, atol=1e-6)
    assert all(not len(mesh.triangles) for k, mesh in enumerate(made) if k != femur)


def described(mesh: Mesh) -> set[frozenset[tuple[float, ...]]]:
    """Triangles by the places of their corners."""
    return {frozenset(map(tuple, mesh.vertices[row].tolist())) for row in mesh.triangles}


EXPECTED = {frozenset(map(tuple, POINTS[list(row)].tolist())) for row in TRIANGLES}


def ascii_stl() -> bytes:
    facets = [
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x} {y} {z}\n" for x, y, z in POINTS[list(row)])
        + "endloop\nendfacet\n"
        for row in sorted(TRIANGLES)
    ]
    return f"solid a\n{''.join(facets)}endsolid a\n".encode()


def binary_stl() -> bytes:
    facets = [struct.pack("<12fH", 0, 0, 0, *POINTS[list(row)].ravel(), 0) for row in sorted(TRIANGLES)]
    return b"solid but binary".ljust(80) + struct.pack("<I", len(facets)) + b"".join(facets)


def obj() -> bytes:
    """With quadrilaterals, texture indices, and indices counted from the end."""
    lines = [f"v {x} {y} {z}" for x, y, z in POINTS]
    faces = ["f " + " ".join(f"{k + 1}/{k + 1}/{k + 1}" for k in cell) for cell in POLYGONS[:3]]
    faces += ["f " + " ".join(str(k - len(POINTS)) for k in cell) for cell in POLYGONS[3:]]
    return "\n".join(["# a pyramid", *lines, "vt 0 0", *faces]).encode()


@pytest.mark.parametrize(
    ("name", "content"), [("a.stl", ascii_stl()), ("b.STL", binary_stl()), ("c.obj", obj())]
)
def test_other_surfaces_are_read(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    mesh = read_surface(tmp_path / name)
    assert described(mesh) == EXPECTED and len(mesh.vertices) == len(POINTS)
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0 == pytest.approx(VOLUME)


@pytest.mark.parametrize("suffix", [".stl", ".obj"])
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"solid a\nvertex 1 2", b"v 1 2", b"f 1 2 3", b"v a b c"]
)
def test_other_files_that_are_no_surfaces_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(RealtimeError, match=f"not a {suffix} surface"):
        read_surface(path)


@settings(max_examples=100, deadline=None)
@given(content=st.sampled_from([ascii_stl(), binary_stl(), obj()]), data=st.data())
def test_damaged_surfaces_are_read_or_refused(
    content: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / ("damaged.obj" if content == obj() else "damaged.stl")
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(damaged)
    try:
        mesh = read_surface(path)
    except RealtimeError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(mesh.vertices).all() and mesh.triangles.max() < len(mesh.vertices)


@pytest.mark.viewer
@pytest.mark.usefixtures("open3d")
def test_fine_meshes_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0), [0.0]), axis=-1).reshape(-1, 3)
    grid[:, 2] = 0.01 * rng.random(len(grid))
    cells = [[k, k + 1, k + 41, k + 40] for r in range(39) for k in range(40 * r, 40 * r + 39)]
    for name in ("bone.vtp", "other.vtp"):
        Writer("ascii").write(tmp_path / name, grid, cells)
    (tmp_path / "old.osim").write_text(OLD)
    monkeypatch.setattr(model_meshes, "FINEST", 1000)
    thinned = ModelMeshes(tmp_path / "old.osim", tmp_path)._meshes["shin"]
    assert 500 < len(thinned.triangles) <= 1010
