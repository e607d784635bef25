"""Procedural motions: smooth, on the floor, within ranges, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.kinematics import body_transforms, joint_centres
from calib.skeleton import Skeleton, load_skeleton
from train.errors import TrainError
from train.motion.activities import ACTIVITIES, MAY_START_STILL, SHARES, START_STILL_ODDS
from train.motion.collision import SelfCollision, _segment_distance
from train.motion.floor import Floor, turn_pelvis
from train.motion.library import MotionLibrary, mirror
from train.motion.motion import Motion, ease, periodic_curve, repetitions
from train.motion.style import Style

PLANTED = ("stand", "squat", "sit_to_stand", "seated", "reach", "bend", "raise_arms")


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def library(skeleton: Skeleton) -> MotionLibrary:
    return MotionLibrary(skeleton)


@pytest.fixture(scope="module")
def motions(library: MotionLibrary) -> dict[str, list[Motion]]:
    return {
        name: [
            library.sample(np.random.default_rng([7, seed]), activity=name, duration_s=3.0)
            for seed in range(3)
        ]
        for name in ACTIVITIES
    }


def column(skeleton: Skeleton, motion: Motion, name: str) -> np.ndarray:
    return np.degrees(motion.q[:, skeleton.coordinate_index(name)])


def test_the_same_seed_gives_the_same_motion_and_another_another(library: MotionLibrary) -> None:
    first, again, other = (library.sample(np.random.default_rng(seed), duration_s=1.0) for seed in (3, 3, 4))
    assert first.name == again.name
    np.testing.assert_array_equal(first.q, again.q)
    assert not np.array_equal(first.q, other.q)


def test_every_activity_has_a_share_and_shares_sum_to_one() -> None:
    assert set(SHARES) == set(ACTIVITIES)
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_activities_count_from_people_whose_thighs_arms_and_head_are_upright(skeleton: Skeleton) -> None:
    q = Style(np.zeros(1)).coordinates(skeleton)[0]
    T = body_transforms(skeleton, q)
    for body in ("femur_r", "femur_l", "humerus_r", "humerus_l", "head"):
        up = T[skeleton.body_index(body), :3, 1]
        assert np.degrees(np.arccos(up[1])) < 0.2, body


def test_people_who_stand_hold_their_pelvis_as_laboratories_measure_it(
    library: MotionLibrary, skeleton: Skeleton
) -> None:
    motions = [
        library.sample(np.random.default_rng([11, k]), activity=name, duration_s=0.5, fps=2.0)
        for k in range(40)
        for name in ("still", "stand")
    ]
    tilt, hip = (
        np.array([column(skeleton, m, name).mean() for m in motions])
        for name in ("pelvis_tilt", "hip_flexion_r")
    )
    # Inverse kinematics of seven people who walk or run: -12 to 8, mean -1; upright people lean less.
    assert -2.0 < tilt.mean() < 3.0 and 4.0 < tilt.std() < 9.0
    assert np.abs((tilt + hip).mean()) < 4.0  # thighs are vertical


def straight(skeleton: Skeleton, motion: Motion) -> np.ndarray:
    """Frames of a motion in which both knees are within 8 degrees of straight."""
    knees = np.stack([column(skeleton, motion, f"knee_angle_{side}") for side in "rl"])
    return np.abs(knees).max(axis=0) < 8.0


def test_standing_straight_is_as_common_as_stated(skeleton: Skeleton, library: MotionLibrary) -> None:
    rng = np.random.default_rng(11)
    draws = [library.sample(rng, duration_s=7.2, fps=1.0 / 0.9) for _ in range(250)]
    share = np.mean([straight(skeleton, motion).mean() for motion in draws])
    # Standing still and about, and the beginnings of exercises: a quarter at least, and no more than a half.
    assert 0.25 < share < 0.5
    still = [motion for motion in draws if motion.name == "still"]
    assert len(still) / len(draws) == pytest.approx(SHARES["still"], abs=0.06)
    assert np.mean([straight(skeleton, motion).mean() for motion in still]) > 0.9


def test_some_exercises_start_with_standing_still(skeleton: Skeleton, library: MotionLibrary) -> None:
    draws = [
        library.sample(np.random.default_rng([5, k]), activity="squat", duration_s=6.0, fps=10.0)
        for k in range(60)
    ]
    opened = [bool(straight(skeleton, motion)[:6].all()) for motion in draws]
    assert START_STILL_ODDS - 0.15 < np.mean(opened) < START_STILL_ODDS + 0.3  # some squats start late anyway
    deepest = [column(skeleton, motion, "knee_angle_r").max() for motion in draws]
    assert np.median(deepest) > 45.0
    assert set(ACTIVITIES) >= MAY_START_STILL


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_a_motion_may_be_a_single_frame(library: MotionLibrary, activity: str) -> None:
    motion = library.sample(np.random.default_rng(2), activity=activity, duration_s=0.1, fps=1.0)
    assert motion.q.shape[0] == 1 and np.isfinite(motion.q).all()


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_motions_stay_in_the_ranges_of_the_joints(
    skeleton: Skeleton, motions: dict[str, list[Motion]], activity: str
) -> None:
    for motion in motions[activity]:
        assert np.isfinite(motion.q).all()
        assert (motion.q >= skeleton.q_lower - 1e-6).all()
        assert (motion.q <= skeleton.q_upper + 1e-6).all()


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_no_foot_sinks_into_the_floor_and_one_is_on_it(
    skeleton: Skeleton, motions: dict[str, list[Motion]], activity: str
) -> None:
    floor = Floor(skeleton)
    for motion in motions[activity]:
        lowest = np.array([floor.soles(q)[:, 1].min() for q in motion.q])
        assert lowest.min() > -0.015
        assert np.median(lowest) < 0.02 or activity == "jumping_jack"


@pytest.mark.parametrize("activity", PLANTED)
def test_planted_feet_stay_and_stay_flat(
    skeleton: Skeleton, motions: dict[str, list[Motion]], activity: str
) -> None:
    floor = Floor(skeleton)
    for motion in motions[activity]:
        soles = np.array([floor.soles(q) for q in motion.q])
        assert np.ptp(soles[..., [0, 2]], axis=0).max() < 0.03
        assert soles[..., 1].max() < 0.03


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_motions_are_smooth(skeleton: Skeleton, motions: dict[str, list[Motion]], activity: str) -> None:
    for motion in motions[activity]:
        speed = np.degrees(np.abs(np.diff(motion.q[:, skeleton.is_rotational], axis=0))) * motion.fps
        # Runners' knees reach about 900 degrees a second.
        assert np.percentile(speed, 99.9) < 900.0


def test_a_stance_foot_of_a_walker_does_not_slide(
    skeleton: Skeleton, motions: dict[str, list[Motion]]
) -> None:
    floor = Floor(skeleton)
    for motion in motions["walk"]:
        soles = np.array([floor.soles(q) for q in motion.q])
        speed = np.linalg.norm(np.diff(soles[..., [0, 2]], axis=0), axis=2) * motion.fps
        lowest = soles[1:, :, 1].argmin(axis=1)
        assert np.median(speed[np.arange(len(speed)), lowest]) < 0.1


def test_walkers_walk_forward_and_squatters_go_down(
    skeleton: Skeleton, motions: dict[str, list[Motion]]
) -> None:
    for motion in motions["walk"]:
        forward = motion.q[:, skeleton.coordinate_index("pelvis_tx")]
        assert forward[-1] - forward[0] > 0.5
    for motion in motions["squat"]:
        height = motion.q[:, skeleton.coordinate_index("pelvis_ty")]
        knee = column(skeleton, motion, "knee_angle_r")
        assert np.corrcoef(height, knee)[0, 1] < -0.9


def test_the_trunk_of_a_squatter_stays_over_the_feet(
    skeleton: Skeleton, motions: dict[str, list[Motion]]
) -> None:
    floor = Floor(skeleton)
    torso, pelvis = skeleton.body_index("torso"), skeleton.body_index("pelvis")
    for motion in motions["squat"]:
        for q in motion.q[::10]:
            T = body_transforms(skeleton, q)
            soles = floor.soles(q)
            # About half of the body's mass is in the trunk: the middle of it.
            middle = 0.5 * (T[torso, :3, 3] + T[torso, :3, 1] * 0.2 + T[pelvis, :3, 3])
            assert soles[:, 0].min() - 0.12 < middle[0] < soles[:, 0].max() + 0.12


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_few_frames_pass_through_themselves(
    skeleton: Skeleton, motions: dict[str, list[Motion]], activity: str
) -> None:
    collision = SelfCollision(skeleton)
    assert np.mean([collision.share(motion.q) for motion in motions[activity]]) < 0.2


def test_a_hand_in_the_belly_is_a_collision_and_a_hanging_arm_is_none(skeleton: Skeleton) -> None:
    collision = SelfCollision(skeleton)
    q = skeleton.q_default.copy()
    for name, value in (
        ("arm_add_r", -10.0),
        ("arm_add_l", -10.0),
        ("elbow_flex_r", 10.0),
        ("elbow_flex_l", 10.0),
    ):
        q[skeleton.coordinate_index(name)] = np.radians(value)
    assert collision.share(q[None]) == 0.0
    q[skeleton.coordinate_index("arm_rot_r")] = np.radians(85.0)
    q[skeleton.coordinate_index("elbow_flex_r")] = np.radians(95.0)
    assert collision.share(q[None]) == 1.0


def test_mirroring_is_reflection(skeleton: Skeleton, motions: dict[str, list[Motion]]) -> None:
    q = motions["lunge"][0].q[20]
    np.testing.assert_allclose(mirror(skeleton, mirror(skeleton, q)), q)
    names = skeleton.body_names
    other = [
        names.index(n[:-2] + {"_r": "_l", "_l": "_r"}[n[-2:]]) if n[-2:] in ("_r", "_l") else k
        for k, n in enumerate(names)
    ]
    reflected = joint_centres(skeleton, q)[other] * [1.0, 1.0, -1.0]
    np.testing.assert_allclose(joint_centres(skeleton, mirror(skeleton, q)), reflected, atol=1e-9)


@given(*[st.floats(-1.2, 1.2)] * 3, st.floats(-6.0, 6.0))
@settings(max_examples=50, deadline=None)
def test_turning_the_pelvis_turns_the_whole_body(
    tilt: float, list_: float, rotation: float, heading: float
) -> None:
    skeleton = load_skeleton()
    columns = [skeleton.coordinate_index(f"pelvis_{n}") for n in ("tilt", "list", "rotation")]
    q, turned = skeleton.q_default.copy(), skeleton.q_default.copy()
    q[columns] = tilt, list_, rotation
    turned[columns] = turn_pelvis(q[None, columns], heading)[0]
    c, s = np.cos(heading), np.sin(heading)
    about_y = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    R, R_turned = (body_transforms(skeleton, x)[:, :3, :3] for x in (q, turned))
    np.testing.assert_allclose(R_turned, about_y @ R, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_segment_distance_is_the_least_over_many_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.normal(size=(4, 3))
    t = np.linspace(0.0, 1.0, 201)[:, None]
    sampled = np.linalg.norm((a + t * (b - a))[:, None] - (c + t * (d - c))[None], axis=2).min()
    exact = _segment_distance(a, b, c, d)
    assert exact <= sampled + 1e-12
    assert exact == pytest.approx(sampled, abs=0.02)


def test_time_functions_pass_where_they_should() -> None:
    knots = (28.0, 25.0, 16.0, 6.0, -5.0, -12.0, -6.0, 12.0, 26.0, 31.0)
    np.testing.assert_allclose(periodic_curve(knots, np.arange(10) / 10 + 3.0), knots, atol=1e-9)
    x = np.linspace(-1.0, 2.0, 301)
    assert (np.diff(ease(x)) >= 0.0).all()
    assert ease(x)[0] == 0.0 and ease(x)[-1] == 1.0
    depth = repetitions(np.random.default_rng(1), np.arange(0.0, 30.0, 0.02), (1.0, 2.0))
    assert depth.min() > -1e-9 and 0.7 < depth.max() <= 1.0 + 1e-9


def test_an_unknown_activity_is_refused_by_name(library: MotionLibrary) -> None:
    with pytest.raises(TrainError, match="no activity 'swim'; there are: captured, still, stand"):
        library.sample(np.random.default_rng(0), activity="swim")
    with pytest.raises(TrainError, match="no captured motion is loaded"):
        library.sample(np.random.default_rng(0), activity="captured")


def test_captured_clips_are_on_the_floor_and_as_long_as_asked(
    skeleton: Skeleton, motions: dict[str, list[Motion]]
) -> None:
    captured = [motions["walk"][0], motions["walk"][1], motions["stand"][0]]
    library = MotionLibrary(skeleton, captured=captured, captured_share=1.0)
    drawn = [library.sample(np.random.default_rng(seed), duration_s=1.0, fps=20.0) for seed in range(12)]
    assert {motion.name for motion in drawn} == {"walk", "stand"}
    for motion in drawn:
        assert motion.n_frames == 20
        assert abs(np.percentile([Floor(skeleton).soles(q)[:, 1].min() for q in motion.q], 5)) < 1e-6
