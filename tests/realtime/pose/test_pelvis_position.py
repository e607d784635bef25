"""The pelvis's place from exact and from disturbed images of people whose place is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import T_GROUND_LEVEL_CAM, CameraCalibration, Intrinsics
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.errors import RealtimeError
from realtime.pose.foot_contact import FootContacts, StationView, sole_clearance
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.position import PelvisPosition
from realtime.pose.position_filter import DEPTH_BIAS, PositionFilter
from tests.calib.boards.test_floor import result, tilted
from tests.support.position_evaluation import (
    foot_error,
    foot_points,
    pelvis_positions,
    position_error,
    vertical_travel_error,
)

RNG = np.random.default_rng(8)
INTRINSICS = Intrinsics(1280, 720, 900.0, 910.0, 640.0, 350.0, (-0.1, 0.02, 0.001, 0.0, 0.0))
CAMERA = CameraCalibration(INTRINSICS, tilted(-12.0, 3.0, 1.4))
SHIFTS = slice(3, 6)
HEIGHT_M = 1.00415
"""Of the pelvis of the default skeleton, soles on the floor."""
FRAME_NS = 33_000_000


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def stations(skeleton: Skeleton, model: LandmarkModel, q: np.ndarray, factors: np.ndarray) -> np.ndarray:
    T = body_transforms(skeleton, q, factors)[model.station_body]
    station = model.station_m * factors[model.station_body]
    return np.einsum("nij,nj->ni", T[:, :3, :3], station) + T[:, :3, 3]


def look(
    skeleton: Skeleton, model: LandmarkModel, q: np.ndarray, factors: np.ndarray, noise_px: float = 0.0
) -> BlazePoseResult:
    """What BlazePose would see of somebody, were it exact."""
    uv_px = np.zeros((33, 2))
    uv_px[model.landmark] = CAMERA.project(stations(skeleton, model, q, factors))
    uv_px += RNG.normal(0.0, noise_px, uv_px.shape)
    return result(np.zeros((33, 3)), uv_px)


def pose(skeleton: Skeleton, x_m: float = -3.0, **angles_deg: float) -> np.ndarray:
    q = skeleton.q_default.copy()
    for name, value in angles_deg.items():
        q[skeleton.coordinate_index(name)] = np.radians(value)
    q[SHIFTS] = [x_m, HEIGHT_M, 0.2]
    return q


def misplaced(q: np.ndarray) -> np.ndarray:
    """Of which the solver knows the angles alone."""
    q = q.copy()
    q[SHIFTS] = RNG.normal(0.0, 1.0, 3)
    return q


@pytest.mark.parametrize("has_floor", [False, True])
def test_exact_pictures_give_the_place_and_leave_the_angles(
    has_floor: bool, skeleton: Skeleton, model: LandmarkModel
) -> None:
    factors = np.full((skeleton.n_bodies, 3), 0.94)
    stage = PelvisPosition(skeleton, model, replace(CAMERA, has_floor=has_floor))
    q = pose(skeleton, hip_flexion_r=60, knee_angle_r=80, arm_flex_l=60, pelvis_rotation=25)
    q[4] = 0.94 * HEIGHT_M  # on the left foot
    for k in range(3):
        given = misplaced(q)
        placed = stage.step(k * FRAME_NS, look(skeleton, model, q, factors), given, factors)
        np.testing.assert_allclose(placed[SHIFTS], q[SHIFTS], atol=0.012)
        np.testing.assert_array_equal(np.delete(placed, SHIFTS), np.delete(given, SHIFTS))


def test_the_same_frames_give_the_same_bits_after_a_reset(skeleton: Skeleton, model: LandmarkModel) -> None:
    factors = np.ones((skeleton.n_bodies, 3))
    frames = [
        (k * FRAME_NS, look(skeleton, model, pose(skeleton, -3 + 0.02 * k), factors, 2.0)) for k in range(12)
    ]
    stage = PelvisPosition(skeleton, model, replace(CAMERA, has_floor=True))
    runs = []
    for _ in range(2):
        stage.reset()
        runs.append([stage.step(t, seen, skeleton.q_default, factors) for t, seen in frames])
    np.testing.assert_array_equal(runs[0], runs[1])


def test_noise_is_steadied_and_walking_is_followed(skeleton: Skeleton, model: LandmarkModel) -> None:
    factors = np.ones((skeleton.n_bodies, 3))
    still, walking = [], []
    for speed, kept in ((0.0, still), (1.3, walking)):
        stage = PelvisPosition(skeleton, model, CAMERA)
        for k in range(90):
            q = pose(skeleton, -6.0 + speed * k / 30)
            seen = look(skeleton, model, q, factors, noise_px=4.0)
            kept.append(stage.step(k * FRAME_NS, seen, q, factors)[SHIFTS] - q[SHIFTS])
    raw = PelvisPosition(skeleton, model, CAMERA)
    single = []
    for _ in range(90):
        raw.reset()
        q = pose(skeleton, -6.0)
        single.append(
            raw.step(0, look(skeleton, model, q, factors, noise_px=4.0), q, factors)[SHIFTS] - q[SHIFTS]
        )
    jitter = [np.diff(np.array(e)[30:, 0]).std() for e in (still, single)]
    assert jitter[0] < 0.5 * jitter[1]
    assert np.abs(np.mean(np.array(walking)[30:], axis=0)).max() < 0.08


def test_a_leap_of_the_landmarks_does_not_carry_the_person_away(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    factors, q = np.ones((skeleton.n_bodies, 3)), pose(skeleton)
    stage = PelvisPosition(skeleton, model, CAMERA)
    for k in range(60):
        seen = look(skeleton, model, q, factors * (0.7 if k in (30, 31) else 1.0))
        placed = stage.step(k * FRAME_NS, seen, q, factors)
        assert np.linalg.norm(placed[SHIFTS] - q[SHIFTS]) < 0.25
    assert np.linalg.norm(placed[SHIFTS] - q[SHIFTS]) < 0.06


def wrong_size(skeleton: Skeleton, model: LandmarkModel, *, has_floor: bool) -> np.ndarray:
    """Error of the place of somebody 6 % larger than believed, who stands."""
    believed, true = np.ones((skeleton.n_bodies, 3)), np.full((skeleton.n_bodies, 3), 1.06)
    q = pose(skeleton)
    q[4] = 1.06 * HEIGHT_M
    stage = PelvisPosition(skeleton, model, replace(CAMERA, has_floor=has_floor))
    for k in range(90):
        placed = stage.step(k * FRAME_NS, look(skeleton, model, q, true, 1.0), q, believed)
    return placed[SHIFTS] - q[SHIFTS]


def test_the_floor_corrects_the_depth_of_people_whose_size_is_wrong(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    without, on_floor = (wrong_size(skeleton, model, has_floor=has_floor) for has_floor in (False, True))
    assert abs(without[0]) > 0.12
    assert abs(on_floor[0]) < 0.65 * abs(without[0])


def test_nobody_stands_in_the_floor_for_long(skeleton: Skeleton, model: LandmarkModel) -> None:
    factors, q = np.ones((skeleton.n_bodies, 3)), pose(skeleton)
    sunk = q.copy()
    sunk[4] -= 0.15  # as an image says whose camera stands lower than believed
    heights = []
    for has_floor in (False, True):
        stage = PelvisPosition(skeleton, model, replace(CAMERA, has_floor=has_floor))
        for k in range(30):
            placed = stage.step(k * FRAME_NS, look(skeleton, model, sunk, factors), q, factors)
        heights.append(placed[4])
    assert heights[0] == pytest.approx(HEIGHT_M - 0.15, abs=0.01)
    assert heights[1] > HEIGHT_M - 0.08


def test_a_lifted_foot_does_not_stand_and_neither_do_feet_in_a_jump(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    def stances(hop_m: float, **angles_deg: float) -> list[int]:
        contacts, counts = FootContacts(skeleton, model), []
        for k in range(20):
            q = pose(skeleton, **angles_deg)
            q[4] += hop_m * k / 20
            points = stations(skeleton, model, q, np.ones((skeleton.n_bodies, 3)))
            p_cam = (points - CAMERA.T_ground_cam[:3, 3]) @ CAMERA.T_ground_cam[:3, :3]
            view = StationView(
                p_cam / p_cam[:, 2:], CAMERA.T_ground_cam[:3, :3], CAMERA.T_ground_cam[:3, 3],
                points - q[SHIFTS], np.ones(len(points)), 1.0, 3.0, 0.033,
            )  # fmt: skip
            counts.append(len(contacts.step(view)))
        return counts[-5:]

    assert stances(0.0) == [2] * 5
    assert stances(0.0, hip_flexion_r=60, knee_angle_r=70) == [1] * 5
    assert stances(0.6) == [0] * 5


def test_a_standing_foot_is_where_its_ray_meets_the_floor(skeleton: Skeleton, model: LandmarkModel) -> None:
    q = pose(skeleton)
    points = stations(skeleton, model, q, np.ones((skeleton.n_bodies, 3)))
    T = CAMERA.T_ground_cam
    p_cam = (points - T[:3, 3]) @ T[:3, :3]
    view = StationView(
        p_cam / p_cam[:, 2:], T[:3, :3], T[:3, 3], points - q[SHIFTS], np.ones(len(points)), 1.0, 3.0, 0.0
    )
    stances = FootContacts(skeleton, model).step(view)
    for stance in stances:
        np.testing.assert_allclose(stance.floor_m - stance.offset_m, q[SHIFTS], atol=0.02)
        assert stance.ahead @ [0.0, 1.0, 0.0] == 0.0
    assert len(stances) == 2


def test_soles_are_under_the_feet(skeleton: Skeleton, model: LandmarkModel) -> None:
    clearance = sole_clearance(skeleton, model)
    heights = stations(skeleton, model, skeleton.q_default, np.ones((skeleton.n_bodies, 3)))[:, 1]
    np.testing.assert_allclose(clearance, heights, atol=1e-3)  # its default pose stands on Y = 0


def test_the_filter_keeps_its_doubt_about_depth_however_long_it_looks() -> None:
    position = PositionFilter()
    position.start(np.zeros(3), 0.01 * np.eye(3))
    row = np.array([[0.0, 0.0, 1.0, -4.0]])
    for _ in range(300):
        position.predict(0.033)
        position.update(row, np.array([4.0]), np.array([0.05**2]), 6.0)
    # A depth measured on other grounds moves it by a share that the bias leaves open.
    before = position.position_m[2]
    position.update(np.array([[0.0, 0.0, 1.0, 0.0]]), np.array([4.1]), np.array([0.05**2]), 1e9)
    moved = (position.position_m[2] - before) / (4.1 - before)
    expected = (4 * DEPTH_BIAS) ** 2 / ((4 * DEPTH_BIAS) ** 2 + 0.05**2)
    assert moved == pytest.approx(expected, rel=0.35)


def test_a_skeleton_without_a_movable_root_is_left_alone(model: LandmarkModel, skeleton: Skeleton) -> None:
    stage = PelvisPosition(skeleton, model, CAMERA)
    stage._root = None
    q = pose(skeleton)
    factors = np.ones((skeleton.n_bodies, 3))
    assert stage.step(0, look(skeleton, model, q, factors), q, factors) is q


def test_errors_put_in_on_purpose_are_measured(skeleton: Skeleton) -> None:
    time_s = np.arange(60) / 30
    truth = np.stack([-3 - 0.5 * time_s, 0.9 + 0.1 * np.sin(time_s), 0.1 * time_s], 1)
    level = CameraCalibration(INTRINSICS, T_GROUND_LEVEL_CAM.copy())
    error = position_error(truth + np.array([-0.1, 0.0, 0.0]), truth, level)
    assert (error.mean_m, error.along_m, error.across_m) == pytest.approx((0.1, 0.1, 0.0), abs=1e-9)
    assert 0.02 < error.of_distance < 0.04
    wrong = truth[:, 1] * 1.5
    expected = np.abs(0.5 * (truth[:, 1] - truth[:31, 1].mean())).mean()
    assert vertical_travel_error(time_s, wrong + 7.0, time_s, truth[:, 1]) == pytest.approx(
        expected, rel=1e-6
    )
    with pytest.raises(RealtimeError, match="first second"):
        vertical_travel_error(time_s, np.full(60, np.nan), time_s, truth[:, 1])
    with pytest.raises(RealtimeError, match="no frame"):
        position_error(np.full((60, 3), np.nan), truth, level)


def test_slip_and_penetration_are_measured(skeleton: Skeleton) -> None:
    q = np.tile(pose(skeleton), (30, 1))
    factors, time_s = np.ones((skeleton.n_bodies, 3)), np.arange(30) / 30
    truth, clearance = foot_points(skeleton, q, factors)
    q[:, 3] += 0.2 * time_s
    q[:, 4] -= 0.03
    slid = foot_points(skeleton, q, factors)[0]
    error = foot_error(time_s, slid, truth, clearance)
    assert (error.slip_m_s, error.penetration_m, error.height_m) == pytest.approx((0.2, 0.03, 0.03), abs=2e-3)
    assert error.drift_m == pytest.approx(0.2 * time_s.std(), rel=1e-6)
    with pytest.raises(RealtimeError, match="no foot stands"):
        foot_error(time_s, slid, truth + np.array([0.0, 1.0, 0.0]), clearance)
    assert np.isnan(pelvis_positions([], skeleton)).all()
