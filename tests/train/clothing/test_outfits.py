"""Outfits on real bodies: cloth lies outside the skin, hems are where the field says, shoes hold the feet."""

from __future__ import annotations

import numpy as np
import pytest

from train.bodies.mesh import Adjacency, bounds, cut, distances_m, smooth, surrounded, vertex_normals
from train.bodies.puppet import PuppetPool
from train.bodies.regions import BodyRegions, Landmarks
from train.clothing.drape import TubeCoordinates, hanging_radius_m
from train.clothing.garments import Category, Tailor
from train.clothing.hair import STYLES, hairline_field, put_on_hair
from train.clothing.lofts import blend_weights, grid_faces, mean_weights
from train.clothing.materials import Material, Pattern, srgb
from train.clothing.outfits import DressedBody, dress
from train.clothing.shoes import ShoeStyle, put_on_shoes
from train.clothing.skirts import put_on_skirt

PLAIN = Material(Pattern.PLAIN, srgb(90, 90, 90), srgb(90, 90, 90))
TRAINER = ShoeStyle(0.028, 0.078, 0.058, 0.016, 0.008, laces=True, leather=False)


@pytest.fixture(scope="module")
def regions(pool: PuppetPool) -> BodyRegions:
    return BodyRegions.of(pool.model)


@pytest.fixture
def tailor(pool: PuppetPool, regions: BodyRegions) -> Tailor:
    puppet = pool.puppet(3)
    return Tailor.start(regions, puppet.rest_vertices_m, puppet.rig.node_index, puppet.rig.node_weight)


def octahedron() -> tuple[np.ndarray, np.ndarray]:
    p_m = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float32)
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    return p_m, np.array(faces, np.int32)


def test_mesh_kernels_on_an_octahedron():
    p_m, faces = octahedron()
    adjacency = Adjacency.from_faces(faces, 6)
    assert (np.diff(adjacency.row_start) == 4).all()
    edges = (adjacency.row_start, adjacency.neighbour)
    inside = np.array([True, True, True, True, True, False])
    assert np.flatnonzero(surrounded(inside, *edges)).tolist() == [4]  # the only one that does not touch 5
    inside[:] = True
    assert surrounded(inside, *edges).all()
    normal = np.empty_like(p_m)
    vertex_normals(p_m, faces, normal)
    np.testing.assert_allclose(normal, p_m, atol=1e-6)
    # Each vertex's four neighbours lie symmetrically about the origin.
    np.testing.assert_allclose(smooth(p_m, *edges, np.arange(6), 1), 0.0, atol=1e-7)
    np.testing.assert_allclose(smooth(p_m, *edges, np.array([2]), 3)[[0, 1, 3, 4, 5]], p_m[[0, 1, 3, 4, 5]])
    part, kept = cut(faces, np.array([True, True, True, True, True, False]))
    assert len(part) == 4 and kept.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(
        distances_m(p_m, np.array([1.0, 0, 0])), np.linalg.norm(p_m - [1, 0, 0], axis=1)
    )
    low, high = bounds(p_m)
    assert low.tolist() == [-1, -1, -1] and high.tolist() == [1, 1, 1]


def test_tube_coordinates_measure_from_the_axis():
    chain = np.array([[0.0, 1.0, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.3]])
    p_m = np.array([(0.1, 0.8, 0.0), (0.0, 0.8, 0.2), (0.0, 1.1, 0.05)], np.float32)
    tube = TubeCoordinates.around(p_m, chain)
    np.testing.assert_allclose(tube.along_m, [0.2, 0.2, -0.1], atol=1e-6)
    np.testing.assert_allclose(tube.radius_m, [0.1, 0.2, 0.05], atol=1e-6)
    np.testing.assert_allclose(tube.outward[1], [0, 0, 1], atol=1e-6)


def test_cloth_hangs_straight_from_the_widest_place():
    rng = np.random.default_rng(1)
    y, angle = rng.uniform(0.0, 1.0, 6000), rng.uniform(0, 2 * np.pi, 6000)
    radius = np.where((y > 0.55) & (y < 0.65), 0.2, 0.1)  # a belly
    p_m = np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], 1).astype(np.float32)
    tube = TubeCoordinates.around(p_m, np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    hung = hanging_radius_m(tube, np.ones(len(p_m), bool), from_m=0.0, slack=0.0)
    assert (hung >= tube.radius_m - 1e-6).all()
    np.testing.assert_allclose(hung[y < 0.5], 0.2, atol=0.004)
    np.testing.assert_allclose(hung[y > 0.75], 0.1, atol=0.004)
    slack = hanging_radius_m(tube, np.ones(len(p_m), bool), from_m=0.0, slack=0.1)
    np.testing.assert_allclose(slack[y < 0.1].mean(), 0.2 - 0.1 * 0.5, atol=0.01)


def test_weights_blend_linearly():
    first = mean_weights(np.array([[0, 1, 2, 3, 4]], np.int32), np.array([[1, 0, 0, 0, 0]], np.float32))
    second = mean_weights(np.array([[6, 1, 2, 3, 4]], np.int32), np.array([[0.5, 0.5, 0, 0, 0]], np.float32))
    share = np.array([0.0, 0.25, 1.0])
    index, weight = blend_weights([first, second], [1.0 - share, share])
    dense = np.zeros((3, 7))
    np.put_along_axis(dense, index.astype(int), weight, 1)
    np.testing.assert_allclose(dense[:, 6], 0.5 * share, atol=1e-6)
    np.testing.assert_allclose(dense[:, 0], 1.0 - share, atol=1e-6)


def test_closed_grids_have_no_border():
    faces = grid_faces(4, 6, closed=True)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 1).sum() == 12  # the first and the last ring only
    assert len(faces) == 2 * 3 * 6


def test_landmarks_lie_in_the_limbs(pool: PuppetPool, regions: BodyRegions):
    """Against the skeleton's joint centres, which were fitted without them."""
    for adult in (0, 7, 19):
        puppet = pool.puppet(adult)
        marks = Landmarks.of(regions, puppet.rest_vertices_m)
        names = puppet.skeleton.body_names
        for pair, body, within_m in (
            (marks.knees, "tibia", 0.06), (marks.ankles, "talus", 0.06), (marks.elbows, "ulna", 0.05),
            (marks.wrists, "hand", 0.05), (marks.hips, "femur", 0.09), (marks.shoulders, "humerus", 0.07),
        ):  # fmt: skip
            for point, side in zip(pair, "rl", strict=True):
                centre = puppet.centres_rest_m[names.index(f"{body}_{side}")]
                assert np.linalg.norm(point - centre) < within_m, (adult, body, side)


def test_cloth_lies_outside_and_ends_at_its_hem(tailor: Tailor):
    hem_y = float(tailor.landmarks.hips[0, 1])
    where = tailor.upper_field(hem_y, 0.2, tailor.neck_field(0.075))
    before = tailor.worn_m.copy()
    tailor.shell(where, tailor.add_material(PLAIN), Category.UPPER, offset_m=0.006, looseness=0.6)
    piece = tailor.pieces[0]
    lift = ((piece.rest_m - before[piece.source]) * tailor.normal[piece.source]).sum(1)
    assert np.percentile(lift, 1) > 0.0
    on_trunk = tailor.arm_share[piece.source] < 0.1
    low = piece.rest_m[(piece.clip_m > 0) & on_trunk, 1].min()
    assert low == pytest.approx(hem_y, abs=0.035)
    # The field's zero lies at the hem's height: where it changes sign along an edge, the height is the hem's.
    a, b = piece.faces[:, 0], piece.faces[:, 1]
    crossing = (piece.clip_m[a] > 0) != (piece.clip_m[b] > 0)
    crossing &= on_trunk[a] & on_trunk[b] & (piece.rest_m[a, 1] < hem_y + 0.1)
    t = piece.clip_m[a] / (piece.clip_m[a] - piece.clip_m[b] + 1e-12)
    y = piece.rest_m[a, 1] + t * (piece.rest_m[b, 1] - piece.rest_m[a, 1])
    assert crossing.sum() > 20
    assert np.abs(y[crossing] - hem_y).max() < 0.02


def test_outer_layers_lie_over_inner_ones_and_hide_the_body(tailor: Tailor):
    row = tailor.add_material(PLAIN)
    where = tailor.upper_field(float(tailor.landmarks.hips[0, 1]), 0.2, tailor.neck_field(0.075))
    tailor.shell(where, row, Category.UPPER, offset_m=0.006)
    inner = tailor.worn_m.copy()
    tailor.shell(where, row, Category.UPPER, offset_m=0.006)
    inside = where > 0.02
    assert (((tailor.worn_m - inner) * tailor.normal).sum(1)[inside] > 0.0).mean() > 0.99
    first, second = (tailor.visible(piece, k) for k, piece in enumerate(tailor.pieces))
    assert len(second.faces) == len(tailor.pieces[1].faces)
    assert len(first.faces) < 0.6 * len(second.faces)
    assert first.faces.max() < len(first.rest_m)


def test_shoes_hold_the_feet_on_flat_soles(tailor: Tailor):
    put_on_shoes(tailor, TRAINER, np.random.default_rng(2))
    for sign, pieces in ((1, tailor.pieces[:2]), (-1, tailor.pieces[2:])):
        upper, sole = (piece.rest_m for piece in pieces)
        feet = tailor.regions.side("foot", sign) + tailor.regions.side("toes", sign) > 0.9
        foot = tailor.rest_m[feet & (tailor.rest_m[:, 1] < upper[:, 1].max() - 0.02)]
        floor = foot[:, 1].min()
        bottom = sole[:, 1].min()
        assert bottom == pytest.approx(floor - TRAINER.sole_m, abs=0.004)
        for axis in (0, 2):  # the outline goes around the foot
            assert sole[:, axis].min() < foot[:, axis].min() + 0.002
            assert sole[:, axis].max() > foot[:, axis].max() - 0.002
        under_heel_and_ball = sole[(sole[:, 1] < floor - 0.6 * TRAINER.sole_m)]
        assert np.ptp(under_heel_and_ball[:, 1]) < 0.013
        assert 0.05 < np.ptp(upper[:, 1]) < 0.1
        length = np.ptp(sole[:, [0, 2]] @ _long_axis(sole), axis=0)
        assert 0.22 < length < 0.34


def _long_axis(points: np.ndarray) -> np.ndarray:
    flat = points[:, [0, 2]] - points[:, [0, 2]].mean(0)
    return np.linalg.svd(flat, full_matrices=False)[2][0]


def test_shoes_bend_with_the_toes(tailor: Tailor):
    put_on_shoes(tailor, TRAINER, np.random.default_rng(2))
    toes = mean_weights(
        *(a[tailor.regions.side("toes", 1) > 0.9] for a in (tailor.node_index, tailor.node_weight))
    )
    sole = tailor.pieces[1]
    order = np.argsort(sole.coordinates_m[:, 1])
    share = np.where(sole.node_index == toes[0][0], sole.node_weight, 0.0).sum(1)[order]
    assert share[:20].max() < 0.1 and share[-20:].min() > 0.9


def test_skirts_clear_the_legs_and_their_halves_follow_them(tailor: Tailor):
    waist_y = float(tailor.landmarks.hips[0, 1]) + 0.1
    put_on_skirt(tailor, waist_y, np.random.default_rng(3))
    skirt = tailor.pieces[-1]
    centre = skirt.rest_m.mean(0)
    near = (tailor.arm_share < 0.5) & (tailor.rest_m[:, 1] < waist_y - 0.05)
    near &= tailor.rest_m[:, 1] > skirt.rest_m[:, 1].min()
    legs = tailor.rest_m[near]
    for level in np.unique(skirt.rest_m[:, 1].round(4))[2:-2]:
        ring = skirt.rest_m[np.abs(skirt.rest_m[:, 1] - level) < 1e-3] - centre
        slice_ = legs[np.abs(legs[:, 1] - level) < 0.01] - centre
        for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
            ray = np.array([np.cos(angle), 0.0, np.sin(angle)])
            if len(slice_):
                assert (ring @ ray).max() > (slice_ @ ray).max()
    thigh = mean_weights(
        *(a[tailor.regions.side("thigh", 1) > 0.9] for a in (tailor.node_index, tailor.node_weight))
    )
    follows = np.where(skirt.node_index == thigh[0][0], skirt.node_weight, 0.0).sum(1)
    low = skirt.rest_m[:, 1] < np.percentile(skirt.rest_m[:, 1], 40)
    assert (
        follows[low & (skirt.rest_m[:, 2] > 0.1)].min() > 4 * follows[low & (skirt.rest_m[:, 2] < -0.1)].max()
    )


def test_hair_grows_on_the_head_and_leaves_the_face_free(tailor: Tailor):
    where = hairline_field(tailor)
    eyes = tailor.landmarks.eyes.mean(0)
    p = tailor.rest_m - eyes
    assert (where[(p[:, 1] > 0.08) & (tailor.regions.weights["head"] > 0.9)] > 0).all()
    face = (p[:, 0] > -0.02) & (np.abs(p[:, 2]) < 0.05) & (p[:, 1] < 0.035) & (p[:, 1] > -0.1)
    assert face.sum() > 300
    assert (where[face] < 0).all()


@pytest.mark.parametrize("masculine", [False, True])
def test_all_hair_styles_stay_near_the_head(pool: PuppetPool, regions: BodyRegions, masculine: bool):
    puppet = pool.puppet(5)
    seen = set()
    for seed in range(60):
        tailor = Tailor.start(regions, puppet.rest_vertices_m, puppet.rig.node_index, puppet.rig.node_weight)
        seen.add(put_on_hair(tailor, srgb(40, 30, 20), np.random.default_rng(seed), masculine=masculine))
        eyes = tailor.landmarks.eyes.mean(0)
        for piece in tailor.pieces:
            drawn = piece.rest_m[piece.clip_m > 0] - eyes
            assert np.isfinite(piece.rest_m).all()
            assert np.abs(drawn[:, 2]).max() < 0.26
            assert drawn[:, 1].max() < 0.24 and drawn[:, 1].min() > -0.55
    assert seen <= set(STYLES) and len(seen) >= 7


def check_dressed(body: DressedBody, pool: PuppetPool) -> None:
    n = len(body.rest_m)
    assert body.faces.min() >= 0 and body.faces.max() < n
    for array in (body.rest_m, body.coordinates_m, body.detail, body.clip_m, body.node_weight):
        assert len(array) == n and np.isfinite(array).all()
    np.testing.assert_allclose(body.node_weight.sum(1), 1.0, atol=1e-5)
    assert body.node_index.max() < len(pool.rig.nodes)
    assert body.material.max() < len(body.materials.pattern)
    assert len(body.material) == len(body.category) == len(body.faces)
    assert {int(c) for c in np.unique(body.category)} <= {int(c) for c in Category}


def test_every_outfit_is_complete_and_reproducible(pool: PuppetPool, regions: BodyRegions):
    kinds = set()
    for seed in range(24):
        puppet = pool.puppet(seed % len(pool))
        body = dress(regions, puppet, np.random.default_rng(seed), masculine=bool(seed % 2))
        check_dressed(body, pool)
        kinds |= set(body.description)
        again = dress(regions, puppet, np.random.default_rng(seed), masculine=bool(seed % 2))
        for name in ("rest_m", "faces", "clip_m", "material"):
            np.testing.assert_array_equal(getattr(body, name), getattr(again, name))
    assert {"tee", "trousers", "shoes", "short"} <= kinds and len(kinds) > 12


def test_anchors_follow_the_pose(pool: PuppetPool, regions: BodyRegions):
    puppet = pool.puppet(2)
    body = dress(regions, puppet, np.random.default_rng(1), masculine=True)
    q = puppet.q_rest.copy()
    at_rest = body.place_anchors(puppet.node_transforms(q))
    q[puppet.skeleton.coordinate_index("knee_angle_r")] += 1.0
    bent = body.place_anchors(puppet.node_transforms(q))
    assert np.linalg.norm(bent["ankle_r"] - at_rest["ankle_r"]) > 0.2
    np.testing.assert_allclose(bent["ankle_l"], at_rest["ankle_l"], atol=1e-6)
    np.testing.assert_allclose(bent["hip_r"], at_rest["hip_r"], atol=1e-6)
