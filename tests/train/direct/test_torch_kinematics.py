"""The torch kinematics equal the numba ones, which are pinned to OpenSim, and have right gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calib.kinematics import body_transforms, joint_centres, marker_positions, station_jacobian  # noqa: E402
from calib.skeleton import Skeleton, load_skeleton  # noqa: E402
from train.direct.torch_kinematics import TorchKinematics  # noqa: E402

MODELS = ["kinecast", "Rajagopal2016", "LaiUhlrich2022", "Pose2Sim_simple", "gait2392_thelen2003muscle"]


@pytest.fixture(params=MODELS)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    if request.param == "kinecast":
        return load_skeleton()
    folder: Path = request.getfixturevalue("shared_data")
    return load_skeleton(folder / "models" / f"{request.param}.osim")


def random_pose(skeleton: Skeleton, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    wide = np.clip(np.stack([skeleton.q_lower, skeleton.q_upper]), -2.5, 2.5)
    return rng.uniform(wide[0], wide[1]), rng.uniform(0.7, 1.4, (skeleton.n_bodies, 3))


def test_torch_places_bodies_markers_and_joints_where_numba_does(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(4)
    poses = [random_pose(skeleton, rng) for _ in range(16)]
    kinematics = TorchKinematics(skeleton)
    q = torch.from_numpy(np.array([q for q, _ in poses]))
    scale = torch.from_numpy(np.array([s for _, s in poses]))
    T = kinematics(q, scale)
    for k, pose in enumerate(poses):
        np.testing.assert_allclose(T[k].numpy(), body_transforms(skeleton, *pose), atol=1e-12)
        np.testing.assert_allclose(
            kinematics.marker_positions(T, scale)[k].numpy(), marker_positions(skeleton, *pose), atol=1e-12
        )
        np.testing.assert_allclose(
            kinematics.joint_centres(T, scale)[k].numpy(), joint_centres(skeleton, *pose), atol=1e-12
        )


def test_single_precision_stays_within_a_micrometre() -> None:
    skeleton = load_skeleton()
    rng = np.random.default_rng(5)
    q, scale = random_pose(skeleton, rng)
    T = TorchKinematics(skeleton).float()(torch.tensor(q).float(), torch.tensor(scale).float())
    np.testing.assert_allclose(T.numpy(), body_transforms(skeleton, q, scale), atol=1e-6)


def test_gradients_are_those_of_the_analytic_jacobian(skeleton: Skeleton) -> None:
    rng = np.random.default_rng(6)
    q, scale = random_pose(skeleton, rng)
    station_body = np.arange(skeleton.n_bodies)
    station = rng.uniform(-0.1, 0.1, (skeleton.n_bodies, 3))
    expected = np.empty((skeleton.n_bodies, 3, skeleton.n_q))
    T = np.empty((skeleton.n_bodies, 4, 4))
    station_jacobian(skeleton.tree, q, scale, station_body, station, T, expected)

    kinematics = TorchKinematics(skeleton)

    def stations(q: torch.Tensor) -> torch.Tensor:
        T = kinematics(q, torch.from_numpy(scale))
        return (T[:, :3, :3] @ torch.from_numpy(station).unsqueeze(-1)).squeeze(-1) + T[:, :3, 3]

    actual = torch.autograd.functional.jacobian(stations, torch.from_numpy(q)).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-10)


def test_gradients_over_scale_factors_match_finite_differences() -> None:
    skeleton = load_skeleton()
    q, scale = random_pose(skeleton, np.random.default_rng(7))
    kinematics = TorchKinematics(skeleton)
    assert torch.autograd.gradcheck(
        lambda s: kinematics(torch.from_numpy(q), s)[:, :3, 3],
        torch.from_numpy(scale).requires_grad_(),
        atol=1e-7,
    )
