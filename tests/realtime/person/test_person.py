"""Learning where landmarks lie on a person, on people whose offsets are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from engines.blazepose.tracker import BlazePoseResult
from realtime.person.offsets import LandmarkOffsets, PersonModel
from realtime.person.personal_solver import PersonalSolver
from realtime.person.scaling import SubjectScaling, unscaled_stature
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import world_in_camera
from realtime.pose.planted_feet import PlantedFeet
from realtime.sample import PersonState
from tests.support.posing_person import ANKLES, HIPS, SOCKS, STANDING, PosingPerson, standing_then_squat

RATE_HZ = 20.0
STEP_NS = round(1e9 / RATE_HZ)
STANDING_FRAMES = slice(30, 40)
"""Of `standing_then_squat`: after a second and a half, before the squat."""


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


@pytest.fixture
def man_in_socks(skeleton: Skeleton, model: LandmarkModel) -> PosingPerson:
    """Ankles 6 cm too high, hips 5 cm too low, and a network that hardly sees depth."""
    return PosingPerson(skeleton, model, offsets_m=SOCKS, depth_gain=0.3, noise_px=0.5)


def solver_of(person: PosingPerson, **options: object) -> PersonalSolver:
    scaling = SubjectScaling(person.skeleton, person.model, unscaled_stature(person.skeleton))
    return PersonalSolver(person.skeleton, person.model, person.camera, scaling, **options)  # type: ignore[arg-type]


def knee_errors_deg(person: PosingPerson, solver: PersonalSolver) -> np.ndarray:
    """Error of both knees in each frame of `standing_then_squat`. Shape: (n, 2)."""
    knees = [person.skeleton.coordinate_index(f"knee_angle_{side}") for side in "rl"]
    frames = standing_then_squat(person, rate_hz=RATE_HZ)
    found = [
        solver.solve(t_ns, person.see(q, seed)).found.q[knees] - q[knees]
        for seed, (t_ns, q) in enumerate(frames)
    ]
    return np.degrees(found)


def learn(person: PosingPerson, solver: PersonalSolver, n: int = 40, start: int = 0, **angles: float) -> None:
    """Show somebody who holds a pose; upright standing without angles."""
    q = person.coordinates(**(STANDING | angles))
    for k in range(start, start + n):
        solver.solve(k * STEP_NS, person.see(q, k))


def test_knees_are_right_once_the_person_is_known_and_not_before(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks)
    learned = np.abs(knee_errors_deg(man_in_socks, solver))
    unlearned = np.abs(knee_errors_deg(man_in_socks, solver_of(man_in_socks, learns=False)))
    assert solver.state is PersonState.KNOWN
    assert learned[STANDING_FRAMES].mean() < 5.0 < 8.0 < unlearned[STANDING_FRAMES].mean()
    assert learned[40:].mean() < 3.0 < unlearned[40:].mean()


def stepping_nearer_then_squat(person: PosingPerson, nearer_m: float) -> list[tuple[int, np.ndarray]]:
    """Two seconds of standing, a step forward in half a second, and a squat there."""
    frames = list(standing_then_squat(person, rate_hz=RATE_HZ))
    n_standing, n_step = int(2.0 * RATE_HZ), int(0.5 * RATE_HZ)
    stepping = [
        replace(person, distance_m=person.distance_m - nearer_m * (k + 1) / n_step).coordinates(**STANDING)
        for k in range(n_step)
    ]
    there = replace(person, distance_m=person.distance_m - nearer_m)
    squat = [q for _, q in standing_then_squat(there, rate_hz=RATE_HZ)][n_standing:]
    poses = [q for _, q in frames[:n_standing]] + stepping + squat
    return [(k * STEP_NS, q) for k, q in enumerate(poses)]


def test_the_floor_tells_how_far_a_step_went(
    man_in_socks: PosingPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    knees = [man_in_socks.skeleton.coordinate_index(f"knee_angle_{side}") for side in "rl"]

    def errors_deg() -> np.ndarray:
        solver = solver_of(man_in_socks)
        frames = stepping_nearer_then_squat(man_in_socks, nearer_m=0.3)
        found = [
            solver.solve(t_ns, man_in_socks.see(q, k)).found.q[knees] - q[knees]
            for k, (t_ns, q) in enumerate(frames)
        ]
        assert solver.state is PersonState.KNOWN
        return np.abs(np.degrees(found))[50:]

    told = errors_deg().mean()
    monkeypatch.setattr(PlantedFeet, "_along_floor", lambda self, before, now: np.ones(len(now)))
    assert told < 4.0 and told < 0.8 * errors_deg().mean()


def test_planted_feet_tell_a_squat_from_a_step_back(
    man_in_socks: PosingPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = replace(man_in_socks, offsets_m={})
    with_feet = np.abs(knee_errors_deg(person, solver_of(person)))[40:].mean()
    monkeypatch.setattr(PlantedFeet, "begin", lambda self, t_ns, rays, **_: np.zeros(len(self.rows)))
    without = np.abs(knee_errors_deg(person, solver_of(person)))[40:].mean()
    assert with_feet < 4.0
    assert without > 1.5 * with_feet


@pytest.mark.parametrize("distance_m", [2.5, 3.6])
def test_somebody_who_walked_during_a_gap_is_where_they_are_and_stands(
    man_in_socks: PosingPerson, distance_m: float
) -> None:
    """Neither their feet's depth nor the pose of before tells anything: knees were bent by 60 degrees."""
    before = replace(man_in_socks, offsets_m={}, distance_m=3.0)
    now = replace(before, distance_m=distance_m)
    q, solver = now.coordinates(**STANDING), solver_of(now, learns=False)
    knee, place = (now.skeleton.coordinate_index(name) for name in ("knee_angle_r", "pelvis_tx"))
    learn(before, solver)
    for k in range(5):
        found = solver.solve(8_000_000_000 + k * STEP_NS, now.see(q, 100 + k)).found.q
        assert np.degrees(abs(found[knee] - q[knee])) < 10.0
        assert found[place] == pytest.approx(q[place], abs=0.05)


def test_two_frames_about_a_gap_do_not_forget_the_person(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks)
    learn(man_in_socks, solver)
    offsets = solver.person.offsets
    assert offsets is not None
    q = man_in_socks.coordinates(**STANDING)
    for t_ns in (40 * STEP_NS, 40 * STEP_NS + 6_000_000_000):
        seen = man_in_socks.see(q, 40)
        seen.landmarks_px[list(HIPS), 1] -= 15.0  # longer legs
        solver.solve(t_ns, seen)
        assert solver.person.offsets is offsets


def test_the_offsets_found_are_those_of_the_person(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks)
    learn(man_in_socks, solver)
    assert solver.person.offsets is not None
    found = solver.person.offsets.by_landmark(man_in_socks.model)
    up_m = {name: offset.across_m[1] for name, offset in found.items()}
    # A person farther away with longer legs looks alike, and offsets shrink towards the population's mean.
    for side in ("left", "right"):
        assert up_m[f"{side}_ankle"] - up_m[f"{side}_hip"] == pytest.approx(0.11, abs=0.04)
        assert up_m[f"{side}_ankle"] == pytest.approx(0.06, abs=0.03)
    assert not {"nose", "left_wrist", "right_elbow"} & set(found)


def test_somebody_like_the_model_has_hardly_any_offsets(skeleton: Skeleton, model: LandmarkModel) -> None:
    person = PosingPerson(skeleton, model)
    solver = solver_of(person)
    learn(person, solver)
    assert solver.person.offsets is not None
    assert np.abs(solver.person.offsets.across_m).max() < 0.03


def test_state_and_time_left_run_from_unknown_over_learning_to_known(man_in_socks: PosingPerson) -> None:
    solver, seen = solver_of(man_in_socks), []
    q = man_in_socks.coordinates(**STANDING)
    for k in range(40):
        solver.solve(k * STEP_NS, man_in_socks.see(q, k))
        seen.append((solver.state, solver.person.learning_left_s))
    states = [state for state, _ in seen]
    order = [PersonState.UNKNOWN, PersonState.LEARNING, PersonState.KNOWN]
    assert sorted(states, key=order.index) == states and set(states) == set(order)
    assert states.index(PersonState.KNOWN) * STEP_NS < 2e9
    left_s = [left for state, left in seen if state is PersonState.LEARNING]
    assert left_s == sorted(left_s, reverse=True) and 0.0 < left_s[-1] < left_s[0] <= 0.7
    assert all(np.isnan(left) for state, left in seen if state is not PersonState.LEARNING)


def test_leaving_the_pose_too_soon_teaches_nothing(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks)
    for start in range(0, 60, 20):
        learn(man_in_socks, solver, 18, start)
        learn(man_in_socks, solver, 2, start + 18, knee_angle=70.0, hip_flexion=60.0)
        assert solver.state is not PersonState.KNOWN


def test_the_same_frames_give_the_same_bits_and_the_past_needs_no_future(man_in_socks: PosingPerson) -> None:
    frames = list(standing_then_squat(man_in_socks, rate_hz=RATE_HZ, stand_s=1.5, squat_s=1.0))

    def bits(solver: PersonalSolver, n: int) -> list[bytes]:
        seen = [(t_ns, man_in_socks.see(q, k)) for k, (t_ns, q) in enumerate(frames[:n])]
        return [solver.solve(t_ns, result).found.q.tobytes() for t_ns, result in seen]

    solver = solver_of(man_in_socks)
    first = bits(solver, len(frames))
    assert bits(solver_of(man_in_socks), 30) == first[:30]
    solver.forget_person()
    assert bits(solver, len(frames)) == first


@pytest.mark.parametrize("knee_deg", [33.0, 36.0])
def test_a_pose_with_bent_knees_is_noticed_when_legs_turn_out_longer(
    man_in_socks: PosingPerson, knee_deg: float
) -> None:
    """From the front, knees bent a little cannot be told from short legs at first."""
    solver = solver_of(man_in_socks)
    learn(man_in_socks, solver, knee_angle=knee_deg, hip_flexion=knee_deg / 2.0, ankle_angle=knee_deg / 2.0)
    assert solver.state is PersonState.KNOWN
    states = []
    for k in range(40, 120):
        learn(man_in_socks, solver, 1, k)
        states.append(solver.state)
    assert PersonState.UNKNOWN in states
    assert states[-1] is PersonState.KNOWN
    knee = man_in_socks.skeleton.coordinate_index("knee_angle_r")
    q = man_in_socks.coordinates(**STANDING)
    found = solver.solve(120 * STEP_NS, man_in_socks.see(q, 120)).found.q[knee]
    assert np.degrees(abs(found - q[knee])) < 6.0


def test_a_right_pose_is_kept_whatever_the_person_does_next(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks)
    offsets = []
    for round_ in range(2):
        for k, (t_ns, q) in enumerate(standing_then_squat(man_in_socks, rate_hz=RATE_HZ)):
            solver.solve(t_ns + round_ * 5_000_000_000, man_in_socks.see(q, k))
            offsets.append(solver.person.offsets)
    assert offsets[-1] is not None and offsets[-1] is offsets[30]
    nearer = replace(man_in_socks, distance_m=2.6)
    learn(nearer, solver, 60, 210)
    assert solver.person.offsets is offsets[-1]


def test_offsets_along_the_view_fade_as_the_person_turns(man_in_socks: PosingPerson) -> None:
    """What the network gets wrong along the line of sight belongs to the view, not to the body."""
    n = len(man_in_socks.model.landmark)
    facing = man_in_socks.coordinates(**STANDING)
    measured = LandmarkOffsets(np.zeros((n, 3)), np.full(n, 0.1), np.zeros((n, 3)))
    person = PersonModel(man_in_socks.skeleton, man_in_socks.model, man_in_socks.camera, measured)
    factors = np.ones((man_in_socks.skeleton.n_bodies, 3))
    _, R_cam_body, _ = person._place(facing, factors)
    measured.view[:] = R_cam_body[:, 2, :]  # the camera's viewing direction in each body
    ankle = ANKLES[1]

    def shift_m(turn_deg: float) -> float:
        q = man_in_socks.coordinates(turn_deg, **STANDING)
        seen = man_in_socks.see(q)
        world_m = world_in_camera(seen, man_in_socks.camera)
        return float((world_m - person.correct(seen, world_m, q, factors, 1.0)[1])[ankle, 2])

    assert shift_m(0.0) == pytest.approx(0.1, abs=0.01)
    assert shift_m(45.0) == pytest.approx(0.05, abs=0.015)
    assert shift_m(90.0) == pytest.approx(0.0, abs=0.01)
    assert shift_m(180.0) == pytest.approx(0.0, abs=1e-9)


def test_correction_moves_landmarks_to_where_the_model_has_them(man_in_socks: PosingPerson) -> None:
    """Exact offsets, any pose: corrected landmarks are those of somebody without offsets."""
    plain = replace(man_in_socks, offsets_m={}, noise_px=0.0)
    seen_by = replace(man_in_socks, noise_px=0.0)
    model = man_in_socks.model
    across = np.array([SOCKS.get(landmark, (0.0, 0.0, 0.0)) for landmark in model.landmark.tolist()])
    offsets = LandmarkOffsets(across, np.zeros(len(across)), np.zeros_like(across))
    person = PersonModel(man_in_socks.skeleton, model, man_in_socks.camera, offsets)
    factors = np.ones((man_in_socks.skeleton.n_bodies, 3))
    for knee_deg, turn_deg in ((0.0, 0.0), (60.0, 30.0), (100.0, 80.0)):
        q = man_in_socks.coordinates(turn_deg, knee_angle=knee_deg, hip_flexion=knee_deg)
        seen = seen_by.see(q)
        corrected, _ = person.correct(seen, world_in_camera(seen, seen_by.camera), q, factors, 1.0)
        rows = [*HIPS, *ANKLES]
        np.testing.assert_allclose(
            corrected.landmarks_px[rows, :2], plain.see(q).landmarks_px[rows, :2], atol=0.2
        )


def test_offsets_measured_before_are_known_from_the_first_frame(man_in_socks: PosingPerson) -> None:
    first = solver_of(man_in_socks)
    learn(man_in_socks, first)
    assert first.person.offsets is not None
    stored = LandmarkOffsets.of(first.person.offsets.by_landmark(man_in_socks.model), man_in_socks.model)
    np.testing.assert_array_equal(stored.across_m, first.person.offsets.across_m)
    second = solver_of(man_in_socks, offsets=stored)
    q = man_in_socks.coordinates(**STANDING)
    second.solve(0, man_in_socks.see(q))
    assert second.state is PersonState.KNOWN
    second.forget_person()
    assert second.state is PersonState.KNOWN
    second.relearn()
    assert second.state is PersonState.UNKNOWN
    learn(man_in_socks, second, 40, 1)
    assert second.state is PersonState.KNOWN and second.person.offsets is not stored


def test_nothing_is_learned_when_switched_off(man_in_socks: PosingPerson) -> None:
    solver = solver_of(man_in_socks, learns=False)
    learn(man_in_socks, solver, 60)
    solver.relearn()
    learn(man_in_socks, solver, 60, 60)
    assert solver.state is PersonState.UNKNOWN and solver.refusal is None


def half_hidden(result: BlazePoseResult) -> BlazePoseResult:
    """The same frame with the feet out of view."""
    presence = result.presence.copy()
    presence[27:] = 0.1
    return replace(result, presence=presence)


def test_feet_out_of_view_teach_nothing(man_in_socks: PosingPerson) -> None:
    solver, q = solver_of(man_in_socks), man_in_socks.coordinates(**STANDING)
    for k in range(40):
        solver.solve(k * STEP_NS, half_hidden(man_in_socks.see(q, k)))
    assert solver.state is PersonState.UNKNOWN
    assert solver.refusal is not None and "feet" in solver.refusal.value
