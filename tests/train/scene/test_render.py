"""Whole images: geometry against OpenCV, labels in constructed scenes, determinism, torch parity."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calib.camera import CameraCalibration, Intrinsics
from train.bodies.puppet import Puppet, PuppetPool
from train.bodies.regions import BodyRegions
from train.bodies.surface_landmarks import ANCHORS
from train.clothing.garments import Category
from train.clothing.materials import Material, Pattern, material_table, srgb
from train.clothing.outfits import DressedBody, dress
from train.scene.cameras import (
    FRAMING_ODDS,
    LEVEL_ODDS,
    Framing,
    View,
    crop_similarity,
    frame_share,
    look_at,
    recropped,
    sample_view,
)
from train.scene.occluders import Solids, desk, seat, yaw_rotation
from train.scene.studio import Picture, Studio, outside_frame, posed, project

STANDING = {"pelvis_ty": 0.95}
SEATED = {
    "pelvis_ty": 0.6,
    "hip_flexion_r": 1.45,
    "hip_flexion_l": 1.45,
    "knee_angle_r": 1.5,
    "knee_angle_l": 1.5,
}


@pytest.fixture(scope="module")
def people(pool: PuppetPool) -> list[tuple[Puppet, DressedBody]]:
    regions = BodyRegions.of(pool.model)
    return [
        (pool.puppet(k), dress(regions, pool.puppet(k), np.random.default_rng(k), masculine=k % 2 == 0))
        for k in range(4)
    ]


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(size_px=128)


def nodes_of(puppet: Puppet, pose: dict[str, float], heading: float = 0.0) -> np.ndarray:
    q = puppet.skeleton.q_default.copy()
    for name, value in {**pose, "pelvis_rotation": heading}.items():
        q[puppet.skeleton.coordinate_index(name)] = value
    return puppet.node_transforms(q)


def straight_view(
    eye: tuple[float, float, float], target: tuple[float, float, float], size_px: int = 128
) -> View:
    camera = CameraCalibration(
        Intrinsics.from_fov(640, 480, 60.0), look_at(np.array(eye), np.array(target), 0.0)
    )
    crop = crop_similarity(np.array([320.0, 240.0]), 480.0, 0.0, size_px)
    return View(camera, crop, size_px, Framing.FULL_BODY)


def test_projection_equals_opencv(people):
    puppet, person = people[0]
    nodes = nodes_of(puppet, STANDING)
    p_m = posed(person, nodes)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        view = sample_view(person.place_anchors(nodes), 0.0, rng, framing=Framing.FULL_BODY)
        T = np.linalg.inv(view.camera.T_ground_cam)
        frame_px, _ = cv2.projectPoints(
            p_m.astype(float), cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], view.camera.intrinsics.matrix, None
        )
        expected = frame_px[:, 0] @ view.crop_from_frame[:, :2].T + view.crop_from_frame[:, 2]
        depth = p_m @ T[2, :3] + T[2, 3]
        got = project(p_m, view)
        front = depth > 0.1
        np.testing.assert_allclose(got[front, :2], expected[front], atol=5e-3)
        np.testing.assert_allclose(got[front, 2] * depth[front], 1.0, rtol=1e-5)
        np.testing.assert_allclose(view.project(p_m[front].astype(float)), expected[front], atol=1e-6)


def test_points_behind_the_camera_are_marked():
    view = straight_view((0, 1, 0), (1, 1, 0))
    out = project(np.array([(2, 1, 0), (-2, 1, 0), (0.01, 1, 0)], np.float32), view)
    assert out[0, 2] == pytest.approx(0.5)
    assert (out[1:, 2] == -1).all()


def test_crops_put_centre_and_upright_where_they_say():
    crop = crop_similarity(np.array([300.0, 200.0]), 100.0, 0.3, 256)

    def at(p: tuple[float, float]) -> np.ndarray:
        return crop[:, :2] @ np.array(p) + crop[:, 2]

    np.testing.assert_allclose(at((300, 200)), [128, 128])
    # A trunk that leans right by 0.3 rad in the frame stands upright in the crop.
    np.testing.assert_allclose(at((300 + 50 * np.sin(0.3), 200 - 50 * np.cos(0.3))), [128, 0], atol=1e-9)


def test_share_of_the_frame_in_a_crop():
    frame = Intrinsics.from_fov(640, 480)
    assert frame_share(crop_similarity(np.array([320.0, 240.0]), 480.0, 0.2, 256), frame, 256) > 0.93
    assert frame_share(crop_similarity(np.array([0.0, 240.0]), 400.0, 0.0, 256), frame, 256) == pytest.approx(
        0.5, abs=0.04
    )


def test_cameras_show_what_their_framing_promises(people):
    puppet, person = people[1]
    nodes = nodes_of(puppet, STANDING, heading=0.7)
    anchors = person.place_anchors(nodes)
    assert set(anchors) == set(ANCHORS)
    for framing, part in (
        (Framing.WEBCAM, "eye_r"),
        (Framing.FULL_BODY, "ankle_l"),
        (Framing.THREE_QUARTER, "shoulder_r"),
    ):
        shown, hips, distances = 0, 0, []
        for seed in range(40):
            view = sample_view(anchors, 0.0, np.random.default_rng(seed), framing=framing)
            k = view.camera.intrinsics
            uv = view.camera.project(np.stack([anchors[part], 0.5 * (anchors["knee_r"] + anchors["knee_l"])]))
            inside = ((uv > 0) & (uv < [k.width_px, k.height_px])).all(1)
            shown, hips = shown + inside[0], hips + inside[1]
            distances.append(np.linalg.norm(view.camera.T_ground_cam[:3, 3] - anchors["neck_base"]))
            assert view.camera.T_ground_cam[1, 3] > 0.0  # above the floor
        assert shown >= 36, framing
        if framing is Framing.WEBCAM:
            assert hips <= 4 and 0.5 < min(distances) and max(distances) < 1.9
    assert sum(FRAMING_ODDS.values()) == pytest.approx(1.0)


def test_whole_bodies_are_often_seen_by_a_level_camera_at_chest_height(people):
    puppet, dressed = people[0]
    anchors = dressed.place_anchors(nodes_of(puppet, STANDING))
    level, heights, turns = [], [], []
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    across = anchors["hip_r"] - anchors["hip_l"]
    for seed in range(300):
        view = sample_view(anchors, 0.0, np.random.default_rng(seed), framing=Framing.FULL_BODY)
        T = view.camera.T_ground_cam
        pitch_deg = np.degrees(np.arcsin(-T[1, 2]))
        level.append(abs(pitch_deg - 3.0) < 7.0 and 0.8 <= T[1, 3] <= 1.7)
        if level[-1]:
            heights.append(T[1, 3])
            towards = (T[:3, 3] - hips) * [1.0, 0.0, 1.0]
            facing = np.array([across[2], 0.0, -across[0]])
            cosine = towards @ facing / np.linalg.norm(towards) / np.linalg.norm(facing)
            turns.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    assert np.mean(level) > LEVEL_ODDS
    assert 1.1 < np.median(heights) < 1.4
    turns = np.array(turns)
    assert np.mean(turns < 25.0) > 0.2 and np.mean((turns > 25.0) & (turns < 70.0)) > 0.15


def test_webcams_stand_in_front(people):
    puppet, person = people[1]
    for heading in (0.0, 2.0, -1.5):
        nodes = nodes_of(puppet, STANDING, heading)
        anchors = person.place_anchors(nodes)
        chest = 0.5 * (anchors["shoulder_r"] + anchors["shoulder_l"])
        ahead = np.array([np.cos(heading), 0.0, -np.sin(heading)])  # OpenSim turns about Y
        eyes = 0.5 * (anchors["eye_r"] + anchors["eye_l"])
        assert (eyes - anchors["neck_base"]) @ ahead > 0.05
        for seed in range(10):
            view = sample_view(anchors, 0.0, np.random.default_rng(seed), framing=Framing.WEBCAM)
            towards = (view.camera.T_ground_cam[:3, 3] - chest) * [1, 0, 1]
            assert towards @ ahead > 0.4 * np.linalg.norm(towards)


def test_cameras_see_people_who_touch_the_floor(people):
    puppet, person = people[1]
    nodes = nodes_of(puppet, {**STANDING, "pelvis_tilt": -2.2, "hip_flexion_r": 2.0, "hip_flexion_l": 2.0})
    anchors = person.place_anchors(nodes)
    assert anchors["shoulder_r"][1] < anchors["hip_r"][1]
    for seed in range(10):
        view = sample_view(anchors, 0.0, np.random.default_rng(seed), framing=Framing.THREE_QUARTER)
        assert np.isfinite(view.crop_from_frame).all()


def test_recropping_keeps_the_camera_and_follows(people):
    puppet, person = people[1]
    anchors = person.place_anchors(nodes_of(puppet, STANDING))
    view = sample_view(anchors, 0.0, np.random.default_rng(3), framing=Framing.FULL_BODY)
    moved = {name: p + np.array([0.0, 0.0, 0.3]) for name, p in anchors.items()}
    followed = recropped(view, moved, np.random.default_rng(4))
    assert followed.camera is view.camera
    middle = followed.project(0.5 * (moved["hip_r"] + moved["hip_l"]))
    assert np.abs(middle - followed.size_px / 2).max() < 0.3 * followed.size_px


def test_pixels_outside_the_frame_are_black_and_background(people, studio):
    puppet, person = people[0]
    nodes = nodes_of(puppet, STANDING)
    scene = studio.sample_scene(person, nodes, np.random.default_rng(0))
    pelvis = person.place_anchors(nodes)["hip_r"]
    base = straight_view((2.5, 1.0, 0.0), tuple(pelvis))
    view = View(
        base.camera, crop_similarity(np.array([320.0, 30.0]), 500.0, 0.2, 128), 128, Framing.FULL_BODY
    )
    picture = studio.render(scene, person, nodes, np.random.default_rng(1), view=view)
    outside = outside_frame(view)
    assert 0.2 < outside.mean() < 0.8
    assert (picture.image[outside] == 0).all()
    assert (picture.category[outside] == Category.BACKGROUND).all()
    corner = np.linalg.inv(view.crop_from_frame[:, :2]) @ (np.array([0.5, 0.5]) - view.crop_from_frame[:, 2])
    assert outside[0, 0] == (corner[1] < 0 or corner[0] < 0)


def test_segmentation_is_where_the_body_projects(people, studio):
    """Anchors lie in the mask, and the mask ends where the projected vertices do."""
    puppet, person = people[0]
    nodes = nodes_of(puppet, STANDING)
    scene = studio.sample_scene(person, nodes, np.random.default_rng(0))
    view = straight_view((2.6, 1.1, 0.4), (0.0, 0.95, 0.0))
    empty = Solids()
    scene = type(scene)(view, scene.backdrop, empty, scene.solid_materials, 0.0, scene.webcam, 1.0, 1.0)
    picture = studio.render(scene, person, nodes, np.random.default_rng(1))
    mask = picture.category != Category.BACKGROUND
    hull_px = view.project(np.stack(list(person.place_anchors(nodes).values())))
    for u, v in hull_px:
        assert mask[int(v), int(u)]
    p_px = project(posed(person, nodes), view)
    low, high = p_px[:, :2].min(0), p_px[:, :2].max(0)
    rows, columns = np.where(mask)
    assert abs(columns.min() - low[0]) < 2 and abs(columns.max() - high[0]) < 2
    assert abs(rows.min() - low[1]) < 2 and abs(rows.max() - high[1]) < 2
    assert {Category.SKIN, Category.UPPER, Category.LOWER} <= {
        Category(int(c)) for c in np.unique(picture.category)
    }


def flat_picture(view: View, depth_m: float, what: Category) -> Picture:
    size = view.size_px
    return Picture(
        np.zeros((size, size, 3), np.uint8), np.full((size, size), what, np.uint8),
        np.full((size, size), depth_m, np.float32), view,
    )  # fmt: skip


def test_visibility_knows_flesh_from_obstacles():
    view = straight_view((0, 1, 0), (1, 1, 0))
    points = np.array(
        [(2.05, 1.0, 0.0), (2.5, 1.0, 0.0), (1.5, 1.0, 0.0), (2.05, 1.0, 30.0), (-1.0, 1.0, 0.0)]
    )
    on_person = flat_picture(view, 2.0, Category.UPPER).visible(points, 0.12)
    assert on_person.tolist() == [True, False, True, False, False]
    behind_a_desk = flat_picture(view, 2.0, Category.FURNITURE).visible(points, 0.12)
    assert behind_a_desk.tolist() == [False, False, True, False, False]
    open_air = flat_picture(view, np.inf, Category.BACKGROUND).visible(points)
    assert open_air.tolist() == [True, True, True, False, False]


def test_an_obstacle_hides_and_is_labelled(people, studio):
    puppet, person = people[0]
    nodes = nodes_of(puppet, STANDING)
    base = studio.sample_scene(person, nodes, np.random.default_rng(0))
    view = straight_view((2.6, 1.0, 0.0), (0.0, 0.95, 0.0))
    anchors = person.place_anchors(nodes)
    knee = anchors["knee_r"]
    solids = Solids()
    row = solids.add_material(Material(Pattern.PLAIN, srgb(90, 90, 90), srgb(90, 90, 90)))
    eye = view.camera.T_ground_cam[:3, 3]
    solids.box(eye + 0.6 * (knee - eye), (0.1, 0.2, 0.2), np.eye(3), row, Category.OCCLUDER)
    table = material_table(solids.materials, np.random.default_rng(0))
    scene = type(base)(view, base.backdrop, solids, table, 0.0, base.webcam, 1.0, 1.0)
    picture = studio.render(scene, person, nodes, np.random.default_rng(1))
    u, v = view.project(knee).astype(int)
    assert picture.category[v, u] == Category.OCCLUDER
    seen = picture.visible(np.stack([knee, anchors["elbow_l"]]))
    assert seen.tolist() == [False, True]


def test_boxes_are_closed_and_face_outwards():
    solids = Solids()
    rotation = yaw_rotation(0.7)
    row = solids.add_material(Material(Pattern.PLAIN, srgb(9, 9, 9), srgb(9, 9, 9)))
    centre = np.array([0.3, 0.2, -0.1])
    solids.box(centre, (0.5, 0.3, 1.0), rotation, row, Category.FURNITURE)
    p_m, normal, local, faces, _, _ = solids.mesh()
    np.testing.assert_allclose(np.ptp(local, axis=0), [0.5, 0.3, 1.0], atol=1e-6)
    assert (((p_m - centre) * normal).sum(1) > 0.1).all()
    area = (
        0.5
        * np.linalg.norm(
            np.cross(p_m[faces[:, 1]] - p_m[faces[:, 0]], p_m[faces[:, 2]] - p_m[faces[:, 0]]), axis=1
        ).sum()
    )
    assert area == pytest.approx(2 * (0.5 * 0.3 + 0.5 * 1.0 + 0.3 * 1.0), rel=1e-5)


def test_seats_and_desks_fit_the_person(people):
    puppet, person = people[2]
    nodes = nodes_of(puppet, SEATED, heading=1.0)
    p_m, anchors = posed(person, nodes), person.place_anchors(nodes)
    under = person.seat_height_m(p_m)
    hips = 0.5 * (anchors["hip_r"] + anchors["hip_l"])
    assert 0.04 < hips[1] - under < 0.2
    floor = float(p_m[:, 1].min())
    for seed in range(10):
        rng = np.random.default_rng(seed)
        chair = Solids()
        seat(chair, anchors, under, floor, rng)
        chair_m = chair.mesh()[0]
        assert chair_m[:, 1].min() == pytest.approx(floor, abs=0.01)
        top = chair_m[np.linalg.norm((chair_m - hips)[:, [0, 2]], axis=1) < 0.12]
        assert top[:, 1].max() < hips[1]  # the backrest stands clear of the body
        eye = hips + np.array([np.cos(1.0), 0.5, -np.sin(1.0)])
        table = Solids()
        desk(table, eye, anchors, floor, rng)
        table_m = table.mesh()[0]
        assert np.linalg.norm((table_m - hips)[:, [0, 2]], axis=1).min() > 0.15
        assert table_m[:, 1].min() == pytest.approx(floor, abs=0.01)


def test_same_seed_same_bytes(people):
    """Also by a studio whose buffers other images have used."""
    used, fresh = Studio(size_px=96), Studio(size_px=96)
    for seed, (puppet, person) in enumerate(people):
        nodes = nodes_of(puppet, SEATED if seed % 2 else STANDING, heading=float(seed))
        first = used.shoot(person, nodes, np.random.default_rng(seed), seated=bool(seed % 2))
        other = used.shoot(person, nodes, np.random.default_rng(seed + 100))
        second = fresh.shoot(person, nodes, np.random.default_rng(seed), seated=bool(seed % 2))
        again = used.shoot(person, nodes, np.random.default_rng(seed), seated=bool(seed % 2))
        for picture in (second, again):
            assert picture.image.tobytes() == first.image.tobytes()
            assert picture.category.tobytes() == first.category.tobytes()
            assert picture.depth_m.tobytes() == first.depth_m.tobytes()
        assert other.image.tobytes() != first.image.tobytes()


def test_pictures_are_exposed_and_show_the_person(people, studio):
    shares, levels = [], []
    for seed in range(24):
        puppet, person = people[seed % 4]
        seated = seed % 3 == 0
        nodes = nodes_of(puppet, SEATED if seated else STANDING, heading=0.3 * seed)
        picture = studio.shoot(person, nodes, np.random.default_rng(seed), seated=seated)
        inside = ~outside_frame(picture.view)
        body = (picture.category > 0) & (picture.category < Category.FURNITURE)
        shares.append(body[inside].mean())
        levels.append(picture.image[inside].mean())
        assert picture.image[inside].std() > 8
    assert min(shares) > 0.01 and 0.1 < np.median(shares) < 0.7
    assert 55 < np.median(levels) < 190


def test_panoramas_are_used_when_given(people, shared_data):
    studio = Studio(size_px=64, panorama_folder=shared_data / "backgrounds")
    puppet, person = people[0]
    nodes = nodes_of(puppet, STANDING)
    kinds = {
        type(studio.sample_scene(person, nodes, np.random.default_rng(s)).backdrop.place).__name__
        for s in range(16)
    }
    assert kinds == {"PanoramaPlace", "Room", "Outdoors"}
