from pathlib import Path

import numpy as np
import pytest

from calib.boards.board import Board, BoardFinder, BoardKind, BoardView
from calib.boards.two_cameras import PairFit, load_pair, pair_from_boards, place_pair, save_pair
from calib.boards.two_views import JointTracks, Limb, pair_from_joints, triangulate
from calib.camera import CameraCalibration, Intrinsics
from calib.errors import BoardError, CameraError
from calib.tables.trc import read_trc
from tests.support.boards import BoardScene, facing
from tests.support.published_cameras import placed_cameras
from train.scene.cameras import look_at

A = Intrinsics(640, 480, 560.0, 563.0, 311.0, 247.0, (-0.2, 0.05, 0.0005, -0.0005, 0.0))
B = Intrinsics(800, 600, 720.0, 720.0, 404.0, 290.0, (-0.05, 0.02, 0.0, 0.0, 0.0))
BOARD = Board(BoardKind.CHARUCO, 5, 8, 0.028)


def relation_errors(found: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Turn and direction in degrees, and length as a share."""
    R = found[:3, :3].T @ true[:3, :3]
    turn = np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))
    f, t = found[:3, 3], true[:3, 3]
    direction = np.degrees(np.arccos(f @ t / np.linalg.norm(f) / np.linalg.norm(t)))
    return turn, direction, np.linalg.norm(f) / np.linalg.norm(t) - 1.0


def beside() -> np.ndarray:
    """Camera b 0.4 m to the right of a, turned 35 degrees towards its line of sight."""
    c, s = np.cos(np.radians(35.0)), np.sin(np.radians(35.0))
    T = np.eye(4)
    T[:3, :3] = [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]
    T[:3, 3] = 0.4, 0.03, 0.1
    return T


def places(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [
        facing(BOARD, tuple(rng.uniform((-0.05, -0.05, 0.5), (0.08, 0.05, 0.62))),
               (*rng.uniform((-25, -30), (25, 5)), rng.uniform(-15, 15)))
        for _ in range(n)
    ]  # fmt: skip


def seen(k: Intrinsics, T_cam_board: np.ndarray, noise_px: float = 0.15, seed: int = 0) -> BoardView:
    uv_px = k.project(BOARD.corners_m @ T_cam_board[:3, :3].T + T_cam_board[:3, 3])
    noise = np.random.default_rng(seed).normal(0.0, noise_px, uv_px.shape)
    return BoardView(np.arange(BOARD.n_corners), uv_px + noise, k.width_px, k.height_px)


def moments(n: int) -> list[tuple[BoardView, BoardView]]:
    T_b_a = np.linalg.inv(beside())
    return [(seen(A, T, seed=2 * i), seen(B, T_b_a @ T, seed=2 * i + 1)) for i, T in enumerate(places(n))]


def test_pictures_of_a_board_relate_two_cameras():
    T_b_a, finder = np.linalg.inv(beside()), BoardFinder(BOARD)
    scenes = BoardScene(BOARD, A), BoardScene(BOARD, B)
    pairs = []
    for i, T in enumerate(places(6)):
        pictures = (scenes[0].draw(T, noise=2.0, seed=i), scenes[1].draw(T_b_a @ T, noise=2.0, seed=50 + i))
        first, second = (finder.find(picture) for picture in pictures)
        if first is not None and second is not None:
            pairs.append((first, second))
    assert len(pairs) >= 4
    fit = pair_from_boards(pairs, BOARD, A, B)
    turn_deg, direction_deg, length = relation_errors(fit.T_a_b, beside())
    assert turn_deg < 0.3 and direction_deg < 0.5 and abs(length) < 0.01
    assert fit.rms_px < 0.4


def test_moments_that_do_not_agree_are_left_out():
    pairs = moments(8)
    other = moments(8)
    pairs[2] = (pairs[2][0], other[5][1])  # not the same moment
    fit = pair_from_boards(pairs, BOARD, A, B)
    assert (fit.n_used, fit.n_rejected) == (7, 1)
    assert relation_errors(fit.T_a_b, beside())[0] < 0.3


def test_each_camera_may_see_another_part_of_the_board():
    pairs = [
        (BoardView(a.ids[:30], a.uv_px[:30], 640, 480), BoardView(b.ids[10:], b.uv_px[10:], 800, 600))
        for a, b in moments(6)
    ]
    assert relation_errors(pair_from_boards(pairs, BOARD, A, B).T_a_b, beside())[0] < 0.5


def test_recordings_of_different_moments_are_refused():
    pairs = moments(8)
    shifted = [(first, pairs[(k + 3) % 8][1]) for k, (first, _) in enumerate(pairs)]
    with pytest.raises(BoardError, match=r"moments agree .* same moments"):
        pair_from_boards(shifted, BOARD, A, B)


def test_too_few_moments_are_refused():
    with pytest.raises(BoardError, match="2 common moments, at least 3"):
        pair_from_boards(moments(2), BOARD, A, B)


def test_a_board_that_looks_the_same_upside_down_is_refused():
    with pytest.raises(BoardError, match="looks the same upside down"):
        pair_from_boards([], Board(BoardKind.CHECKERBOARD, 6, 8, 0.03), A, B)


def test_a_pair_is_loaded_as_it_was_saved(tmp_path: Path):
    first = CameraCalibration(A, look_at(np.array([0.5, 1.4, 3.0]), np.array([0.0, 1.0, 0.0]), 0.1), 0.2, "a")
    second = CameraCalibration(B, np.eye(4), 0.3, "b")
    placed = place_pair(first, second, PairFit(beside(), 0.4, 5, 0))
    save_pair(tmp_path / "pair.json", *placed, {"by": "test"})
    a, b = load_pair(tmp_path / "pair.json")
    assert (a.name, b.name, a.rms_px, b.rms_px) == ("a", "b", 0.2, 0.3)
    np.testing.assert_allclose(np.linalg.inv(a.T_ground_cam) @ b.T_ground_cam, beside(), atol=1e-12)
    assert b.intrinsics.distortion == B.distortion


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": {}, "b": {}}', '{"a": 1, "b": 2}'])
def test_what_is_no_pair_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "pair.json"
    path.write_text(text)
    with pytest.raises(CameraError, match=r"pair\.json: not a"):
        load_pair(path)


JOINTS = ("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "RShoulder", "RElbow", "RWrist",
          "LShoulder", "LElbow", "LWrist")  # fmt: skip
BONES = (
    ("RHip", "RKnee"),
    ("RKnee", "RAnkle"),
    ("LHip", "LKnee"),
    ("LKnee", "LAnkle"),
    ("RShoulder", "RElbow"),
)


def beam(shared_data: Path) -> tuple[dict[str, CameraCalibration], np.ndarray, list[Limb]]:
    """The published cameras, and the published joints of the person on the beam in their laboratory."""
    folder = shared_data / "real" / "beam_4cam"
    table = read_trc(folder / "Pose2Sim_markers.trc")
    # The file has Y up, the laboratory Z.
    joints = table.positions_m[:, [table.names.index(name) for name in JOINTS]][..., [2, 0, 1]]
    limbs = []
    for start, end in BONES:
        i, j = JOINTS.index(start), JOINTS.index(end)
        limbs.append(Limb(i, j, float(np.median(np.linalg.norm(joints[:, i] - joints[:, j], axis=1)))))
    return placed_cameras(folder / "Pose2Sim_cameras.toml"), joints, limbs


def tracks(camera: CameraCalibration, joints: np.ndarray, noise_px: float, seed: int) -> JointTracks:
    """What a network would see: noise, a tenth of wild errors, some joints hidden."""
    rng = np.random.default_rng(seed)
    uv_px = camera.project(joints) + rng.normal(0.0, noise_px, (*joints.shape[:2], 2))
    wild = rng.random(uv_px.shape[:2]) < 0.1
    uv_px[wild] += rng.normal(0.0, 80.0, (int(wild.sum()), 2))
    confidence = np.where(rng.random(uv_px.shape[:2]) < 0.15, 0.1, 0.9)
    uv_px[rng.random(uv_px.shape[:2]) < 0.05] = np.nan
    return JointTracks(uv_px, confidence)


@pytest.mark.parametrize(
    ("first", "second"), [("cam_01", "cam_02"), ("cam_01", "cam_04"), ("cam_03", "cam_04")]
)
def test_a_persons_joints_relate_published_cameras(shared_data: Path, first: str, second: str):
    cameras, joints, limbs = beam(shared_data)
    a, b = cameras[first], cameras[second]
    fit = pair_from_joints(
        tracks(a, joints, 2.0, 1), tracks(b, joints, 2.0, 2), a.intrinsics, b.intrinsics, limbs
    )
    true = np.linalg.inv(a.T_ground_cam) @ b.T_ground_cam
    turn_deg, direction_deg, length = relation_errors(fit.T_a_b, true)
    assert turn_deg < 1.5 and direction_deg < 1.0 and abs(length) < 0.02
    assert fit.n_rejected > 0.03 * fit.n_used


def walking_person(n: int = 80) -> np.ndarray:
    """Joints of a person who walks about, in camera a's coordinates. Shape: (n, 12, 3)."""
    rng = np.random.default_rng(0)
    # Height and half the width of hips, knees, ankles, shoulders, elbows, wrists; Y down.
    rows = ((0.0, 0.1), (0.4, 0.1), (0.8, 0.1), (-0.5, 0.2), (-0.2, 0.25), (0.05, 0.28))
    standing = np.array([[side * half, y, 0.0] for y, half in rows for side in (-1, 1)])
    t = np.linspace(0.0, 2 * np.pi, n)
    path = np.stack([1.2 * np.sin(t), 0.05 * np.sin(4 * t), 4.0 + 1.0 * np.cos(t)], axis=1)
    return standing[None] + path[:, None] + rng.normal(0.0, 0.005, (n, 12, 3))


LIMBS = [Limb(0, 2, 0.4), Limb(1, 3, 0.4), Limb(2, 4, 0.4), Limb(3, 5, 0.4)]


def walking_tracks(T_a_b: np.ndarray, noise_px: float = 1.0) -> tuple[JointTracks, JointTracks]:
    p = walking_person()
    T_b_a, rng = np.linalg.inv(T_a_b), np.random.default_rng(1)
    one = np.ones(p.shape[:2])
    uv_a, uv_b = A.project(p), B.project(p @ T_b_a[:3, :3].T + T_b_a[:3, 3])
    return (
        JointTracks(uv_a + rng.normal(0, noise_px, uv_a.shape), one),
        JointTracks(uv_b + rng.normal(0, noise_px, uv_b.shape), one),
    )


def aside() -> np.ndarray:
    T = beside()
    T[:3, 3] = 2.0, 0.1, 0.8
    return T


def test_a_walking_person_relates_cameras_through_their_lenses():
    fit = pair_from_joints(*walking_tracks(aside()), A, B, LIMBS)
    turn_deg, direction_deg, length = relation_errors(fit.T_a_b, aside())
    assert turn_deg < 0.5 and direction_deg < 0.6 and abs(length) < 0.02


def test_other_moments_are_refused():
    first, second = walking_tracks(aside())
    late = JointTracks(np.roll(second.uv_px, 25, axis=0), second.confidence)
    with pytest.raises(CameraError, match=r"same moments|degrees apart"):
        pair_from_joints(first, late, A, B, LIMBS)


def test_cameras_side_by_side_are_refused():
    T = np.eye(4)
    T[0, 3] = 0.05
    with pytest.raises(CameraError, match=r"from [01] degrees apart"):
        pair_from_joints(*walking_tracks(T), A, B, LIMBS)


def test_a_person_who_is_hardly_seen_is_refused():
    first, second = walking_tracks(aside())
    hidden = JointTracks(first.uv_px, np.where(np.arange(12) < 1, 0.9, 0.0) * first.confidence[:, :12] * 0.5)
    with pytest.raises(CameraError, match=r"\d+ joints were seen by both cameras, at least 60"):
        pair_from_joints(hidden, second, A, B, LIMBS)


def test_limbs_that_are_never_seen_leave_the_scale_open():
    first, second = walking_tracks(aside())
    first.uv_px[:, 4:6] = np.nan
    with pytest.raises(CameraError, match="no limb was seen whole"):
        pair_from_joints(first, second, A, B, [Limb(4, 5, 0.2)])


def test_rays_meet_where_they_came_from():
    p = walking_person(5).reshape(-1, 3)
    T_b_a = np.linalg.inv(aside())
    R, t = T_b_a[:3, :3], T_b_a[:3, 3]
    np.testing.assert_allclose(triangulate(p * 3.0, (p @ R.T + t) * 0.5, R, t), p, atol=1e-9)
    assert np.isnan(triangulate(-p[:1], p[:1] @ R.T + t, R, t)).all()
