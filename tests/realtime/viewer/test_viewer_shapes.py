"""Shapes of the viewer's bones: closed surfaces with their outside outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from realtime.viewer import bones_limbs, bones_trunk
from realtime.viewer.shapes import (
    MIRROR,
    Mesh,
    both_sides,
    curve,
    ellipsoid,
    loft,
    merge,
    tube,
    vertex_normals,
)

BONES = [
    bones_trunk.pelvis, bones_trunk.torso, bones_trunk.neck, bones_trunk.head, bones_limbs.femur,
    bones_limbs.tibia, bones_limbs.patella, bones_limbs.kneecap, bones_limbs.talus, bones_limbs.calcaneus,
    bones_limbs.toes, bones_limbs.humerus, bones_limbs.ulna, bones_limbs.radius, bones_limbs.hand,
]  # fmt: skip


def volume(mesh: Mesh) -> float:
    """By the divergence theorem: positive if normals point outward."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def assert_closed(mesh: Mesh) -> None:
    """Every edge belongs to two triangles, which run along it in opposite directions."""
    t = mesh.triangles
    edges = Counter(map(tuple, np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]).tolist()))
    assert max(edges.values()) == 1
    assert all((b, a) in edges for a, b in edges)


def test_an_ellipsoid_has_its_volume_and_normals() -> None:
    radii = np.array([0.3, 0.5, 0.2])
    mesh = ellipsoid((1.0, 2.0, 3.0), radii.tolist(), rings=24, sides=48)
    assert_closed(mesh)
    assert volume(mesh) == pytest.approx(4.0 / 3.0 * np.pi * radii.prod(), rel=0.02)
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    gradient = (mesh.vertices - (1.0, 2.0, 3.0)) / radii**2
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    assert (np.einsum("ij,ij->i", normals, gradient) > np.cos(np.radians(4.0))).all()


@pytest.mark.parametrize("along", [(1.0, 0.0, 0.0), (0.0, -2.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.5, 0.3)])
def test_a_straight_tube_is_a_cylinder(along: tuple[float, float, float]) -> None:
    points = np.linspace(0.0, 1.0, 5)[:, None] * np.array(along)
    mesh = tube(points, [0.1] * 5, sides=64)
    assert_closed(mesh)
    assert volume(mesh) == pytest.approx(np.pi * 0.01 * np.linalg.norm(along), rel=0.01)


def test_a_tube_is_wide_where_it_is_told() -> None:
    mesh = tube([(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)], [(0.3, 0.1), (0.3, 0.1)], sides=32, wide=(0.0, 0.0, 1.0))
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.2, 1.0, 0.6], atol=1e-3)


def test_a_mirror_image_keeps_its_outside_outside() -> None:
    mesh = loft([(0.0, 0.0, 0.1), (0.0, 1.0, 0.3)], [(0.0, 0.0, 0.1)] * 2, [(0.2, 0.0, 0.0)] * 2)
    image = mesh.mapped(MIRROR)
    assert volume(image) == pytest.approx(volume(mesh)) and volume(mesh) > 0.0
    np.testing.assert_allclose(image.vertices[:, 2], -mesh.vertices[:, 2])
    pair = both_sides(mesh)
    assert volume(pair) == pytest.approx(2.0 * volume(mesh))
    assert len(merge([]).vertices) == 0


def test_a_curve_passes_through_its_points_and_is_smooth() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0], [4.0, 4.0]])
    dense = curve(points, 301)
    np.testing.assert_allclose(dense[::100], points, atol=1e-12)
    steps = np.diff(dense, axis=0)
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    assert (np.einsum("ij,ij->i", directions[1:], directions[:-1]) > np.cos(np.radians(6.0))).all()


@pytest.mark.parametrize("make", BONES, ids=lambda f: f.__name__)
def test_every_bone_is_closed_and_right_side_out(make: Callable[[], Mesh]) -> None:
    mesh = make()
    assert np.isfinite(mesh.vertices).all() and mesh.brightness.shape == (len(mesh.vertices),)
    assert_closed(mesh)
    assert volume(mesh) > 0.0
    # Also each of its parts, which are not joined: a part inside out would be seen from within.
    part = np.arange(len(mesh.vertices))
    while True:
        least = np.minimum.reduceat(part[mesh.triangles].ravel(), np.arange(0, mesh.triangles.size, 3))
        before = part.copy()
        for k in range(3):
            np.minimum.at(part, mesh.triangles[:, k], least)
        if np.array_equal(part, before):
            break
    for root in np.unique(part):
        own = mesh.triangles[part[mesh.triangles[:, 0]] == root]
        middle = mesh.vertices[part == root].mean(axis=0)
        assert volume(Mesh(mesh.vertices - middle, own, mesh.brightness)) > 0.0
    area_free = np.linalg.norm(vertex_normals(mesh.vertices, mesh.triangles), axis=1) < 0.5
    assert not area_free.any()


def test_long_bones_are_thin_in_the_middle_and_thick_at_the_ends() -> None:
    for make, length in ((bones_limbs.femur, 0.43), (bones_limbs.humerus, 0.286)):
        v = make().vertices
        width = [
            np.ptp(v[np.abs(v[:, 1] + share * length) < 0.07 * length], axis=0)[[0, 2]].max()
            for share in (0.0, 0.5, 1.0)
        ]
        assert width[1] < 0.6 * width[0] and width[1] < 0.6 * width[2]
