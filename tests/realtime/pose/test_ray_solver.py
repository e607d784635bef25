"""The ray solver against scipy's least squares on the cost that it says it minimises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from calib.camera import CameraCalibration
from calib.kinematics import body_transforms
from calib.skeleton import Skeleton, load_skeleton
from realtime.pose.landmark_model import LandmarkModel, build_landmark_model
from realtime.pose.observation import world_in_camera
from realtime.pose.planted_feet import PlantedFeet
from realtime.pose.ray_solver import RaySolver, Sighting
from realtime.pose.solver import Prior, habit_prior
from tests.support.posing_person import PosingPerson

POSES: tuple[dict[str, float], ...] = (
    {"hip_flexion": 20.0, "knee_angle": 30.0, "ankle_angle": 10.0},
    {"hip_flexion": 80.0, "knee_angle": 90.0, "ankle_angle": 20.0, "arm_flex": 60.0},
    {"hip_flexion_r": 45.0, "knee_angle_r": 70.0, "elbow_flex": 80.0, "lumbar_bending": 8.0},
)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return load_skeleton()


@pytest.fixture(scope="module")
def model(skeleton: Skeleton) -> LandmarkModel:
    return build_landmark_model(skeleton)


class Cost:
    """The documented cost of coordinates and the common depth, written down independently."""

    def __init__(self, person: PosingPerson, seen: Sighting, prior: Prior) -> None:
        self._person, self._seen, self._prior = person, seen, prior

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Residuals of coordinates followed by the depth of the mid hips."""
        q, depth_m = x[:-1], x[-1]
        model, camera, seen = self._person.model, self._person.camera, self._seen
        T = body_transforms(self._person.skeleton, q)[model.station_body]
        p_ground_m = np.einsum("nij,nj->ni", T[:, :3, :3], model.station_m) + T[:, :3, 3]
        p_m = (p_ground_m - camera.T_ground_cam[:3, 3]) @ camera.T_ground_cam[:3, :3]
        along = seen.rays / np.linalg.norm(seen.rays, axis=1, keepdims=True)
        across_m = p_m - along * (p_m * along).sum(1, keepdims=True)
        # The error along the ray of a point that is put on the ray at the depth that is believed.
        believed_m = seen.rays * (depth_m + seen.relative_m[:, 2:])
        along_m = ((p_m - believed_m) * along).sum(1)
        root = np.sqrt(seen.weights)
        from_prior = np.sqrt(self._prior.weight) * (q - self._prior.q)
        return np.concatenate(
            [
                (root / model.sigma_m)[:, None].repeat(3, 1).ravel() * across_m.ravel(),
                root / model.sigma_depth_m * along_m,
                from_prior,
            ]
        )

    def __call__(self, x: np.ndarray) -> float:
        return float(np.sum(self.residuals(x) ** 2))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("turn_deg", [0.0, 50.0])
def test_no_better_pose_and_depth_can_be_found(
    skeleton: Skeleton,
    model: LandmarkModel,
    pose: dict[str, float],
    turn_deg: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PlantedFeet, "begin", lambda self, t_ns, rays, **_: np.zeros(len(self.rows)))
    person = PosingPerson(skeleton, model, noise_px=2.0, depth_error_m=0.05, depth_gain=0.7)
    q_true = person.coordinates(turn_deg, **pose)
    result = person.see(q_true)
    used = model.landmark
    rays = person.camera.intrinsics.rays(result.landmarks_px[used, :2])
    relative_m = world_in_camera(result, person.camera)[used]
    seen, prior = Sighting(rays, relative_m, np.linspace(0.4, 1.0, len(used))), habit_prior(model)
    solver = RaySolver(skeleton, model, person.camera)
    for k in range(12):  # warm-started, as on frames of somebody who holds still
        found = solver.solve(k * 33_000_000, seen, prior).q
    cost = Cost(person, seen, prior)
    ours = np.append(found, solver.depth_m)
    free = np.flatnonzero(~skeleton.is_locked)

    def of_free(y: np.ndarray) -> np.ndarray:
        x = ours.copy()
        x[free], x[-1] = y[:-1], y[-1]
        return cost.residuals(x)

    best = least_squares(of_free, np.append(ours[free], ours[-1]), x_scale="jac", max_nfev=60)
    assert cost(ours) < 1.01 * 2.0 * best.cost
    assert solver.depth_m == pytest.approx(best.x[-1], abs=0.06)  # a flat valley
    for name in ("knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l"):
        k = int(np.flatnonzero(free == skeleton.coordinate_index(name))[0])
        assert np.degrees(ours[free[k]] - best.x[k]) == pytest.approx(0.0, abs=3.0), name


def test_one_turn_a_frame_follows_where_many_turns_lead(
    skeleton: Skeleton, model: LandmarkModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlantedFeet, "begin", lambda self, t_ns, rays, **_: np.zeros(len(self.rows)))
    person = PosingPerson(skeleton, model, noise_px=1.0, depth_error_m=0.05, depth_gain=0.7)
    used, prior = model.landmark, habit_prior(model)
    following, lasting = (RaySolver(skeleton, model, person.camera) for _ in range(2))
    knee = skeleton.coordinate_index("knee_angle_r")
    apart_m, apart_deg = [], []
    for k in range(40):  # a squat of 1.3 s
        bend_deg = 50.0 * (1.0 - np.cos(2.0 * np.pi * k / 40))
        q_true = person.coordinates(30.0, hip_flexion=0.9 * bend_deg, knee_angle=bend_deg)
        result = person.see(q_true)
        rays = person.camera.intrinsics.rays(result.landmarks_px[used, :2])
        seen = Sighting(rays, world_in_camera(result, person.camera)[used], np.ones(len(used)))
        q = following.solve(k * 33_000_000, seen, prior).q
        for turn in range(15):
            q_last = lasting.solve(k * 33_000_000 + turn, seen, prior).q
        apart_m.append(abs(following.depth_m - lasting.depth_m))
        apart_deg.append(np.degrees(abs(q[knee] - q_last[knee])))
    assert max(apart_m[2:]) < 0.015
    assert max(apart_deg[2:]) < 1.0


@pytest.mark.parametrize("pitch_deg", [-10.0, 0.0, 15.0])
def test_feet_on_a_level_floor_are_as_far_as_the_floor_is(model: LandmarkModel, pitch_deg: float) -> None:
    T_ground_cam = CameraCalibration.assumed(640, 480).T_ground_cam.copy()
    pitch = Rotation.from_euler("x", pitch_deg, degrees=True).as_matrix()
    T_ground_cam[:3, :3] = T_ground_cam[:3, :3] @ pitch
    before, now = PlantedFeet(model, T_ground_cam), PlantedFeet(model, T_ground_cam)
    n = len(model.landmark)

    def rays_and_depths(distance_m: float) -> tuple[np.ndarray, np.ndarray]:
        points = np.tile([-distance_m, -1.2, 0.1], (n, 1))
        p_cam_m = (points - T_ground_cam[:3, 3]) @ T_ground_cam[:3, :3]
        return p_cam_m / p_cam_m[:, 2:], p_cam_m[:, 2]

    (far, far_m), (near, near_m) = rays_and_depths(3.0), rays_and_depths(2.4)
    for feet in (before, now):
        feet.begin(0, far)
        feet.end(0, far, far_m)
    before.begin(100_000_000, near)
    now.begin(100_000_000, near, follows_floor=True)
    np.testing.assert_allclose(before.depth_m, far_m[before.rows])
    np.testing.assert_allclose(now.depth_m, near_m[now.rows], rtol=1e-9)
