"""Feet that are planted on a known floor, and what keeps them there."""

from __future__ import annotations

import numpy as np
import pytest

from calib.coordinates import side_of, stem_of
from calib.skeleton import Skeleton, load_skeleton
from realtime.pose.foot_contact import FootContacts, Stance, StationView, sole_clearance
from realtime.pose.foot_lock import FADE_OUT_S, GIVE_DEG, MAX_SHIFT_M, FootLock
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from tests.realtime.pose.test_pelvis_position import CAMERA, HEIGHT_M, SHIFTS, pose, stations
from train.motion.library import MotionLibrary

FRAME_S = 1.0 / 30.0
SPEED_M_S = 1.2
CAMERA_M = CAMERA.T_ground_cam[:3, 3]
HEEL_R, TOE_R, HEEL_L, TOE_L = 30, 32, 29, 31


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def points(skeleton: Skeleton, model: LandmarkModel, q: np.ndarray) -> np.ndarray:
    """Places of all stations. Shape: (n, 3)."""
    return stations(skeleton, model, q, np.ones((skeleton.n_bodies, 3)))


def rows_of(model: LandmarkModel, *landmarks: int) -> np.ndarray:
    return np.array([int(np.flatnonzero(model.landmark == k)[0]) for k in landmarks])


def stance(rows: np.ndarray, seen_m: np.ndarray) -> Stance:
    """A foot that is planted for sure."""
    return Stance(1.0, seen_m[0], seen_m[0], np.array([1.0, 0.0, 0.0]), 0.3, True, rows, seen_m)


def striding(skeleton: Skeleton, k: int, *, swing: float) -> np.ndarray:
    """A moment of the stance of the right leg; with `swing` 1 the foot stays."""
    x_m = SPEED_M_S * (k * FRAME_S - 0.2)
    hip_deg = -swing * np.degrees(np.arcsin(x_m / 0.93))
    q = pose(skeleton, x_m=-3.0 + x_m, hip_flexion_r=hip_deg, ankle_angle_r=-hip_deg, hip_flexion_l=-hip_deg,
             knee_angle_l=50)  # fmt: skip
    q[4] = HEIGHT_M - 0.93 * (1.0 - np.cos(np.radians(hip_deg)))
    return q


def stride(skeleton: Skeleton, model: LandmarkModel, swing: float) -> tuple[np.ndarray, np.ndarray, list]:
    """Heel and toe of the right foot, as the angles have them and as the lock does, and the coordinates."""
    lock, rows = FootLock(skeleton, model, CAMERA_M), rows_of(model, HEEL_R, TOE_R)
    planted_m = points(skeleton, model, striding(skeleton, 6, swing=1.0))[rows]
    given, held, changes = [], [], []
    for k in range(13):
        q = striding(skeleton, k, swing=swing)
        given.append(points(skeleton, model, q)[rows])
        locked, qdot = q.copy(), np.zeros(skeleton.n_q)
        lock.step(round(k * FRAME_S * 1e9), [stance(rows, planted_m)], np.ones((skeleton.n_bodies, 3)),
                  locked, qdot)  # fmt: skip
        held.append(points(skeleton, model, locked)[rows])
        changes.append((q, locked, qdot))
    return np.array(given), np.array(held), changes


def test_a_planted_foot_stays_although_the_angles_let_it_slide(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    given, held, changes = stride(skeleton, model, swing=0.6)
    settled = slice(4, None)
    travel = [np.ptp(p[settled, :, 0], axis=0).max() for p in (given, held)]
    assert travel[0] > 0.10
    assert travel[1] < 0.35 * travel[0]
    may_bend = [stem_of(n) in GIVE_DEG and side_of(n) == "r"
                for n in skeleton.coordinate_names]  # fmt: skip
    for q, locked, _ in changes:
        np.testing.assert_allclose(locked[~np.array(may_bend)], q[~np.array(may_bend)], atol=1e-9)


def test_speeds_are_those_of_the_bent_legs(skeleton: Skeleton, model: LandmarkModel) -> None:
    _, _, changes = stride(skeleton, model, swing=0.6)
    bends = np.array([locked - q for q, locked, _ in changes])
    speeds = np.array([qdot for _, _, qdot in changes])
    np.testing.assert_allclose(speeds[1:], np.diff(bends, axis=0) / FRAME_S, atol=1e-5)


def test_right_angles_and_feet_in_the_air_are_left_alone(skeleton: Skeleton, model: LandmarkModel) -> None:
    given, held, _ = stride(skeleton, model, swing=1.0)
    np.testing.assert_allclose(held, given, atol=0.025)  # the stride is one to a centimetre or two
    lock, q = FootLock(skeleton, model, CAMERA_M), striding(skeleton, 3, swing=0.6)
    for k in range(5):
        free, qdot = q.copy(), np.zeros(skeleton.n_q)
        lock.step(round(k * FRAME_S * 1e9), [], np.ones((skeleton.n_bodies, 3)), free, qdot)
        np.testing.assert_array_equal(free, q)
        np.testing.assert_array_equal(qdot, 0.0)


def test_a_foot_that_is_seen_elsewhere_is_let_go(skeleton: Skeleton, model: LandmarkModel) -> None:
    lock, rows = FootLock(skeleton, model, CAMERA_M), rows_of(model, HEEL_R, TOE_R)
    q = pose(skeleton)
    place_m = points(skeleton, model, q)[rows]
    factors, shifts = np.ones((skeleton.n_bodies, 3)), []
    gone_m = np.array([0.0, 0.0, 0.5])
    for k in range(20 + round(FADE_OUT_S / FRAME_S)):
        moved = q.copy()
        moved[SHIFTS] += gone_m * (k >= 10)  # the person has gone while the contact goes on
        locked, seen = moved.copy(), stance(rows, place_m + gone_m * (k >= 10))
        lock.step(round(k * FRAME_S * 1e9), [seen], factors, locked, np.zeros(skeleton.n_q))
        shift_m = points(skeleton, model, locked)[rows] - points(skeleton, model, moved)[rows]
        shifts.append(np.linalg.norm(shift_m, axis=1).max())
    assert max(shifts) < MAX_SHIFT_M + 0.01
    assert max(shifts[-5:]) < 0.02


def test_after_a_gap_feet_stand_where_they_are_seen_then(skeleton: Skeleton, model: LandmarkModel) -> None:
    """A foot that was put down elsewhere meanwhile is held as by a lock that knows nothing of before."""
    used, fresh = (FootLock(skeleton, model, CAMERA_M) for _ in range(2))
    rows, ones = rows_of(model, HEEL_R, TOE_R), np.ones((skeleton.n_bodies, 3))
    q = striding(skeleton, 6, swing=1.0)
    placed_m = points(skeleton, model, q)[rows]
    for k in range(10):
        used.step(
            round(k * FRAME_S * 1e9), [stance(rows, placed_m - [0.1, 0.0, 0.0])], ones, q.copy(), q.copy()
        )
    for k in range(10):
        found = []
        for lock in (used, fresh):
            locked, qdot = q.copy(), np.zeros(skeleton.n_q)
            lock.step(round((60.0 + k * FRAME_S) * 1e9), [stance(rows, placed_m)], ones, locked, qdot)
            found.append((locked.tobytes(), qdot.tobytes()))
        assert found[0] == found[1]


def test_feet_of_exact_walkers_are_planted_while_they_stand(skeleton: Skeleton, model: LandmarkModel) -> None:
    hits = np.zeros((2, 2))
    for seed in range(3):
        motion = MotionLibrary(skeleton).sample(
            np.random.default_rng(seed), duration_s=3.0, fps=30.0, activity="walk"
        )
        motion.q[:, 3] -= 7.0
        places = np.array([points(skeleton, model, q) for q in motion.q])
        speed = np.linalg.norm(np.gradient(places, axis=0), axis=2) / FRAME_S
        low = places[..., 1] - sole_clearance(skeleton, model) < 0.02
        pelvis_m_s = np.linalg.norm(np.gradient(motion.q[:, [3, 5]], axis=0), axis=1) / FRAME_S
        contacts = FootContacts(skeleton, model)
        for k, (q, p) in enumerate(zip(motion.q, places, strict=True)):
            p_cam = (p - CAMERA_M) @ CAMERA.T_ground_cam[:3, :3]
            view = StationView(
                p_cam / p_cam[:, 2:], CAMERA.T_ground_cam[:3, :3], CAMERA_M, p - q[SHIFTS], np.ones(len(p)),
                1.0, p_cam[:, 2].mean(), FRAME_S if k else 0.0, float(pelvis_m_s[k]),
            )  # fmt: skip
            found = contacts.step(view)
            planted = {int(row) for s in found if s.is_planted for row in s.rows}
            for row in rows_of(model, HEEL_R, TOE_R, HEEL_L, TOE_L):
                is_standing, is_swinging = low[k, row] and speed[k, row] < 0.1, speed[k, row] > 1.0
                if k > 5 and (is_standing or is_swinging):
                    hits[int(is_standing), int(row in planted)] += 1
    assert hits[1, 1] > 0.8 * hits[1].sum(), hits
    assert hits[0, 1] < 0.25 * hits[0].sum(), hits
