"""What several views expect: tempered where rays cross, bent with the hips, free of flexed legs' shifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.skeleton import Skeleton, load_skeleton
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import reachable_rays
from realtime.pose.ray_solver import Sighting
from realtime.pose.solver import Prior, habit_prior
from realtime.views.expectation import CrossedExpectation, shared_prior
from realtime.views.flexed_landmarks import FlexedLandmarks
from realtime.views.solver import ViewsSolver
from tests.support.rigs import person, ring, seen


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def sighting(skeleton: Skeleton, model: LandmarkModel, q: np.ndarray, camera: object) -> Sighting:
    """What a camera sees without errors."""
    result = seen(skeleton, model, q, camera, np.random.default_rng(0), noise=0.0)  # type: ignore[arg-type]
    rays, _ = reachable_rays(result.landmarks_px[model.landmark, :2], camera.intrinsics)  # type: ignore[attr-defined]
    return Sighting(rays, result.world_m[model.landmark], np.ones(len(rays)))


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(("right_deg", "left_deg", "flexed_deg"), [(90.0, 100.0, 90.0), (90.0, -10.0, 0.0)])
def test_the_lumbar_joint_bends_with_the_hip_that_is_flexed_less(
    skeleton: Skeleton, right_deg: float, left_deg: float, flexed_deg: float, is_known: bool
) -> None:
    q = person(skeleton, hip_flexion_r=right_deg, hip_flexion_l=left_deg, lumbar_extension=5.0)
    prior = Prior(q, np.full(len(q), np.radians(6.0) ** -2.0), np.ones(len(q)))
    found = CrossedExpectation(skeleton).temper(prior, is_known=is_known)
    k = skeleton.coordinate_index("lumbar_extension")
    # Two normal distributions as one, by hand.
    of_views = 1.0 / 6.0**2
    of_bend = 1.0 / 5.0**2
    expected = (5.0 * of_views + (-4.0 - 0.25 * flexed_deg) * of_bend) / (of_views + of_bend)
    assert np.degrees(found.q[k]) == pytest.approx(expected)
    weights = np.diag(found.against_landmarks) * np.radians(1.0) ** 2
    assert weights[k] == pytest.approx(of_views + of_bend)
    others = [i for i in range(len(q)) if i != k]
    np.testing.assert_array_equal(found.q[others], q[others])


def correlated_prior(skeleton: Skeleton, seed: int) -> Prior:
    """A pose with errors that go together; nothing is known of the pelvis's position."""
    rng = np.random.default_rng(seed)
    q, n = person(skeleton), skeleton.n_q
    root = rng.normal(0.0, 3.0, (n, n)) + 20.0 * np.eye(n)
    root[:, [skeleton.coordinate_index(f"pelvis_t{axis}") for axis in "xyz"]] = 0.0
    information = root.T @ root
    return Prior(
        q + rng.normal(0.0, 0.1, n), np.diag(information).copy(), np.ones(n), information=information
    )


def test_views_whose_errors_go_together_are_weighed_by_their_covariances(skeleton: Skeleton) -> None:
    """Against least squares over all opinions at once."""
    priors = [correlated_prior(skeleton, seed) for seed in range(3)]
    found = shared_prior(priors, skeleton.is_rotational)
    known = np.flatnonzero(np.diag(priors[0].information) > 0.0)  # type: ignore[arg-type]
    roots = [np.linalg.cholesky(p.information[np.ix_(known, known)]).T for p in priors]  # type: ignore[index]
    right = np.concatenate([root @ p.q[known] for root, p in zip(roots, priors, strict=True)])
    expected, *_ = np.linalg.lstsq(np.concatenate(roots), right, rcond=None)
    np.testing.assert_allclose(found.q[known], expected, atol=1e-9)
    total = sum(p.information for p in priors)  # type: ignore[misc]
    np.testing.assert_allclose(found.information, total / 2.0)  # opinions that correlate by a half


@pytest.mark.parametrize("is_known", [False, True])
def test_the_bend_moves_what_goes_with_the_lumbar_joint(skeleton: Skeleton, is_known: bool) -> None:
    prior = correlated_prior(skeleton, 7)
    crossed = CrossedExpectation(skeleton)
    found = crossed.temper(prior, is_known=is_known)
    k, known = skeleton.coordinate_index("lumbar_extension"), np.flatnonzero(prior.weight > 0.0)
    tempered = replace(prior, trust=found.trust).against_landmarks[np.ix_(known, known)]
    row = np.zeros(len(known))
    row[known.tolist().index(k)] = 1.0 / np.radians(5.0)
    flexed = max(0.0, min(prior.q[skeleton.coordinate_index(f"hip_flexion_{side}")] for side in "rl"))
    root = np.concatenate([np.linalg.cholesky(tempered).T, row[None]])
    right = np.append(root[:-1] @ prior.q[known], row.max() * (np.radians(-4.0) - 0.25 * flexed))
    expected, *_ = np.linalg.lstsq(root, right, rcond=None)
    np.testing.assert_allclose(found.q[known], expected, atol=1e-9)
    np.testing.assert_allclose(found.against_landmarks[np.ix_(known, known)], root.T @ root, rtol=1e-9)


def test_knees_of_somebody_who_is_known_follow_rays(skeleton: Skeleton) -> None:
    q = person(skeleton)
    prior = Prior(q, np.full(len(q), 100.0), np.ones(len(q)))
    trust = np.asarray(CrossedExpectation(skeleton).temper(prior, is_known=True).trust)
    knee, ankle = (skeleton.coordinate_index(name) for name in ("knee_angle_r", "ankle_angle_r"))
    assert trust[knee] == pytest.approx(0.1 * trust[ankle])


def test_straight_legs_shift_no_landmark_and_flexed_ones_shorten_the_thigh(
    skeleton: Skeleton, model: LandmarkModel
) -> None:
    flexed = FlexedLandmarks(skeleton, model)
    assert not flexed.offsets_m(person(skeleton)).any()
    bent = person(skeleton, hip_flexion_r=100.0, knee_angle_r=110.0)
    moved = np.flatnonzero(flexed.offsets_m(bent).any(1))
    assert [int(model.landmark[k]) for k in moved] == sorted([24, 26], key=model.landmark.tolist().index)


def test_a_shift_is_taken_back_in_every_view(skeleton: Skeleton, model: LandmarkModel) -> None:
    q, factors = person(skeleton, hip_flexion_r=100.0, knee_angle_r=110.0), np.ones((skeleton.n_bodies, 3))
    flexed = FlexedLandmarks(skeleton, model)
    shifted = replace(model, station_m=model.station_m + flexed.offsets_m(q))
    for camera in ring(10.0, 75.0, -120.0).cameras:
        found = flexed.correct(sighting(skeleton, shifted, q, camera), q, factors, camera)
        expected = sighting(skeleton, model, q, camera)
        np.testing.assert_allclose(found.rays, expected.rays, atol=1e-9)


def test_a_ray_that_misses_is_outvoted(skeleton: Skeleton, model: LandmarkModel) -> None:
    q = person(skeleton, knee_angle_r=60.0, hip_flexion_r=40.0)
    cameras, wrist = ring(0.0, 60.0, 120.0).cameras, model.landmark.tolist().index(16)

    def errors_m(shift: float) -> float:
        views = [sighting(skeleton, model, q, camera) for camera in cameras]
        views[1].rays[wrist, 0] += shift
        solver = ViewsSolver(skeleton, model, cameras)
        found = solver.solve(views, habit_prior(model)).q
        elbow = skeleton.coordinate_index("elbow_flex_r")
        return abs(float(found[elbow] - q[elbow]))

    # A wrist half a metre off in one view moves the elbow less than one that is 10 cm off.
    assert errors_m(0.5 / 3.5) < errors_m(0.1 / 3.5) + np.radians(2.0)
    assert errors_m(0.5 / 3.5) < errors_m(0.0) + np.radians(5.0)
