"""Several views of one person: fewer errors the more there are, and views that are wrong are left out."""

from __future__ import annotations

import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.solver import Prior
from realtime.views.agreement import COMPARED, ViewedPerson, agreeing, triangulate
from realtime.views.expectation import SHARED_OPINION, shared_prior
from realtime.views.personal_solver import ViewsPersonalSolver
from tests.support.rigs import person, ring, seen, with_sides_swapped

POSES = (
    {"knee_angle_r": 80.0, "hip_flexion_r": 60.0, "elbow_flex_l": 70.0},
    {"knee_angle_l": 40.0, "hip_flexion_l": 70.0, "arm_flex_r": 60.0, "lumbar_extension": -20.0},
    {"hip_adduction_r": -20.0, "arm_add_l": -60.0, "knee_angle_r": 10.0},
)
SCORED = ("hip_flexion", "hip_adduction", "knee_angle")
FRAME_NS = 33_000_000


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def solver_of(skeleton: Skeleton, model: LandmarkModel, *degrees: float) -> ViewsPersonalSolver:
    """A solver that knows the person's size and learns nothing."""
    known = np.ones((skeleton.n_bodies, 3))
    return ViewsPersonalSolver(skeleton, model, ring(*degrees).cameras, known=known, learns=False)


def error_deg(skeleton: Skeleton, q: np.ndarray, truth: np.ndarray) -> float:
    rows = [skeleton.coordinate_index(f"{name}_{side}") for name in SCORED for side in "rl"]
    return float(np.degrees(np.abs(q - truth)[rows]).mean())


def mean_error_deg(skeleton: Skeleton, model: LandmarkModel, n_views: int) -> float:
    rng = np.random.default_rng(5)
    angles = (20.0, -70.0, 100.0, -150.0)
    cameras, errors = ring(*angles).cameras, []
    for angles_deg in POSES:
        truth, solver = person(skeleton, **angles_deg), solver_of(skeleton, model, *angles)
        for moment in range(8):
            views = [
                seen(skeleton, model, truth, camera, rng, noise=2.0) if k < n_views else None
                for k, camera in enumerate(cameras)
            ]
            found = solver.solve(moment * FRAME_NS, views).found
            errors.append(error_deg(skeleton, found.q, truth))
    return float(np.mean(errors))


def test_more_views_give_fewer_errors(skeleton: Skeleton, model: LandmarkModel) -> None:
    one, two, three, four = (mean_error_deg(skeleton, model, n) for n in (1, 2, 3, 4))
    assert two < 0.75 * one
    assert four < three < two


def test_exact_views_give_the_pose_back(skeleton: Skeleton, model: LandmarkModel) -> None:
    rng, truth = np.random.default_rng(0), person(skeleton, **POSES[0])
    solver = solver_of(skeleton, model, 30.0, -40.0)
    cameras = ring(30.0, -40.0).cameras
    views = [seen(skeleton, model, truth, camera, rng, noise=0.0) for camera in cameras]
    for moment in range(3):
        found = solver.solve(moment * FRAME_NS, views).found
    # The prior of human posture still pulls a little.
    assert error_deg(skeleton, found.q, truth) < 2.0


def test_rays_meet_where_the_landmarks_are(skeleton: Skeleton, model: LandmarkModel) -> None:
    rng, q = np.random.default_rng(0), person(skeleton, **POSES[1])
    a, b = ring(15.0, -60.0).cameras
    views = [ViewedPerson.of(seen(skeleton, model, q, c, rng, noise=0.0), c) for c in (a, b)]
    points_m, weights = triangulate(views)
    for camera in (a, b):
        expected_px = seen(skeleton, model, q, camera, rng, noise=0.0).landmarks_px[model.landmark, :2]
        np.testing.assert_allclose(camera.project(points_m[model.landmark]), expected_px, atol=1e-3)
    assert (weights == 1.0).all()


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize("kind", ["swapped", "somebody else"])
def test_a_wrong_view_is_voted_out(skeleton: Skeleton, model: LandmarkModel, bad: int, kind: str) -> None:
    rng, truth = np.random.default_rng(2), person(skeleton, **POSES[0])
    angles = (30.0, -50.0, 120.0)
    solver, cameras = solver_of(skeleton, model, *angles), ring(*angles).cameras
    other = person(skeleton, **POSES[1])
    other[skeleton.coordinate_index("pelvis_tx")] += 0.8
    other[skeleton.coordinate_index("pelvis_tz")] -= 0.8
    views = [seen(skeleton, model, truth, camera, rng) for camera in cameras]
    assert solver.solve(0, views).used == (0, 1, 2)
    wrong = seen(skeleton, model, other, cameras[bad], rng)
    views[bad] = with_sides_swapped(views[bad]) if kind == "swapped" else wrong
    solved = solver.solve(FRAME_NS, views)
    assert solved.used == tuple(k for k in range(3) if k != bad)
    assert error_deg(skeleton, solved.found.q, truth) < 6.0


@pytest.mark.parametrize("bad", [0, 1])
def test_of_two_views_the_one_that_goes_on_from_before_wins(
    skeleton: Skeleton, model: LandmarkModel, bad: int
) -> None:
    rng, truth = np.random.default_rng(4), person(skeleton, **POSES[0])
    solver, cameras = solver_of(skeleton, model, 30.0, -50.0), ring(30.0, -50.0).cameras
    views = [seen(skeleton, model, truth, camera, rng) for camera in cameras]
    for moment in range(3):
        solver.solve(moment * FRAME_NS, views)
    swapped = [with_sides_swapped(view) if k == bad else view for k, view in enumerate(views)]
    for moment in range(3, 12):
        solved = solver.solve(moment * FRAME_NS, swapped)
        assert solved.used == (1 - bad,)
    assert solver.solve(12 * FRAME_NS, views).used == (0, 1)


def test_a_lost_view_is_gone_on_without_and_comes_back(skeleton: Skeleton, model: LandmarkModel) -> None:
    rng, truth = np.random.default_rng(6), person(skeleton, **POSES[2])
    solver, cameras = solver_of(skeleton, model, 0.0, 80.0), ring(0.0, 80.0).cameras
    for moment in range(12):
        views = [seen(skeleton, model, truth, camera, rng) for camera in cameras]
        is_lost = 4 <= moment < 8
        solved = solver.solve(moment * FRAME_NS, [views[0], None] if is_lost else views)
        assert solved.used == ((0,) if is_lost else (0, 1))
        assert error_deg(skeleton, solved.found.q, truth) < 15.0


def test_somebody_who_walked_during_a_gap_does_not_bend_their_knees(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    """By one view, whose depths are believed from moment to moment: they were 25 degrees off."""
    camera, solver = ring(20.0, -70.0).cameras[0], solver_of(skeleton, model, 20.0, -70.0)
    truth, rng = person(skeleton, **POSES[2]), np.random.default_rng(2)
    for moment in range(5):
        solver.solve(moment * FRAME_NS, [seen(skeleton, model, truth, camera, rng, noise=0.0), None])
    for axis, ahead in zip("xyz", camera.T_ground_cam[:3, 2], strict=True):
        truth[skeleton.coordinate_index(f"pelvis_t{axis}")] += 0.6 * ahead
    for moment in range(3):
        view = seen(skeleton, model, truth, camera, rng, noise=0.0)
        found = solver.solve(6_000_000_000 + moment * FRAME_NS, [view, None]).found
        assert error_deg(skeleton, found.q, truth) < 8.0


def test_the_person_is_measured_where_rays_meet(skeleton: Skeleton, model: LandmarkModel) -> None:
    # Networks give everybody an ordinary size; cameras in known positions see that these people are larger.
    rng, truth = np.random.default_rng(8), person(skeleton)
    cameras = ring(20.0, -60.0).cameras
    solver = ViewsPersonalSolver(skeleton, model, cameras, learns=False)
    for moment in range(30):
        views = [seen(skeleton, model, truth, camera, rng) for camera in cameras]
        solver.solve(moment * FRAME_NS, views)
    assert solver.scaling.scale_factors.mean() == pytest.approx(1.0, abs=0.02)


def test_views_without_anything_in_common_leave_the_best_seen() -> None:
    rays = np.tile([0.0, 0.0, 1.0], (33, 1))
    shape = np.zeros((33, 3))
    shape[COMPARED[:4]] = [0.0, 0.0, 0.3]
    a = ViewedPerson(np.zeros(3), rays, shape, 3.0, np.full(33, 0.4))
    b = ViewedPerson(np.ones(3), rays, -shape, 3.0, np.full(33, 0.9))
    assert agreeing([a, b], None) == [1]
    assert agreeing([None, None], None) == []


def test_shared_expectations_are_weighed_and_wrap_around() -> None:
    def prior(q_deg: list[float], sigma_deg: float) -> Prior:
        return Prior(np.radians(q_deg), np.full(2, np.radians(sigma_deg) ** -2.0), np.ones(2))

    both = shared_prior([prior([179.0, 10.0], 5.0), prior([-179.0, 40.0], 10.0)], np.array([True, True]))
    # Inverse variances are 4 to 1.
    np.testing.assert_allclose(np.degrees(both.q), [179.4, 16.0], atol=1e-9)
    one = prior([0.0, 0.0], 5.0).weight
    np.testing.assert_allclose(both.weight, 1.25 * one / (1.0 + SHARED_OPINION))
