"""What the viewer shows, without a window: figures move with their bodies, and no message breaks it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from calib.camera import CameraCalibration
from calib.kinematics import joint_centres
from calib.skeleton import Skeleton, load_skeleton
from calib.tables.storage import coordinate_table, write_mot
from realtime.client import subscribe
from realtime.errors import RealtimeError
from realtime.recording.log import LOG_NAME
from realtime.sample import PoseSample, Status
from realtime.stream.angle_sample import AngleSample
from realtime.stream.decoding import Decoder, MessageError
from realtime.stream.messages import SCHEMA, Angles, Meta, Pose, encode
from realtime.stream.publisher import Publisher
from realtime.stream.to_messages import Envelope, angles_of, camera_of, model_of, pose_of
from realtime.viewer import viewer as viewer_module
from realtime.viewer.figure import DOUBTFUL, FigureMesh
from realtime.viewer.ghost import PAUSE_S, LoggedGhost, RecordedGhost, open_ghost
from realtime.viewer.hud import KEYS, TextPanel, Viewpoint, fan, outline, plain
from realtime.viewer.posture import body_confidence, posture_of
from realtime.viewer.readout import legible, printable
from realtime.viewer.scene import SILENCE_S, ViewerScene
from realtime.viewer.scenery import (
    FRUSTUM_M,
    NO_LINES,
    TRAIL_S,
    FloorHeight,
    Trails,
    camera_frustum,
    ground_grid,
    shadow,
)
from realtime.viewer.viewer import Viewer
from tests.support.poses import lost_sample, random_sample
from tests.support.streams import ANY_PORT, PATIENCE_S, join

SESSION = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def camera() -> CameraCalibration:
    return CameraCalibration.assumed(640, 480)


def meta_of(skeleton: Skeleton, camera: CameraCalibration | None = None) -> Meta:
    return Meta(
        schema=SCHEMA,
        session=SESSION,
        t_publish_ns=0,
        wall_offset_ns=0,
        model=model_of(skeleton),
        camera=None if camera is None else camera_of(camera),
    )


def streamed(
    skeleton: Skeleton, sample: PoseSample, *, meta: Meta | None = None, poses: bool = True
) -> AngleSample:
    """The sample as a subscriber gets it."""
    envelope = Envelope(SESSION, sample.frame_id, sample.t_capture_ns)
    meta = meta or meta_of(skeleton)
    index = {name: k for k, name in enumerate(meta.model.coordinate_names)}
    pose = pose_of(sample, envelope, skeleton) if poses else None
    return AngleSample(angles_of(sample, envelope), meta, pose, 0, 0, 0, index)


def test_vertices_keep_their_places_in_their_bodies(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    samples = [random_sample(skeleton, k, t_capture_ns=k * 1000) for k in range(3)]
    in_bodies = []
    for k, sample in enumerate(samples):
        scene.take(streamed(skeleton, sample), float(k))
        figure = scene.body.figure
        assert figure is not None and scene.body.generation == 1
        bodies = figure._body
        T = sample.T_ground_body[bodies]
        in_bodies.append(np.einsum("nji,nj->ni", T[:, :3, :3], scene.body.vertices - T[:, :3, 3]))
        np.testing.assert_allclose(np.linalg.norm(scene.body.normals, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(in_bodies[1], in_bodies[0], atol=1e-9)
    np.testing.assert_allclose(in_bodies[2], in_bodies[0], atol=1e-9)


def test_a_subject_who_is_scaled_meanwhile_gets_new_bones(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sample = random_sample(skeleton, 1, t_capture_ns=0)
    scene.take(streamed(skeleton, sample), 0.0)
    grown = replace(sample, t_capture_ns=10**9, T_ground_body=sample.T_ground_body.copy())
    grown.T_ground_body[:, :3, 3] *= 1.1
    scene.take(streamed(skeleton, replace(grown, markers_m=1.1 * sample.markers_m)), 1.0)
    assert scene.body.generation == 2


def test_lost_people_silent_streams_and_missing_poses_hide_the_figure(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    scene.take(streamed(skeleton, random_sample(skeleton, 1)), 0.0)
    assert scene.body.is_visible and scene.centre_m() is not None and not scene.wait(0.1)
    scene.take(streamed(skeleton, lost_sample(skeleton)), 0.2)
    assert not scene.body.is_visible and scene.status is Status.LOST and scene.centre_m() is None
    scene.take(streamed(skeleton, random_sample(skeleton, 2), poses=False), 0.3)
    assert not scene.body.is_visible and not scene.has_bodies
    for k in (3, 4):
        scene.take(streamed(skeleton, random_sample(skeleton, k)), 0.4)
    assert scene.body.is_visible
    assert len(scene.trails().pairs)
    assert scene.wait(0.5 + SILENCE_S) and not scene.body.is_visible and not len(scene.trails().pairs)


def test_a_tracker_that_restarts_with_another_model_is_followed(skeleton: Skeleton) -> None:
    scene = ViewerScene(trails=["b", "hand_r"])
    scene.take(streamed(skeleton, random_sample(skeleton, 1)), 0.0)
    model = msgspec.structs.replace(
        model_of(skeleton), body_names=["a", "b"], body_parents=[-1, 0], marker_names=[]
    )
    meta = msgspec.structs.replace(meta_of(skeleton), model=model)
    sample = streamed(skeleton, random_sample(skeleton, 2, t_capture_ns=5), meta=meta)
    pose = sample.pose
    assert pose is not None
    small = msgspec.structs.replace(
        pose,
        body_position_m=[(0.0, 0.0, 0.0), (0.0, 0.5, 0.0)],
        joint_centre_m=[(0.0, 0.0, 0.0), (0.0, 0.5, 0.0)],
        body_rotation_wxyz=[(1.0, 0.0, 0.0, 0.0)] * 2,
        marker_m=[],
    )
    scene.take(replace(sample, pose=small), 0.1)
    assert scene.body.figure is not None and len(scene.body.vertices) < 500
    assert np.ptp(scene.body.vertices[:, 1]) == pytest.approx(0.5, abs=0.03)
    scene.take(streamed(skeleton, random_sample(skeleton, 3)), 0.2)
    assert len(scene.body.vertices) > 5000


def test_bodies_that_are_not_known_do_not_show(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sample = random_sample(skeleton, 4)
    scene.take(streamed(skeleton, sample), 0.0)
    whole = np.ptp(scene.body.vertices, axis=0)
    known = replace(sample, T_ground_body=sample.T_ground_body.copy())
    known.T_ground_body[skeleton.body_index("hand_r")] = np.nan
    scene.take(streamed(skeleton, known), 0.1)
    assert (
        np.isfinite(scene.body.vertices).all() and (np.ptp(scene.body.vertices, axis=0) <= whole + 1e-9).all()
    )


def test_light_comes_from_the_viewer_and_doubt_turns_grey(skeleton: Skeleton) -> None:
    scene = ViewerScene()
    sure = replace(random_sample(skeleton, 5), confidence=np.ones(skeleton.n_q))
    scene.take(streamed(skeleton, sure), 0.0)
    figure = scene.body.figure
    assert isinstance(figure, FigureMesh)
    R_view = np.eye(3)
    colours = scene.body.colours(R_view)
    assert colours.min() >= 0.0 and colours.max() <= 1.0
    toward = scene.body.normals[:, 2]
    assert colours[toward > 0.8].mean() > 1.4 * colours[toward < -0.8].mean()
    scene.take(streamed(skeleton, replace(sure, confidence=np.full(skeleton.n_q, 1e-9))), 0.1)
    doubtful = scene.body.colours(R_view)
    spread = doubtful / doubtful.max(axis=1, keepdims=True)
    np.testing.assert_allclose(spread, np.broadcast_to(DOUBTFUL / DOUBTFUL.max(), spread.shape), atol=1e-6)


def test_doubt_belongs_to_the_limb_it_is_about(skeleton: Skeleton) -> None:
    confidence = np.ones(skeleton.n_q)
    confidence[skeleton.coordinate_index("knee_angle_l")] = 0.1
    of_body = dict(
        zip(
            skeleton.body_names,
            body_confidence(skeleton.body_names, skeleton.coordinate_names, confidence),
            strict=True,
        )
    )
    assert of_body.pop("tibia_l") == pytest.approx(0.1)
    assert set(of_body.values()) == {1.0}


def test_the_frustum_ends_at_the_corners_of_the_picture(camera: CameraCalibration) -> None:
    turned = np.eye(4)
    turned[:3, :3] = cv2.Rodrigues(np.array([0.3, -0.8, 0.2]))[0]
    turned[:3, 3] = (1.0, 1.4, -0.5)
    camera = replace(camera, T_ground_cam=turned)
    lines = camera_frustum(camera_of(camera))
    T = np.linalg.inv(turned)
    uv_px, _ = cv2.projectPoints(
        lines.points[1:5], cv2.Rodrigues(T[:3, :3])[0], T[:3, 3], camera.intrinsics.matrix, None
    )
    np.testing.assert_allclose(uv_px[:, 0], [[0, 0], [640, 0], [640, 480], [0, 480]], atol=1e-6)
    np.testing.assert_allclose(lines.points[0], turned[:3, 3])
    np.testing.assert_allclose((lines.points[1:5] - turned[:3, 3]) @ turned[:3, 2], FRUSTUM_M)


@pytest.mark.parametrize("field", ["fx", "fy", "cx", "cy"])
@pytest.mark.parametrize("value", [0.0, -5.0, 1e300, 1e-300, -1e300])
def test_an_absurd_camera_is_not_drawn_or_stays_finite(
    camera: CameraCalibration, field: str, value: float
) -> None:
    lines = camera_frustum(msgspec.structs.replace(camera_of(camera), **{field: value}))
    assert np.isfinite(lines.points).all() and (np.abs(lines.points) < 1e4).all()
    skew = msgspec.structs.replace(camera_of(camera), T_ground_cam=((2.0, 1.0, 0.0, 0.0),) * 4)
    assert camera_frustum(skew) is NO_LINES


def test_the_grid_lies_on_whole_steps_under_the_figure() -> None:
    lines = ground_grid(np.array([1.3, -7.9]), -0.8)
    grid = lines.points[:-6]
    assert (grid[:, 1] == -0.8).all()
    np.testing.assert_allclose(grid[:, [0, 2]] * 2.0, np.round(grid[:, [0, 2]] * 2.0), atol=1e-9)
    assert (np.abs(grid.mean(axis=0)[[0, 2]] - (1.3, -7.9)) < 0.3).all()


def test_the_floor_is_grounds_where_the_camera_was_placed_and_the_feets_else(
    camera: CameraCalibration,
) -> None:
    floor = FloorHeight()
    assumed = camera_of(camera)
    for lowest in (-0.9, -1.1, float("nan"), -0.5):
        floor.see(assumed, lowest, 0.03)
    assert floor.height_m == pytest.approx(-1.1, abs=0.01)
    for _ in range(1000):
        floor.see(None, -0.5, 0.03)
    assert floor.height_m == pytest.approx(-0.5, abs=0.05)
    raised = camera.T_ground_cam.copy()
    raised[1, 3] = 1.2
    floor.see(camera_of(replace(camera, T_ground_cam=raised)), -0.9, 0.03)
    assert floor.height_m == 0.0


def test_the_shadow_covers_what_the_light_sees(skeleton: Skeleton) -> None:
    """Every lit triangle, and every vertex straight below a point along the light."""
    scene = ViewerScene()
    scene.take(streamed(skeleton, random_sample(skeleton, 6)), 0.0)
    body, figure = scene.body, scene.body.figure
    assert figure is not None
    flat, triangles = shadow(body.vertices, body.normals, figure.triangles, -2.0)
    assert np.ptp(flat[:, 1]) == 0.0
    fall = (flat - body.vertices) / (body.vertices[:, 1:2] + 2.0)
    np.testing.assert_allclose(fall[:, [0, 2]], np.broadcast_to([-0.18, 0.12], (len(flat), 2)), atol=1e-9)
    assert 0.4 < len(triangles) / len(figure.triangles) < 0.6


def test_trails_fade_end_and_have_gaps() -> None:
    trails = Trails(np.array([[1.0, 0.5, 0.0]]))
    for k in range(100):
        gap = np.nan if k == 80 else 0.0
        trails.add(k * 40_000_000, np.array([[0.01 * k + gap, 0.0, 0.0]]))
    lines = trails.lines()
    assert len(lines.pairs) == round(TRAIL_S / 0.04) - 2
    assert lines.points[:, 0].min() == pytest.approx(0.49) and lines.points[:, 0].max() == pytest.approx(0.99)
    assert lines.colours[0, 0] < 0.1 and lines.colours[-1, 0] == pytest.approx(1.0)
    trails.add(0, np.array([[0.0, 0.0, 0.0]]))  # the source starts again
    assert not len(trails.lines().pairs)


@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0), (0.4, -1.2, 0.3)])
def test_panels_appear_at_their_pixels(rotation: tuple[float, float, float]) -> None:
    """OpenCV's projection has pixel centres at whole numbers; edges lie half a pixel before."""
    matrix = np.array([[600.0, 0.0, 639.5], [0.0, 600.0, 359.5], [0.0, 0.0, 1.0]])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(np.array(rotation))[0], (0.1, -0.4, 3.0)
    view = Viewpoint(1280, 720, matrix, T)
    corners = outline(200, 80, 9.0) + np.array([31.0, 47.0])
    points = view.in_ground(corners, 0.06)
    uv_px, _ = cv2.projectPoints(points, np.array(rotation), T[:3, 3], matrix, None)
    np.testing.assert_allclose(uv_px[:, 0] + 0.5, corners, atol=1e-6)
    assert (np.array([corners.min(axis=0), corners.max(axis=0)]) == [[31, 47], [231, 127]]).all()
    a, b, c = (corners[fan(len(corners))[:, k]] for k in range(3))
    u, v = b - a, c - a
    doubled = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    assert (doubled < 0.0).all()  # all face the viewer: pixels count downwards
    assert -doubled.sum() / 2.0 == pytest.approx(200 * 80 - (4 - np.pi) * 81, rel=0.001)


def test_a_text_panel_grows_with_its_text_and_is_drawn_once() -> None:
    from realtime.overlay.style import GOOD, INK, Typeface

    panel = TextPanel(Typeface(), 13.0)
    small, is_new = panel.draw([plain("one")])
    assert is_new and not panel.draw([plain("one")])[1]
    large, is_new = panel.draw([plain("one", "two three four five"), plain("six")], GOOD)
    assert is_new and large.shape[0] > small.shape[0] and large.shape[1] > small.shape[1]
    assert (large != INK).any() and (large[0] == INK).all()
    assert panel.draw([])[0].size


def test_a_recorded_ghost_moves_as_the_model_does(skeleton: Skeleton, tmp_path: Path) -> None:
    t = np.arange(0.0, 1.0, 0.1)
    q = np.stack([random_sample(skeleton, k).q for k in range(len(t))])
    write_mot(
        tmp_path / "angles.sto",
        coordinate_table(skeleton.coordinate_names, skeleton.is_rotational, t + 7.0, q),
    )
    ghost = open_ghost(str(tmp_path), None)
    for now_s, row in ((50.0, 0), (50.35, 3), (50.88, 8), (50.0 + 0.9 + PAUSE_S + 0.21, 2)):
        posture = ghost.posture(now_s, None)
        assert posture is not None
        np.testing.assert_allclose(posture.joint_centres_m, joint_centres(skeleton, q[row]), atol=1e-6)
    ghost.restart()
    posture = ghost.posture(50.61, None)
    assert posture is not None
    np.testing.assert_allclose(posture.joint_centres_m, joint_centres(skeleton, q[0]), atol=1e-6)


def test_a_recorded_stream_moves_as_it_did(skeleton: Skeleton, tmp_path: Path) -> None:
    meta = meta_of(skeleton)
    postures = []
    with (tmp_path / LOG_NAME).open("wb") as file:
        file.write(msgspec.msgpack.encode(encode(meta)))
        for k in range(10):
            sample = streamed(
                skeleton, random_sample(skeleton, k, t_capture_ns=10**12 + k * 10**8), meta=meta
            )
            postures.append(posture_of(sample))
            assert sample.pose is not None
            for message in (sample.pose, sample.message):
                file.write(msgspec.msgpack.encode(encode(message)))
    ghost = open_ghost(str(tmp_path), None)
    assert isinstance(ghost, LoggedGhost)
    for now_s, k in ((0.0, 0), (0.42, 4), (0.95, 9), (0.9 + PAUSE_S + 0.15, 1)):
        posture = ghost.posture(now_s, None)
        assert posture is not None
        np.testing.assert_allclose(posture.T_ground_body, postures[k].T_ground_body, atol=2e-6)
        np.testing.assert_allclose(posture.confidence, postures[k].confidence, atol=1e-6)
        assert not posture.anatomy().differs_from(postures[k].anatomy(), 1e-5)
    (tmp_path / LOG_NAME).write_bytes(msgspec.msgpack.encode(encode(meta)))
    with pytest.raises(RealtimeError, match="no poses"):
        open_ghost(str(tmp_path), None)


def test_a_ghost_is_put_on_the_figure_facing_as_it_does(skeleton: Skeleton) -> None:
    own = posture_of(streamed(skeleton, random_sample(skeleton, 8)))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = cv2.Rodrigues(np.array([0.0, 1.9, 0.0]))[0], (2.0, 0.3, -1.0)
    centres = own.joint_centres_m @ move[:3, :3].T + move[:3, 3]
    markers = {name: move[:3, :3] @ p + move[:3, 3] for name, p in own.markers_m.items()}
    elsewhere = replace(
        own, T_ground_body=move @ own.T_ground_body, joint_centres_m=centres, markers_m=markers
    )
    put = elsewhere.put_on(own)
    assert not put.anatomy().differs_from(own.anatomy(), 1e-9)
    np.testing.assert_allclose(put.T_ground_body, own.T_ground_body, atol=1e-9)
    np.testing.assert_allclose(put.joint_centres_m, own.joint_centres_m, atol=1e-9)


def test_a_ghost_that_is_no_recording_is_refused(skeleton: Skeleton, tmp_path: Path) -> None:
    with pytest.raises(RealtimeError, match="no such recording"):
        open_ghost(str(tmp_path / "nothing"), None)
    with pytest.raises(RealtimeError, match=r"angles\.sto"):
        open_ghost(str(tmp_path), None)
    (tmp_path / "angles.mot").write_text("nonsense")
    with pytest.raises(RealtimeError, match=r"angles\.mot"):
        open_ghost(str(tmp_path), None)
    table = coordinate_table(["a"], np.array([True]), [0.0, 1.0], np.zeros((2, 1)))
    write_mot(tmp_path / "other.mot", table)
    with pytest.raises(RealtimeError, match="no coordinate of the skeleton"):
        RecordedGhost(tmp_path / "other.mot", skeleton)


class StubWindow:
    """Takes what a viewer shows, draws nothing."""

    def __init__(self) -> None:
        self.actions: dict[str, Callable[[], None]] = {}
        self.meshes: dict[str, int] = {}

    @property
    def view(self) -> Viewpoint:
        return Viewpoint(
            800, 600, np.array([[600.0, 0.0, 399.5], [0.0, 600.0, 299.5], [0.0, 0.0, 1.0]]), np.eye(4)
        )

    def look(self, *_: object) -> None:
        pass

    def on_key(self, key: str, action: Callable[[], None]) -> None:
        self.actions[key] = action

    def show_mesh(self, name: str, vertices: np.ndarray, *_: object) -> None:
        self.meshes[name] = len(vertices)

    def show_lines(self, *_: object) -> None:
        pass

    show_points = show_lines

    def show_panel(self, *_: object, **__: object) -> None:
        pass

    def end(self) -> None:
        pass

    def tick(self, *, redraw: bool) -> bool:
        return True


def test_one_turn_takes_all_that_came_and_draws_the_newest(
    skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_module, "CATCH_UP_S", 1e9)  # else busy machines skip some
    with (
        Publisher(ANY_PORT, skeleton) as publisher,
        subscribe(publisher.address, poses=True) as subscription,
    ):
        join(publisher, subscription, skeleton)
        for k in range(20):
            publisher.send(random_sample(skeleton, 100 + k))
        came: deque[AngleSample] = deque()
        while not came or came[-1].frame_id < 119:
            sample = subscription.receive(PATIENCE_S)
            assert sample is not None
            came.append(sample)
        monkeypatch.setattr(subscription, "receive", lambda _: came.popleft() if came else None)
        window = StubWindow()
        viewer = Viewer(window, subscription, address=publisher.address)  # type: ignore[arg-type]
        viewer.step()
        assert viewer.scene.sample is not None
        assert viewer.scene.sample.frame_id == 119 and viewer.scene.has_bodies
        assert window.meshes["figure"] > 5000 and viewer.fps >= 0.5
        # Trails tell of the samples between, too.
        assert len(viewer.scene.trails().pairs) > 50


def test_every_key_that_is_listed_does_something(skeleton: Skeleton) -> None:
    window = StubWindow()
    with subscribe("tcp://127.0.0.1:9") as subscription:
        viewer = Viewer(window, subscription, address="")  # type: ignore[arg-type]
        listed = {key for keys, _ in KEYS for key in keys.split() if len(key) == 1}
        assert set(window.actions) == listed
        for key in sorted(listed - {"S"}):
            window.actions[key]()
        viewer.step()
        viewer._clocks.drawn.clear()
        assert viewer.step() and viewer.fps == 0.0 and viewer.message == "this stream has no camera"


def test_absurd_numbers_and_texts_do_not_reach_the_screen(skeleton: Skeleton) -> None:
    sample = random_sample(skeleton, 9)
    sample.q[:4] = (1e300, -np.inf, np.nan, 0.5)
    q = legible(sample).q
    assert np.isnan(q[:3]).all() and q[3] == 0.5
    assert printable("kine\ncast\x00\u200b" + "x" * 99, 12) == "kine?cast??x"


def mutated(frame: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(frame)
    for _ in range(rng.integers(1, 6)):
        kind, at = rng.integers(0, 4), int(rng.integers(0, len(data)))
        if kind == 0:
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            data[at : at + 8] = rng.bytes(8)
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(data)


def test_no_mutated_message_breaks_the_scene(skeleton: Skeleton, camera: CameraCalibration) -> None:
    """Damaged bytes, and numbers that are valid messages and nonsense poses."""
    from realtime.overlay.angles import AnglePanel, choose_rows
    from realtime.overlay.style import Typeface

    rng = np.random.default_rng(0)
    decoder, scene = Decoder(), ViewerScene()
    meta = meta_of(skeleton, camera)
    good = streamed(skeleton, random_sample(skeleton, 1), meta=meta)
    assert good.pose is not None
    frames = [encode(meta), encode(good.pose), encode(good.message)]
    panel = AnglePanel(choose_rows(meta.model, None), Typeface())
    n_accepted, pose, current = 0, good.pose, meta
    for k in range(4000):
        frame = mutated(frames[k % 3], rng)
        try:
            message = decoder.decode(frame)
        except MessageError:
            continue
        finally:
            decoder.meta = meta
        if isinstance(message, Meta):
            # A stream whose meta is damaged sends messages of the lengths that it tells.
            same = [len(message.model.body_names), len(message.model.marker_names)]
            current = message if same == [skeleton.n_bodies, skeleton.n_markers] else meta
        elif isinstance(message, Pose):
            pose = message
        elif isinstance(message, Angles) and len(message.q) == len(current.model.coordinate_names):
            index = {name: n for n, name in enumerate(current.model.coordinate_names)}
            sample = AngleSample(message, current, pose, 0, 0, 0, index)
            scene.take(sample, 0.01 * k)
            scene.take_ghost(posture_of(sample))
            assert np.isfinite(scene.body.vertices).all() and np.isfinite(scene.ghost.dots()).all()
            for lines in (scene.ground(), scene.frustums(), scene.trails()):
                assert np.isfinite(lines.points).all()
            assert np.isfinite(scene.body.colours(np.eye(3))).all() and np.isfinite(scene.shadow()[0]).all()
            shown = legible(sample.pose_sample())
            panel.remember(shown)
            assert panel.picture(shown, 1.0).size
            n_accepted += 1
    assert n_accepted > 50 and sum(decoder.refused.values()) > 1000
