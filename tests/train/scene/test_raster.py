"""The rasteriser against exact geometry, against its torch twin, and at its corner cases."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from train.scene.raster import COORDINATE_LIMIT_PX, visibility

SIZE_PX = 64


def random_mesh(rng: np.random.Generator, n_vertices: int = 300, n_faces: int = 500, size_px: int = SIZE_PX):
    """Overlapping triangles of all sizes, some behind the camera, some off the image, some degenerate."""
    p_px = np.empty((n_vertices, 3), np.float32)
    p_px[:, :2] = rng.uniform(-0.3 * size_px, 1.3 * size_px, (n_vertices, 2))
    p_px[:, 2] = 1.0 / rng.uniform(0.5, 5.0, n_vertices)
    p_px[rng.random(n_vertices) < 0.02, 2] = -1.0
    p_px[rng.random(n_vertices) < 0.01, 0] = 3.0 * COORDINATE_LIMIT_PX
    on_grid = rng.random(n_vertices) < 0.2  # vertices and edges exactly on pixel centres
    p_px[on_grid, :2] = np.floor(p_px[on_grid, :2]) + 0.5
    centre = rng.integers(0, n_vertices, n_faces)
    spread = np.where(rng.random(n_faces) < 0.3, n_vertices, 4)
    faces = (centre[:, None] + rng.integers(0, spread[:, None], (n_faces, 3))) % n_vertices
    order = np.argsort(p_px[:, 0] // 6 * 1000 + p_px[:, 1], kind="stable")
    return p_px[order], faces.astype(np.int32)


def quad(depth: float, low: float, high: float) -> np.ndarray:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(x, y, 1.0 / depth) for x, y in corners], np.float32)


def exact_cover(triangle: np.ndarray, x: int, y: int) -> int:
    """1 if the pixel centre is inside the snapped triangle, 0 on its border, -1 outside: rationals."""
    points = [
        (Fraction(round(float(u) * 256), 256), Fraction(round(float(v) * 256), 256)) for u, v in triangle
    ]
    px, py = Fraction(2 * x + 1, 2), Fraction(2 * y + 1, 2)
    signs = []
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
        signs.append((bx - ax) * (py - ay) - (by - ay) * (px - ax))
    if all(s > 0 for s in signs) or all(s < 0 for s in signs):
        return 1
    return 0 if all(s >= 0 for s in signs) or all(s <= 0 for s in signs) else -1


def test_covers_exactly_the_centres_inside():
    rng = np.random.default_rng(3)
    for _ in range(40):
        p_px = np.c_[rng.uniform(-4, 20, (3, 2)), np.ones(3)].astype(np.float32)
        _, face_id = visibility(p_px, np.array([[0, 1, 2]], np.int32), 16, 16)
        for y in range(16):
            for x in range(16):
                cover = exact_cover(p_px[:, :2], x, y)
                if cover:
                    assert (face_id[y, x] == 0) == (cover > 0), (x, y, p_px)


def test_shared_edges_are_drawn_once():
    """A fan whose spokes run through pixel centres: every pixel belongs to exactly one triangle."""
    rim = [
        (4.5, 4.5),
        (32.5, 4.5),
        (60.5, 4.5),
        (60.5, 32.5),
        (60.5, 60.5),
        (32.5, 60.5),
        (4.5, 60.5),
        (4.5, 32.5),
    ]
    p_px = np.array([(32.5, 32.5, 1.0), *((x, y, 1.0) for x, y in rim)], np.float32)
    faces = np.array([(0, 1 + k, 1 + (k + 1) % 8) for k in range(8)], np.int32)
    count = np.zeros((SIZE_PX, SIZE_PX), int)
    for k, face in enumerate(faces):
        # Winding must not matter either.
        one = visibility(p_px, np.array([face if k % 2 else face[::-1]], np.int32), SIZE_PX, SIZE_PX)[1] >= 0
        count += one
    assert count.max() == 1
    assert count[5:60, 5:60].min() == 1


def test_nearest_wins_and_lower_index_on_ties():
    p_px = np.concatenate([quad(2.0, 8, 40), quad(1.0, 20, 56), quad(1.0, 20, 56)])
    faces = np.array([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7), (8, 9, 10), (8, 10, 11)], np.int32)
    inverse_depth, face_id = visibility(p_px, faces, SIZE_PX, SIZE_PX)
    assert set(np.unique(face_id[21:55, 21:55])) == {2, 3}
    assert set(np.unique(face_id[9:19, 9:19])) == {0, 1}
    np.testing.assert_allclose(inverse_depth[30, 30], 1.0)
    np.testing.assert_allclose(inverse_depth[12, 12], 0.5)
    assert face_id[2, 2] == -1 and inverse_depth[2, 2] == 0


def test_depth_and_clip_are_perspective_correct():
    """A plane z = 1 + 0.05 x_px seen in perspective: 1/depth is linear in pixels, the field in space."""
    p_px = np.array([(0, 0, 1.0), (64, 0, 1 / 4.2), (64, 64, 1 / 4.2), (0, 64, 1.0)], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    clip = np.array([-1.0, 1.0, 1.0, -1.0], np.float32)  # zero half-way in space: depth 2.6
    inverse_depth, face_id = visibility(p_px, faces, SIZE_PX, SIZE_PX, clip)
    x = np.arange(SIZE_PX) + 0.5
    expected = 1.0 + x / 64 * (1 / 4.2 - 1.0)
    seen = expected < 1 / 2.6
    assert ((face_id >= 0) == seen[None, :]).all()
    np.testing.assert_allclose(
        inverse_depth[:, seen], np.broadcast_to(expected[seen], (64, seen.sum())), rtol=1e-6
    )


def test_drops_what_is_behind_or_not_finite():
    faces = np.array([(0, 1, 2)], np.int32)
    for bad in (0.0, -1.0, np.nan):
        p_px = quad(1.0, 8, 40)
        p_px[1, 2] = bad
        assert (visibility(p_px, faces, SIZE_PX, SIZE_PX)[1] == -1).all()
    p_px = quad(1.0, 8, 40)
    p_px[1, 0] = np.nan
    assert (visibility(p_px, faces, SIZE_PX, SIZE_PX)[1] == -1).all()
