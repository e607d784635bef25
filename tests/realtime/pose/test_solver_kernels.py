"""The solver's compiled arithmetic against the same formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.kinematics import body_transforms, station_jacobian, station_positions
from calib.skeleton import Skeleton, load_skeleton
from realtime.person.offsets import turned_offsets
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import MIN_DEPTH_M
from realtime.pose.ray_solver import fill_targets, station_depths
from realtime.pose.solver import inverse_diagonal, posterior_variances


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


def random_pose(rng: np.random.Generator) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    T[:3, 3] = rng.normal(size=3)
    return T


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_targets_lie_on_their_rays_and_are_known_along_and_across_them(seed: int, remembers: bool) -> None:
    rng = np.random.default_rng(seed)
    rays, T = np.concatenate([rng.normal(0.0, 0.5, (30, 2)), np.ones((30, 1))], 1), random_pose(rng)
    relative_m, weights = rng.normal(0.0, 2.0, (30, 3)), rng.uniform(0.0, 1.0, 30)
    sigma_m, sigma_depth_m = rng.uniform(0.01, 0.2, (2, 30))
    rows, foot_m = np.array([3, 7, 29]), rng.uniform(1.0, 4.0, 3)
    foot_information = rng.uniform(1.0, 900.0, 3) if remembers else np.zeros(3)
    points_m, information = np.full((30, 3), np.nan), np.full((30, 3, 3), np.nan)
    fill_targets(
        rays, relative_m, weights, sigma_m, sigma_depth_m, 3.0, rows, foot_information, foot_m, T,
        points_m, information,
    )  # fmt: skip
    along, depth_m = weights / sigma_depth_m**2, 3.0 + relative_m[:, 2]
    both = [along[rows], foot_information]
    depth_m[rows] = np.average([depth_m[rows], foot_m], 0, both)
    along[rows] = np.sum(both, 0)
    expected_m = (rays * np.maximum(depth_m, MIN_DEPTH_M)[:, None]) @ T[:3, :3].T + T[:3, 3]
    d = rays / np.linalg.norm(rays, axis=1, keepdims=True) @ T[:3, :3].T
    outer = d[:, :, None] * d[:, None, :]
    across = (weights / sigma_m**2)[:, None, None]
    np.testing.assert_allclose(points_m, expected_m, atol=1e-12)
    expected = (np.eye(3) - outer) * across + outer * along[:, None, None]
    np.testing.assert_allclose(information, expected, rtol=1e-11, atol=1e-9)


def test_depths_are_along_the_cameras_axis(skeleton: Skeleton, model: LandmarkModel) -> None:
    rng = np.random.default_rng(1)
    q, factors = skeleton.q_default + rng.normal(0.0, 0.2, skeleton.n_q), rng.uniform(0.9, 1.1, (22, 3))
    station_m, T = model.station_m * factors[model.station_body], random_pose(rng)
    points_m = np.empty_like(station_m)
    station_positions(body_transforms(skeleton, q, factors), model.station_body, station_m, points_m)
    expected = (np.linalg.inv(T) @ np.c_[points_m, np.ones(len(points_m))].T)[2]
    found = station_depths(skeleton.tree, q, factors, model.station_body, station_m, T)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_variances_are_those_of_the_inverted_information(
    skeleton: Skeleton, model: LandmarkModel, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    q, n, factors = rng.normal(0.0, 0.3, skeleton.n_q), len(model.landmark), np.ones((skeleton.n_bodies, 3))
    root = rng.normal(0.0, 30.0, (n, 3, 3))
    information, belief = root @ root.transpose(0, 2, 1), rng.uniform(0.5, 200.0, skeleton.n_q)
    free = np.flatnonzero(~skeleton.is_dependent)
    J, T = np.empty((n, 3, skeleton.n_q)), np.empty((skeleton.n_bodies, 4, 4))
    station_jacobian(skeleton.tree, q, factors, model.station_body, model.station_m, T, J)
    J = J[:, :, free]
    expected = np.linalg.inv(
        np.einsum("kia,kij,kjb->ab", J, information, J) + np.diag(belief[free])
    ).diagonal()
    found = posterior_variances(
        skeleton.tree, q, factors, model.station_body, model.station_m, information, belief, free
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_diagonal_of_an_inverse() -> None:
    root = np.random.default_rng(2).normal(size=(12, 12))
    P = root @ root.T + np.eye(12)
    np.testing.assert_allclose(inverse_diagonal(P.copy()), np.linalg.inv(P).diagonal(), rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_offsets_turn_with_the_bodies_and_fade_as_the_person_turns_away(
    skeleton: Skeleton, model: LandmarkModel, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, body = len(model.landmark), model.station_body
    q, factors = rng.normal(0.0, 0.4, skeleton.n_q), rng.uniform(0.8, 1.2, (skeleton.n_bodies, 3))
    across_m, along_m, view = rng.normal(0.0, 0.05, (n, 3)), rng.normal(0.0, 0.1, n), rng.normal(size=(n, 3))
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    T_cam = random_pose(rng)
    found = turned_offsets(
        skeleton.tree, q, factors, body, model.station_m, T_cam, across_m, along_m, view
    )  # fmt: skip
    T = np.linalg.inv(T_cam) @ body_transforms(skeleton, q, factors)[body]
    p_m = np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m * factors[body]) + T[:, :3, 3]
    seen = np.einsum("nji,nj->ni", T[:, :3, :3], p_m / np.linalg.norm(p_m, axis=1, keepdims=True))
    fading = np.maximum((seen * view).sum(1), 0.0) ** 2
    np.testing.assert_allclose(found[0], p_m, atol=1e-12)
    np.testing.assert_allclose(
        found[1], np.einsum("nij,nj->ni", T[:, :3, :3], factors[body] * across_m), atol=1e-12
    )
    np.testing.assert_allclose(found[2], along_m * factors[body].mean(1) * fading, atol=1e-12)
